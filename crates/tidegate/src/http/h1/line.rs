//! Lines of heads that are written anew.

use wire::h1::{Field, Known};

/// Appends a line. Inlined, so that the name is a constant that is stored and not one that is copied.
#[inline(always)]
pub fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Whether a field that frames the body is written in the one way that nobody reads otherwise: white space or zeros in
/// odd places have hidden it from servers before. Other fields are fine as they are.
pub fn is_canonical(field: &Field, buffer: &[u8]) -> bool {
    match field.known {
        Known::TransferEncoding => field.is_plain(buffer),
        Known::ContentLength => {
            field.is_plain(buffer) && (field.value.len() == 1 || field.value.of(buffer)[0] != b'0')
        }
        _ => true,
    }
}

/// Appends a field that is not [canonical](is_canonical) as it is meant.
pub fn put_canonical(out: &mut Vec<u8>, buffer: &[u8], field: &Field) {
    if field.known == Known::TransferEncoding {
        return put(out, "Transfer-Encoding", b"chunked");
    }
    let digits = field.value.of(buffer);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    put(out, "Content-Length", &digits[zeros.min(digits.len() - 1)..]);
}
