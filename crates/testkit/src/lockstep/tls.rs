//! TLS 1.3 of the client, on a blocking socket.

use super::bad;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

/// The name that the server's certificate is for.
const NAME: &str = "shop.example";

/// A connection of ours.
pub(super) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// How connections are made.
pub(super) struct Connector {
    config: Arc<ClientConfig>,
    /// What every handshake but the first must be.
    wanted: HandshakeKind,
    is_first: bool,
}

impl Connector {
    /// Trusts the certificate in a PEM file. It offers X25519 and AES-128-GCM alone: what browsers prefer and all servers
    /// that are compared have.
    pub fn new(roots: &Path, resumes: bool) -> io::Result<Connector> {
        let mut trusted = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(roots).map_err(io::Error::other)? {
            trusted.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let mut provider = default_provider();
        provider.kx_groups = vec![kx_group::X25519];
        provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(io::Error::other)?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        let wanted = if resumes { HandshakeKind::Resumed } else { HandshakeKind::Full };
        Ok(Connector { config: Arc::new(config), wanted, is_first: true })
    }

    /// Begins TLS and sends `first` together with the end of the handshake.
    pub fn open(&mut self, stream: TcpStream, first: &[u8]) -> io::Result<Stream> {
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let mut session = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        // It is kept until the handshake is done, and then goes out with its last message.
        session.writer().write_all(first)?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let kind = stream.conn.handshake_kind();
        if !std::mem::take(&mut self.is_first) && kind != Some(self.wanted) {
            return Err(bad(format!("the handshake was {kind:?} and not {:?}", self.wanted)));
        }
        Ok(stream)
    }
}
