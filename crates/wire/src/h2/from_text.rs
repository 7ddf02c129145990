//! From text to HTTP/2 (RFC 9113 section 8.2).

use crate::h1::{Field, Known, RequestHead};
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};

/// A head of HTTP/1 that HTTP/2 has no way to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no head of HTTP/2")]
pub struct TextError;

/// A request for an HTTP/2 server, from a head of which `text` is the whole. Names are in lower case, fields for one hop
/// and what HTTP/2 says otherwise are gone.
///
/// With `extended` it is the CONNECT that stands for a WebSocket handshake (RFC 8441 section 5); the `:protocol` is the
/// caller's to add.
///
/// # Errors
/// Where the target or a field cannot be said in HTTP/2.
pub fn request(
    head: &RequestHead,
    text: &Bytes,
    scheme: Scheme,
    extended: bool,
) -> Result<Request<()>, TextError> {
    let method = if extended {
        Method::CONNECT
    } else {
        Method::from_bytes(head.method_text.of(text)).map_err(|_| TextError)?
    };
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(scheme);
    let host = head.host;
    let authority = Authority::from_maybe_shared(text.slice(host.start as usize..host.end as usize));
    uri.authority = Some(authority.map_err(|_| TextError)?);
    uri.path_and_query = Some(path_and_query(head, text)?);
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| TextError)?;
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = fields(&head.fields, text, |field| match field.known {
        // RFC 9113 section 8.2.2: the one field for one hop that may stay.
        Known::Te => field.value.of(text) != b"trailers",
        Known::Host | Known::TransferEncoding => true,
        // What a tunnel carries has no length.
        Known::ContentLength => extended,
        Known::Other if extended && field.name.of(text).eq_ignore_ascii_case(b"sec-websocket-key") => true,
        _ => field.hop,
    })?;
    Ok(request)
}

/// The target; what is no character of a URI where it stands, but passes as one in HTTP/1, is escaped.
fn path_and_query(head: &RequestHead, text: &Bytes) -> Result<PathAndQuery, TextError> {
    let start = head.path.start as usize;
    let end = head.query.map_or(head.path.end, |query| query.end) as usize;
    let bytes = &text[start..end];
    let path_bytes = head.path.len();
    let is_odd = |(at, byte): (usize, &u8)| match byte {
        b'<' | b'>' | b'`' => true,
        b'"' => at >= path_bytes,
        _ => false,
    };
    let whole = if bytes.iter().enumerate().any(is_odd) {
        let mut escaped = Vec::with_capacity(bytes.len() + 16);
        for (at, byte) in bytes.iter().enumerate() {
            match is_odd((at, byte)) {
                true => escaped.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                false => escaped.push(*byte),
            }
        }
        Bytes::from(escaped)
    } else {
        text.slice(start..end)
    };
    PathAndQuery::from_maybe_shared(whole).map_err(|_| TextError)
}

/// Trailers, from whole lines.
///
/// # Errors
/// Where a line cannot be said in HTTP/2.
pub fn trailers(lines: &Bytes) -> Result<HeaderMap, TextError> {
    let mut map = HeaderMap::new();
    let mut start = 0;
    for end in memchr::memmem::find_iter(lines, b"\r\n") {
        let colon = memchr::memchr(b':', &lines[start..end]).ok_or(TextError)?;
        let value = lines[start + colon + 1..end].trim_ascii();
        add(&mut map, &lines[start..start + colon], lines.slice_ref(value))?;
        start = end + 2;
    }
    Ok(map)
}

/// The fields that stay, their values shared with `text`.
fn fields(all: &[Field], text: &Bytes, is_dropped: impl Fn(&Field) -> bool) -> Result<HeaderMap, TextError> {
    let mut map = HeaderMap::with_capacity(all.len());
    for field in all.iter().filter(|field| !is_dropped(field)) {
        let value = text.slice(field.value.start as usize..field.value.end as usize);
        add(&mut map, field.name.of(text), value)?;
    }
    Ok(map)
}

fn add(map: &mut HeaderMap, name: &[u8], value: Bytes) -> Result<(), TextError> {
    let name = HeaderName::from_bytes(name).map_err(|_| TextError)?;
    let value = HeaderValue::from_maybe_shared(value).map_err(|_| TextError)?;
    map.try_append(name, value).map_err(|_| TextError)?;
    Ok(())
}
