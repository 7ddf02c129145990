//! What can go wrong with one request, on which side, and what the client is told.
//!
//! The client gets a status; the log gets the reason. Both are mapped here, once.

use wire::grpc_web::TextError;
use wire::h1::{ChunkError, HeadError};

/// Why a request was not answered by a server, or not in full.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The client's head breaks the rules of HTTP/1.
    #[error("bad request head")]
    RequestHead(#[source] HeadError),
    /// The client's chunked body does.
    #[error("bad request body")]
    RequestBody(#[source] ChunkError),
    /// The client's body of gRPC-Web is not the text that it is said to be.
    #[error("bad text of gRPC-Web")]
    GrpcWebText(#[source] TextError),
    /// The path cannot be brought to normal form, or means different things to different servers.
    #[error("bad request path")]
    RequestPath,
    /// The client's head did not arrive in time.
    #[error("the request head took too long")]
    HeadTimeout,
    /// The client's body stood still.
    #[error("the request body stood still")]
    ClientBodyTimeout,
    /// The body is larger than its bound.
    #[error("the request body is too large")]
    BodyTooLarge,
    /// The client reset the connection or closed it inside a message.
    #[error("the client is gone")]
    ClientGone,
    /// The client stopped reading the answer.
    #[error("the client reads too slowly")]
    ClientStalled,
    /// The rules gave no site, no route, or nothing that can be done.
    #[error("refused by the rules: {reason}")]
    Refused {
        /// The status that the rules want.
        status: u16,
        /// A word for the log.
        reason: &'static str,
    },
    /// No server of the pool takes traffic.
    #[error("no server is up")]
    NoServerUp,
    /// No descriptor or other resource was left to reach a server with.
    #[error("out of resources to reach a server")]
    Exhausted,
    /// Every server that was tried refused the connection.
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    /// TLS with the server did not come about: its certificate is not trusted, or it does not speak TLS.
    #[error("no TLS with the server")]
    ServerTls(#[source] std::io::Error),
    /// The server does not speak HTTP/2, which its pool is said to speak.
    #[error("the server has not agreed on HTTP/2")]
    ServerWithoutH2,
    /// The connection was not made in time.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// The server closed or reset the connection before it answered.
    #[error("the server closed the connection without an answer")]
    ServerClosed,
    /// The server's head breaks the rules of HTTP/1.
    #[error("bad answer head")]
    ResponseHead(#[source] HeadError),
    /// The server's chunked body does.
    #[error("bad answer body")]
    ResponseBody(#[source] ChunkError),
    /// The server switched protocols without being asked.
    #[error("the server switched protocols unasked")]
    UnaskedUpgrade,
    /// The client wanted a tunnel, and the server has answered as if it were an ordinary request.
    #[error("the server has not opened the tunnel that was asked for")]
    NoTunnel,
    /// The server's answer is one after which its pool wants another server tried.
    #[error("another server is tried after such an answer")]
    AnswerPassedOver,
    /// No answer began in time.
    #[error("no answer in time")]
    FirstByteTimeout,
    /// The server did not take the request's body in time, or stopped inside its answer.
    #[error("the server stood still")]
    ServerStalled,
    /// The server closed the connection inside its answer.
    #[error("the server cut its answer short")]
    ServerCut,
    /// Neither side of a tunnel had anything to say for long.
    #[error("the tunnel was idle")]
    TunnelIdle,
    /// The whole took longer than it may.
    #[error("the request took too long in all")]
    TotalTimeout,
    /// The process was asked to stop.
    #[error("stopped")]
    Stopped,
}

impl ProxyError {
    /// What a filter around a stream has found, which reaches the relay as the error of a read or a write; `None` where
    /// the stream itself failed.
    pub fn carried_by(error: std::io::Error) -> Option<ProxyError> {
        error.downcast().ok()
    }

    /// The status for a client that has not been answered yet; `None` where there is nobody to tell.
    ///
    /// 502, 503 and 504 as RFC 9110 sections 15.6.3 to 15.6.5 mean them: the server's answer was bad, we
    /// cannot serve for now, the server took too long.
    pub fn status(&self) -> Option<u16> {
        Some(match self {
            ProxyError::RequestHead(error) => error.status(),
            ProxyError::RequestBody(_) | ProxyError::GrpcWebText(_) | ProxyError::RequestPath => 400,
            ProxyError::HeadTimeout | ProxyError::ClientBodyTimeout => 408,
            ProxyError::BodyTooLarge => 413,
            ProxyError::ClientGone
            | ProxyError::ClientStalled
            | ProxyError::TunnelIdle
            | ProxyError::Stopped => return None,
            ProxyError::Refused { status, .. } => *status,
            ProxyError::NoServerUp | ProxyError::Exhausted => 503,
            ProxyError::Connect(_)
            | ProxyError::ServerTls(_)
            | ProxyError::ServerWithoutH2
            | ProxyError::ServerClosed
            | ProxyError::ResponseHead(_)
            | ProxyError::ResponseBody(_)
            | ProxyError::UnaskedUpgrade
            | ProxyError::NoTunnel
            | ProxyError::AnswerPassedOver
            | ProxyError::ServerCut => 502,
            ProxyError::ConnectTimeout
            | ProxyError::FirstByteTimeout
            | ProxyError::ServerStalled
            | ProxyError::TotalTimeout => 504,
        })
    }

    /// One word for the access log.
    pub fn reason(&self) -> &'static str {
        match self {
            ProxyError::RequestHead(error) => error.reason(),
            ProxyError::RequestBody(error) => error.reason(),
            ProxyError::GrpcWebText(error) => error.reason(),
            ProxyError::RequestPath => "bad_path",
            ProxyError::HeadTimeout => "head_timeout",
            ProxyError::ClientBodyTimeout => "client_body_timeout",
            ProxyError::BodyTooLarge => "body_too_large",
            ProxyError::ClientGone => "client_gone",
            ProxyError::ClientStalled => "client_stalled",
            ProxyError::Refused { reason, .. } => reason,
            ProxyError::NoServerUp => "no_server_up",
            ProxyError::Exhausted => "out_of_descriptors",
            ProxyError::Connect(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                "connection_refused"
            }
            ProxyError::Connect(_) => "connect_failed",
            ProxyError::ServerTls(_) => "server_tls_failed",
            ProxyError::ServerWithoutH2 => "server_without_http2",
            ProxyError::ConnectTimeout => "connect_timeout",
            ProxyError::ServerClosed => "server_closed",
            ProxyError::ResponseHead(_) => "bad_answer_head",
            ProxyError::ResponseBody(_) => "bad_answer_body",
            ProxyError::UnaskedUpgrade => "unasked_upgrade",
            ProxyError::NoTunnel => "no_tunnel",
            ProxyError::AnswerPassedOver => "answer_passed_over",
            ProxyError::FirstByteTimeout => "first_byte_timeout",
            ProxyError::ServerStalled => "server_stalled",
            ProxyError::ServerCut => "server_cut",
            ProxyError::TunnelIdle => "tunnel_idle",
            ProxyError::TotalTimeout => "total_timeout",
            ProxyError::Stopped => "stopped",
        }
    }

    /// What exactly a server did wrong, where the word for the log leaves it open.
    pub fn detail(&self) -> Option<&'static str> {
        match self {
            ProxyError::ResponseHead(error) => Some(error.reason()),
            ProxyError::ResponseBody(error) => Some(error.reason()),
            _ => None,
        }
    }
}
