//! From HTTP/2 to text (RFC 9113 section 8.3, RFC 8441).

use crate::h1::{HeadError, Known, may_trail};
use crate::uri::split_authority;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, request, uri};

/// The one protocol that an extended CONNECT may ask for, as in `Upgrade` (RFC 8441 section 5).
pub const WEBSOCKET: &str = "websocket";

/// What is known of a request besides its head.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Whether the stream goes on after the head: there is a body, or may be one.
    pub has_body: bool,
    /// The `:protocol` of an extended CONNECT (RFC 8441 section 4).
    pub protocol: Option<&'a str>,
    /// A fresh `Sec-WebSocket-Key`, for the handshake that such a request becomes.
    pub websocket_key: &'a [u8],
}

/// A request's head as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestText {
    /// Bytes of the head at the start of the buffer.
    pub length: usize,
    /// Whether what follows the head is in chunks; else as it is.
    pub chunked: bool,
}

/// Bytes that are written to a buffer that may be too small for them.
struct Writer<'a> {
    buffer: &'a mut [u8],
    filled: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), HeadError> {
        let place = self.buffer.get_mut(self.filled..self.filled + bytes.len());
        place.ok_or(HeadError::TooLarge)?.copy_from_slice(bytes);
        self.filled += bytes.len();
        Ok(())
    }

    fn line(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        for part in [name, b": ", value, b"\r\n"] {
            self.put(part)?;
        }
        Ok(())
    }
}

/// Writes a request's head as HTTP/1.1 text to the start of `out`, to be read by
/// [`RequestHead::parse`](crate::h1::RequestHead::parse), which knows whether it is sound.
///
/// Cookie crumbs become one field (RFC 9113 section 8.2.3), `:authority` becomes `Host`, an extended CONNECT the
/// request for an upgrade that it stands for (RFC 8441 section 5.1), and a body of unknown length is in chunks.
///
/// # Errors
/// [`HeadError::TooLarge`] where `out` is too small, and what the text cannot show: `:authority` with another `Host`,
/// a path that is none, a protocol that is not served.
pub fn write_request(
    head: &request::Parts,
    asked: Asked<'_>,
    out: &mut [u8],
) -> Result<RequestText, HeadError> {
    let mut out = Writer { buffer: out, filled: 0 };
    let extended = match asked.protocol {
        Some(WEBSOCKET) => true,
        Some(_) => return Err(HeadError::Protocol),
        None => false,
    };
    let authority = head.uri.authority().map_or("", uri::Authority::as_str).as_bytes();
    let method = if extended { "GET" } else { head.method.as_str() };
    out.put(method.as_bytes())?;
    out.put(b" ")?;
    if head.method == Method::CONNECT && !extended {
        out.put(authority)?;
    } else {
        out.put(path(head)?)?;
    }
    out.put(b" HTTP/1.1\r\n")?;
    write_host(head, authority, &mut out)?;
    let mut length = false;
    let mut crumbs = false;
    for (name, value) in &head.headers {
        match *name {
            header::HOST => continue,
            header::COOKIE => {
                crumbs = true;
                continue;
            }
            _ if extended && is_handshake(name) => continue,
            header::CONTENT_LENGTH => length = true,
            _ => {}
        }
        out.line(name.as_str().as_bytes(), value.as_bytes())?;
    }
    if crumbs {
        write_cookies(&head.headers, &mut out)?;
    }
    let chunked = asked.has_body && !length && !extended;
    if extended {
        out.line(b"connection", b"Upgrade")?;
        out.line(b"upgrade", WEBSOCKET.as_bytes())?;
        out.line(b"sec-websocket-key", asked.websocket_key)?;
    } else if chunked {
        out.line(b"transfer-encoding", b"chunked")?;
    }
    out.put(b"\r\n")?;
    Ok(RequestText { length: out.filled, chunked })
}

/// RFC 9113 section 8.3.1: a path begins with a slash, or is the asterisk of OPTIONS. An absolute one, or one that
/// could end the line, would be read as something else than was meant.
fn path(head: &request::Parts) -> Result<&[u8], HeadError> {
    let path = head.uri.path_and_query().map_or("", uri::PathAndQuery::as_str).as_bytes();
    let sound = path.starts_with(b"/") || (path == b"*" && head.method == Method::OPTIONS);
    if sound && !path.iter().any(|byte| *byte <= b' ') { Ok(path) } else { Err(HeadError::Target) }
}

/// RFC 9113 section 8.3.1: `Host` has nothing to say beside `:authority`, and may not say anything else.
fn write_host(head: &request::Parts, authority: &[u8], out: &mut Writer<'_>) -> Result<(), HeadError> {
    let mut hosts = head.headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(HeadError::HostRepeated);
    }
    if let (false, Some(host)) = (authority.is_empty(), host)
        && !means_the_same(authority, host, head.uri.scheme())
    {
        return Err(HeadError::HostMismatch);
    }
    match (authority, host) {
        (b"", None) => Err(HeadError::HostMissing),
        (b"", Some(host)) => out.line(b"host", host),
        (authority, _) => out.line(b"host", authority),
    }
}

fn means_the_same(authority: &[u8], host: &[u8], scheme: Option<&uri::Scheme>) -> bool {
    if authority == host {
        return true;
    }
    let default = if scheme == Some(&uri::Scheme::HTTPS) { 443 } else { 80 };
    let (Some(one), Some(other)) = (split_authority(authority), split_authority(host)) else { return false };
    one.host.eq_ignore_ascii_case(other.host) && one.port.unwrap_or(default) == other.port.unwrap_or(default)
}

fn write_cookies(fields: &HeaderMap, out: &mut Writer<'_>) -> Result<(), HeadError> {
    out.put(b"cookie: ")?;
    for (index, crumb) in fields.get_all(header::COOKIE).iter().enumerate() {
        if index > 0 {
            out.put(b"; ")?;
        }
        out.put(crumb.as_bytes())?;
    }
    out.put(b"\r\n")
}

/// Fields that an extended CONNECT has no use for (RFC 8441 section 5.1), and that belong to the handshake that is
/// made of it.
fn is_handshake(name: &HeaderName) -> bool {
    *name == header::SEC_WEBSOCKET_KEY || *name == header::CONTENT_LENGTH
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
