//! One check of one server.

use policy::model::{Health, Probe, Server};
use std::fmt;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::h1::{HeadError, HeadLimits, Method, ResponseHead};

/// Bytes of an answer's head that are read at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How a check went.
pub type Verdict = Result<(), Reason>;

/// Why a check failed.
#[derive(Debug)]
pub enum Reason {
    /// No connection, or it broke.
    Io(std::io::Error),
    /// Not in time.
    Timeout,
    /// The server closed before it had answered.
    Closed,
    /// No answer of HTTP.
    Head(HeadError),
    /// A status that is no success.
    Status(u16),
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Io(error) => write!(formatter, "{error}"),
            Reason::Timeout => write!(formatter, "timeout"),
            Reason::Closed => write!(formatter, "closed without an answer"),
            Reason::Head(error) => write!(formatter, "{error}"),
            Reason::Status(status) => write!(formatter, "status {status}"),
        }
    }
}

impl From<std::io::Error> for Reason {
    fn from(error: std::io::Error) -> Reason {
        Reason::Io(error)
    }
}

/// Checks a server once.
///
/// # Errors
/// Why it counts as failed.
pub async fn probe(server: &Server, health: &Health) -> Verdict {
    let mut address = server.address;
    if let Some(port) = health.port {
        address.set_port(port);
    }
    match tokio::time::timeout(health.timeout, ask(address, &health.probe)).await {
        Ok(verdict) => verdict,
        Err(_) => Err(Reason::Timeout),
    }
}

async fn ask(address: SocketAddr, probe: &Probe) -> Verdict {
    let mut stream = TcpStream::connect(address).await?;
    let Probe::Http { path, host, expect } = probe else { return Ok(()) };
    let host = host.clone().unwrap_or_else(|| address.to_string());
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: tidegate-health\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let status = read_status(&mut stream).await?;
    if expect.iter().any(|(from, to)| (*from..=*to).contains(&status)) {
        Ok(())
    } else {
        Err(Reason::Status(status))
    }
}

async fn read_status(stream: &mut TcpStream) -> Result<u16, Reason> {
    let mut bytes = Vec::new();
    let mut head = ResponseHead::new();
    let limits = HeadLimits { bytes: HEAD_BYTES_MAX as u32, fields: 256 };
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(Reason::Closed);
        }
        while head.parse(&bytes, limits, Method::Get).map_err(Reason::Head)? {
            if head.status >= 200 {
                return Ok(head.status);
            }
            bytes.drain(..head.length as usize);
        }
    }
}
