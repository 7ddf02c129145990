//! What bytes of a connection go through: TCP alone, or TLS on it.

use super::plan::{Plan, Protocol, Reuse};
use crate::bench::local::{Got, read};
use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, SignatureScheme, version,
};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

/// A connection's bytes.
pub(super) enum Transport {
    Plain,
    Tls(Box<ClientConnection>),
}

/// What all connections over TLS share: TLS 1.3 with X25519, which every program here has, so that all do the same work.
///
/// # Errors
/// When the library has not got that.
pub(super) fn config(plan: &Plan) -> Result<Option<Arc<ClientConfig>>, String> {
    if !plan.tls {
        return Ok(None);
    }
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let protocol: &[u8] = match plan.protocol {
        Protocol::H2 | Protocol::Grpc => b"h2",
        Protocol::H1 | Protocol::WebSocket => b"http/1.1",
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = match plan.reuse {
        Reuse::Resumed => Resumption::in_memory_sessions(64),
        Reuse::Kept | Reuse::Fresh => Resumption::disabled(),
    };
    Ok(Some(Arc::new(config)))
}

impl Transport {
    pub(super) fn new(config: Option<&Arc<ClientConfig>>) -> Result<Transport, String> {
        let Some(config) = config else { return Ok(Transport::Plain) };
        let name = ServerName::try_from("bench").map_err(|error| error.to_string())?;
        let connection =
            ClientConnection::new(Arc::clone(config), name).map_err(|error| error.to_string())?;
        Ok(Transport::Tls(Box::new(connection)))
    }

    /// Whether it was made by an earlier session, once that is known.
    pub(super) fn is_resumed(&self) -> bool {
        match self {
            Transport::Plain => false,
            Transport::Tls(connection) => connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// Reads once, and gives what came of it to `take`; what the socket had.
    pub(super) fn read(
        &mut self,
        stream: &mut TcpStream,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<Got, String> {
        let got = read(stream, buffer).map_err(|error| format!("a connection broke: {error}"))?;
        let Got::Bytes(count, _) = got else { return Ok(got) };
        let Transport::Tls(connection) = self else {
            take(&buffer[..count])?;
            return Ok(got);
        };
        let (mut cipher, mut plain) = (&buffer[..count], [0; 16 * 1024]);
        while !cipher.is_empty() {
            connection.read_tls(&mut cipher).map_err(|error| error.to_string())?;
            connection.process_new_packets().map_err(|error| format!("TLS: {error}"))?;
            loop {
                match connection.reader().read(&mut plain) {
                    Ok(0) => return Ok(Got::End),
                    Ok(count) => take(&plain[..count])?,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(format!("TLS: {error}")),
                }
            }
        }
        Ok(got)
    }

    /// Writes what is taken now; what is left stays in `output`, or in the session.
    pub(super) fn write(&mut self, stream: &mut TcpStream, output: &mut Vec<u8>) -> io::Result<()> {
        let Transport::Tls(connection) = self else {
            let mut at = 0;
            while at < output.len() {
                match stream.write(&output[at..]) {
                    Ok(count) => at += count,
                    Err(error) if later(&error) => break,
                    Err(error) => return Err(error),
                }
            }
            output.drain(..at);
            return Ok(());
        };
        loop {
            let taken = connection.writer().write(output)?;
            output.drain(..taken);
            if !connection.wants_write() {
                return Ok(());
            }
            match connection.write_tls(stream) {
                Ok(_) => {}
                Err(error) if later(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// One that is not connected yet takes bytes later too.
fn later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted)
}

/// Takes everybody for whom they say they are: the bench makes its own certificate, and checking it costs only the load.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
