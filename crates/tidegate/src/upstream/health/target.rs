//! Where a server is checked, and how it is reached: over TLS where its pool has TLS.

use super::reason::Reason;
use crate::tls::client::{PoolTls, agreed_on_h2};
use policy::model::{Health, Pool, Protocol};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A server to check.
pub struct Target {
    /// Where it is asked.
    pub address: SocketAddr,
    /// What is spoken.
    pub protocol: Protocol,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Target {
    /// The server with this number of a pool.
    pub fn new(pool: &Pool, server: usize, health: &Health, tls: Option<&PoolTls>) -> Target {
        let mut address = pool.servers[server].address;
        if let Some(port) = health.port {
            address.set_port(port);
        }
        let tls = tls.map(|tls| (TlsConnector::from(Arc::clone(&tls.config)), tls.names[server].clone()));
        Target { address, protocol: pool.protocol, tls }
    }

    /// A server without TLS.
    #[cfg(test)]
    pub fn plain(address: SocketAddr, protocol: Protocol) -> Target {
        Target { address, protocol, tls: None }
    }

    /// The scheme of what is asked.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// A connection without more.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect(&self) -> Result<TcpStream, Reason> {
        Ok(TcpStream::connect(self.address).await?)
    }

    /// A connection on which the protocol can be spoken. Boxed: checks are few, and TLS is a kind of its own.
    ///
    /// # Errors
    /// When it is refused, or TLS does not come about.
    pub async fn open(&self) -> Result<Box<dyn Stream>, Reason> {
        let tcp = self.connect().await?;
        let Some((connector, name)) = &self.tls else { return Ok(Box::new(tcp)) };
        let stream = connector.connect(name.clone(), tcp).await?;
        if self.protocol == Protocol::H2 && !agreed_on_h2(stream.get_ref().1) {
            return Err(Reason::NoH2);
        }
        Ok(Box::new(stream))
    }
}
