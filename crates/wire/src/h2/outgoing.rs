//! From the head of an answer to a block for the client.

use crate::h1::{Field, Known, ResponseHead};
use crate::hpack::Encoder;
use http::HeaderMap;

/// Appends an answer's head to `out`, from a head of which `text` is the whole. Fields for one hop, and what HTTP/2 says
/// otherwise, are left out.
pub fn put_response(head: &ResponseHead, text: &[u8], encoder: &mut Encoder, out: &mut Vec<u8>) {
    encoder.begin(out);
    // A tunnel over HTTP/2 begins with a 200 (RFC 8441 section 5.1).
    let switches = head.status == 101;
    encoder.status(if switches { 200 } else { head.status }, out);
    let is_dropped = |field: &Field| match field.known {
        Known::TransferEncoding => true,
        Known::ContentLength => switches,
        Known::Other if switches => field.name.of(text).eq_ignore_ascii_case(b"sec-websocket-accept"),
        _ => field.hop,
    };
    for field in head.fields.iter().filter(|field| !is_dropped(field)) {
        encoder.field(field.name.of(text), field.value.of(text), out);
    }
}

/// Appends trailers.
pub fn put_trailers(fields: &HeaderMap, encoder: &mut Encoder, out: &mut Vec<u8>) {
    encoder.begin(out);
    for (name, value) in fields {
        encoder.field(name.as_str().as_bytes(), value.as_bytes(), out);
    }
}
