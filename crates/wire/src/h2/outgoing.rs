//! From the head of an answer to a block for the client.

use crate::h1::{Field, Known, ResponseHead};
use crate::hpack::Encoder;
use http::HeaderMap;

/// Appends an answer's head to `out`, from a head of which `text` begins with the whole. Fields for one hop, and what HTTP/2
/// says otherwise, are left out. `lines` are fields to add, in whole lines.
pub fn put_response(
    head: &ResponseHead,
    text: &[u8],
    lines: &[u8],
    encoder: &mut Encoder,
    out: &mut Vec<u8>,
) {
    encoder.begin(out);
    // A tunnel over HTTP/2 begins with a 200 (RFC 8441 section 5.1).
    let switches = head.status == 101;
    encoder.status(if switches { 200 } else { head.status }, out);
    let is_dropped = |field: &Field| match field.known {
        _ if field.hop => true,
        Known::TransferEncoding => true,
        // RFC 9110 section 8.6. Some servers say that there is nothing.
        Known::ContentLength => matches!(head.status, 100..=199 | 204),
        Known::Other if switches => field.name.of(text).eq_ignore_ascii_case(b"sec-websocket-accept"),
        _ => false,
    };
    for field in head.fields.iter().filter(|field| !is_dropped(field)) {
        let mut value = field.value.of(text);
        if field.known == Known::ContentLength {
            // As everybody reads it.
            while let [b'0', rest @ ..] = value
                && !rest.is_empty()
            {
                value = rest;
            }
        }
        encoder.field(field.name.of(text), value, out);
    }
    let mut rest = lines;
    while let Some(end) = memchr::memchr(b'\r', rest) {
        if let Some(colon) = memchr::memchr(b':', &rest[..end]) {
            encoder.field(&rest[..colon], rest[colon + 1..end].trim_ascii(), out);
        }
        rest = rest.get(end + 2..).unwrap_or_default();
    }
}

/// Appends trailers.
pub fn put_trailers(fields: &HeaderMap, encoder: &mut Encoder, out: &mut Vec<u8>) {
    encoder.begin(out);
    for (name, value) in fields {
        encoder.field(name.as_str().as_bytes(), value.as_bytes(), out);
    }
}
