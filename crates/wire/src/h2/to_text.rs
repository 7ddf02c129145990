//! From HTTP/2 to text (RFC 9113 section 8.3, RFC 8441).

use crate::h1::{Known, may_trail};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The one protocol that an extended CONNECT may ask for, as in `Upgrade` (RFC 8441 section 5).
pub const WEBSOCKET: &str = "websocket";

/// A request's head as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestText {
    /// Bytes of the head at the start of the buffer.
    pub length: usize,
    /// Whether what follows the head is in chunks; else as it is.
    pub chunked: bool,
}

/// Appends an answer's head as text; `ends` where nothing follows it. Returns whether what follows is in chunks.
///
/// `bare` for answers that have no body whatever their fields say: to HEAD, and with 1xx, 204 and 304.
pub fn response_text(
    status: StatusCode,
    fields: &HeaderMap,
    ends: bool,
    bare: bool,
    out: &mut Vec<u8>,
) -> bool {
    status_line(status, out);
    put_fields(fields, out);
    let has_length = fields.contains_key(header::CONTENT_LENGTH);
    let chunked = !ends && !bare && !has_length;
    if chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    } else if ends && !bare && !has_length {
        out.extend_from_slice(b"content-length: 0\r\n");
    }
    out.extend_from_slice(b"\r\n");
    chunked
}

/// Appends the head that says yes to a WebSocket, `accept` being its `Sec-WebSocket-Accept`: what a 2xx to an extended
/// CONNECT means (RFC 8441 section 5.1).
pub fn switching_text(fields: &HeaderMap, accept: &[u8], out: &mut Vec<u8>) {
    status_line(StatusCode::SWITCHING_PROTOCOLS, out);
    for (name, value) in fields {
        if *name != header::CONTENT_LENGTH && *name != header::SEC_WEBSOCKET_ACCEPT {
            put(name, value, out);
        }
    }
    out.extend_from_slice(b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ");
    out.extend_from_slice(accept);
    out.extend_from_slice(b"\r\n\r\n");
}

/// Appends what ends a body in chunks: the last chunk, and trailers where there are any. Those that no trailer section may
/// have are left out: HTTP/2 says the end of a body otherwise, so nobody is deceived by them there.
pub fn trailers_text(fields: Option<&HeaderMap>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in fields.into_iter().flatten().filter(|(name, _)| may_trail(name.as_str().as_bytes()))
    {
        put(name, value, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// The trailers that may be passed on, for a body whose end is not said in text.
pub fn trailers_passed(mut fields: HeaderMap) -> Option<HeaderMap> {
    let forbidden: Vec<HeaderName> =
        fields.keys().filter(|name| !may_trail(name.as_str().as_bytes())).cloned().collect();
    for name in forbidden {
        fields.remove(name);
    }
    (!fields.is_empty()).then_some(fields)
}

fn status_line(status: StatusCode, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn put_fields(fields: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in fields {
        put(name, value, out);
    }
}

fn put(name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
    // The h2 crate refuses fields for one hop; should one pass, it would speak of a connection that is not there.
    if matches!(
        Known::of(name.as_str().as_bytes()),
        Known::Connection
            | Known::TransferEncoding
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::Upgrade
    ) {
        return;
    }
    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        out.extend_from_slice(part);
    }
}
