//! gRPC's health checking protocol: `Check` of `grpc.health.v1.Health`, a message of one field in each direction.

use super::http2::ask;
use super::reason::Reason;
use super::target::{Stream, Target};
use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use http::{HeaderMap, Request, Response};
use std::time::Duration;

/// Bytes of an answer that are read at most; it has two, and whatever is added to the protocol one day.
const ANSWER_BYTES_MAX: usize = 4096;
/// The state of a service that serves.
const SERVING: u64 = 1;
/// Characters of a server's explanation that are repeated.
const MESSAGE_CHARS_MAX: usize = 200;

/// Asks whether a service serves; the empty name is the server as a whole.
///
/// # Errors
/// When it does not, or there is no such answer.
pub async fn check(
    stream: impl Stream,
    target: &Target,
    host: &str,
    service: &str,
    timeout: Duration,
) -> Result<(), Reason> {
    let request = Request::post(format!("{}://{host}/grpc.health.v1.Health/Check", target.scheme()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", format!("{}m", timeout.as_millis().min(99_999_999)))
        .header("user-agent", "tidegate-health")
        .body(())?;
    match ask(stream, request, question(service), read).await? {
        SERVING => Ok(()),
        state => Err(Reason::NotServing(state)),
    }
}

/// `HealthCheckRequest` in its frame.
fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(1 << 3 | 2);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8(length as u8 | 0x80);
            length >>= 7;
        }
        message.put_u8(length as u8);
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::new();
    // Not compressed.
    frame.put_u8(0);
    // A name in the file is shorter than 4 GiB.
    frame.put_u32(message.len() as u32);
    frame.put(message);
    frame.freeze()
}

/// The state of the service.
async fn read(response: Response<RecvStream>) -> Result<u64, Reason> {
    let (head, mut content) = response.into_parts();
    if head.status != http::StatusCode::OK {
        return Err(Reason::Status(head.status.as_u16()));
    }
    let kind = head.headers.get(http::header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        return Err(Reason::NotGrpc);
    }
    // An answer without a message has all in its head.
    if let Some(status) = status(&head.headers) {
        status?;
    }
    let mut bytes = Vec::new();
    while let Some(part) = content.data().await {
        let part = part?;
        // There is room for more than the most: no window needs to be opened again.
        if bytes.len() + part.len() > ANSWER_BYTES_MAX {
            return Err(Reason::NotGrpc);
        }
        bytes.extend_from_slice(&part);
    }
    let trailers = content.trailers().await?.ok_or(Reason::NotGrpc)?;
    status(&trailers).ok_or(Reason::NotGrpc)??;
    answer(&bytes).ok_or(Reason::NotGrpc)
}

/// The status of a call; `None` where there is none.
fn status(fields: &HeaderMap) -> Option<Result<(), Reason>> {
    let status = fields.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    if status == 0 {
        return Some(Ok(()));
    }
    let message = fields.get("grpc-message").and_then(|message| message.to_str().ok()).unwrap_or_default();
    Some(Err(Reason::GrpcStatus(status, message.chars().take(MESSAGE_CHARS_MAX).collect())))
}

/// The state in a frame with a `HealthCheckResponse`; `None` when it is none.
pub fn answer(frame: &[u8]) -> Option<u64> {
    let (header, mut message) = frame.split_at_checked(5)?;
    let length = u32::from_be_bytes(header[1..].try_into().ok()?);
    if header[0] != 0 || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    let mut state = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match (key >> 3, key & 7) {
            (1, 0) => state = varint(&mut message)?,
            // Fields that nobody has told us of.
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(state)
}

/// A number of seven bits a byte, the low ones first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
