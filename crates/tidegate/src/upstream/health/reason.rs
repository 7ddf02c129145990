//! Why a check failed, for people who have to do something about it.

use rustls::{AlertDescription, CertificateError};
use std::fmt;
use std::io;
use wire::grpc::STATUS_NAMES;
use wire::h1::HeadError;

/// Why a check failed.
#[derive(Debug)]
pub enum Reason {
    /// No connection, or it broke.
    Io(io::Error),
    /// Not in time.
    Timeout,
    /// The server closed before it had answered.
    Closed,
    /// No TLS with the server.
    Tls(rustls::Error),
    /// TLS without HTTP/2 agreed on.
    NoH2,
    /// No answer of HTTP/1.
    Head(HeadError),
    /// No answer of HTTP/2.
    Http2(h2::Error),
    /// The path or host of the check cannot be written in HTTP/2.
    Request(http::Error),
    /// A status that is no success.
    Status(u16),
    /// An answer that is none of gRPC.
    NotGrpc,
    /// A gRPC status other than OK, with what the server says of it.
    GrpcStatus(u32, String),
    /// The service is in a state other than SERVING.
    NotServing(u64),
}

/// States of a service, from 0 on (`grpc.health.v1.HealthCheckResponse.ServingStatus`).
const SERVING_STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

fn name<const N: usize>(names: [&'static str; N], number: u64) -> &'static str {
    usize::try_from(number).ok().and_then(|number| names.get(number)).copied().unwrap_or("unheard of")
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Io(error) => write!(formatter, "{error}"),
            Reason::Timeout => write!(formatter, "timeout"),
            Reason::Closed => write!(formatter, "closed without an answer"),
            Reason::Tls(error) => tls(error, formatter),
            Reason::NoH2 => write!(formatter, "TLS: the server did not agree on h2 (ALPN)"),
            Reason::Head(error) => write!(formatter, "{error}"),
            // The text `HTTP/1.1`, read as the head of a frame, announces a frame of 4.7 MB.
            Reason::Http2(error)
                if error.is_library() && error.reason() == Some(h2::Reason::FRAME_SIZE_ERROR) =>
            {
                write!(formatter, "the server does not speak HTTP/2")
            }
            Reason::Http2(error) => write!(formatter, "HTTP/2: {error}"),
            Reason::Request(error) => write!(formatter, "cannot be asked for in HTTP/2: {error}"),
            Reason::Status(status) => write!(formatter, "status {status}"),
            Reason::NotGrpc => write!(formatter, "the answer is none of gRPC"),
            Reason::GrpcStatus(status, message) => {
                write!(formatter, "grpc-status {status} {}", name(STATUS_NAMES, u64::from(*status)))?;
                if message.is_empty() { Ok(()) } else { write!(formatter, ": {message}") }
            }
            Reason::NotServing(state) => write!(formatter, "{}", name(SERVING_STATUSES, *state)),
        }
    }
}

/// The usual mistakes in words of our own; the others as `rustls` has them.
fn tls(error: &rustls::Error, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let words = match error {
        rustls::Error::InvalidMessage(_) => "the server does not speak it",
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is not from an authority that is trusted"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a certificate of ours"
        }
        other => return write!(formatter, "TLS: {other}"),
    };
    write!(formatter, "TLS: {words}")
}

impl From<io::Error> for Reason {
    /// `tokio-rustls` wraps errors of TLS in those of IO.
    fn from(error: io::Error) -> Reason {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => Reason::NoH2,
            Some(tls) => Reason::Tls(tls.clone()),
            None => Reason::Io(error),
        }
    }
}

impl From<h2::Error> for Reason {
    fn from(error: h2::Error) -> Reason {
        match error {
            error if error.is_io() => match error.into_io() {
                // What `h2` makes of an end that comes too early.
                Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Reason::Closed,
                Some(error) => Reason::from(error),
                None => Reason::Closed,
            },
            error => Reason::Http2(error),
        }
    }
}

impl From<http::Error> for Reason {
    fn from(error: http::Error) -> Reason {
        Reason::Request(error)
    }
}
