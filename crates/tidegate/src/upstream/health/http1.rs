//! Asking in HTTP/1.1.

use super::reason::Reason;
use super::target::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::h1::{HeadLimits, Method, ResponseHead};

/// Bytes of an answer's head that are read at most.
const HEAD_BYTES_MAX: u32 = 16 * 1024;

/// The status that a GET is answered with.
///
/// # Errors
/// When there is no answer.
pub async fn get(mut stream: impl Stream, host: &str, path: &str) -> Result<u16, Reason> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: tidegate-health\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    // TLS may hold it back otherwise.
    stream.flush().await?;
    read_status(&mut stream).await
}

async fn read_status(stream: &mut impl Stream) -> Result<u16, Reason> {
    let mut bytes = Vec::new();
    let mut head = ResponseHead::new();
    let limits = HeadLimits { bytes: HEAD_BYTES_MAX, fields: 256 };
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
