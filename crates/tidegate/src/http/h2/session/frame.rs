//! Frames as bytes (RFC 9113 section 6).

use super::{Bounds, CONNECTION_WINDOW, STREAM_WINDOW};

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 9;

/// The longest payload that either side sends: what is allowed without being asked for.
pub const PAYLOAD_MAX: usize = 16 * 1024;

/// The largest number of a stream.
pub const STREAM_MAX: u32 = (1 << 31) - 1;

/// The largest window.
pub const WINDOW_MAX: i64 = (1 << 31) - 1;

/// A window until somebody says otherwise.
pub const WINDOW_DEFAULT: u32 = 65_535;

/// What the ping behind a first GOAWAY holds.
pub const LAST_PING: [u8; 8] = *b"tidegate";

/// What a client begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const PRIORITISED: u8 = 0x20;

/// Settings (RFC 9113 section 6.5.2, RFC 8441 section 3).
pub mod setting {
    pub const TABLE_BYTES: u16 = 1;
    pub const PUSH: u16 = 2;
    pub const STREAMS: u16 = 3;
    pub const WINDOW: u16 = 4;
    pub const PAYLOAD: u16 = 5;
    pub const HEAD_BYTES: u16 = 6;
    pub const CONNECT_PROTOCOL: u16 = 8;
}

/// Why a stream or a connection ends (RFC 9113 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

#[allow(missing_docs, reason = "each is the code of that name")]
impl Code {
    pub const NO_ERROR: Code = Code(0);
    pub const PROTOCOL_ERROR: Code = Code(1);
    pub const INTERNAL_ERROR: Code = Code(2);
    pub const FLOW_CONTROL_ERROR: Code = Code(3);
    pub const STREAM_CLOSED: Code = Code(5);
    pub const FRAME_SIZE_ERROR: Code = Code(6);
    pub const REFUSED_STREAM: Code = Code(7);
    pub const CANCEL: Code = Code(8);
    pub const COMPRESSION_ERROR: Code = Code(9);
    pub const ENHANCE_YOUR_CALM: Code = Code(11);
}

/// Appends a header; the payload follows.
pub fn put_header(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    let [_, high, middle, low] = (length as u32).to_be_bytes();
    let [first, second, third, fourth] = stream.to_be_bytes();
    out.extend_from_slice(&[high, middle, low, kind, flags, first, second, third, fourth]);
}

/// Appends our settings, and a window for the whole connection.
pub fn put_hello(out: &mut Vec<u8>, bounds: Bounds) {
    let settings = [
        (setting::STREAMS, bounds.streams),
        (setting::WINDOW, STREAM_WINDOW),
        (setting::HEAD_BYTES, bounds.head_bytes),
        (setting::CONNECT_PROTOCOL, 1),
    ];
    put_header(out, settings.len() * 6, SETTINGS, 0, 0);
    for (name, value) in settings {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
    put_window_update(out, 0, CONNECTION_WINDOW - WINDOW_DEFAULT);
}

/// Appends that the client's settings were heard.
pub fn put_settings_ack(out: &mut Vec<u8>) {
    put_header(out, 0, SETTINGS, ACK, 0);
}

/// Appends a PING, or the answer to one.
pub fn put_ping(out: &mut Vec<u8>, payload: [u8; 8], is_answer: bool) {
    put_header(out, 8, PING, if is_answer { ACK } else { 0 }, 0);
    out.extend_from_slice(&payload);
}

/// Appends a WINDOW_UPDATE.
pub fn put_window_update(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    put_header(out, 4, WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&bytes.to_be_bytes());
}

/// Appends a RST_STREAM.
pub fn put_reset(out: &mut Vec<u8>, stream: u32, code: Code) {
    put_header(out, 4, RST_STREAM, 0, stream);
    out.extend_from_slice(&code.0.to_be_bytes());
}

/// Appends a GOAWAY.
pub fn put_goaway(out: &mut Vec<u8>, last: u32, code: Code, word: &[u8]) {
    put_header(out, 8 + word.len(), GOAWAY, 0, 0);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(word);
}

/// Leaves room for the header of a block of fields, which is to follow; returns where.
pub fn begin_block(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    start
}

/// Makes frames of the block behind the room that was left at `start`.
pub fn end_block(out: &mut Vec<u8>, start: usize, stream: u32, ends: bool) {
    let flags = if ends { END_STREAM } else { 0 };
    let length = out.len() - start - HEADER_BYTES;
    if length <= PAYLOAD_MAX {
        let [_, high, middle, low] = (length as u32).to_be_bytes();
        let [first, second, third, fourth] = stream.to_be_bytes();
        let header = [high, middle, low, HEADERS, flags | END_HEADERS, first, second, third, fourth];
        out[start..start + HEADER_BYTES].copy_from_slice(&header);
        return;
    }
    let block = out.split_off(start + HEADER_BYTES);
    out.truncate(start);
    let pieces = block.chunks(PAYLOAD_MAX);
    let last = pieces.len() - 1;
    for (at, piece) in pieces.enumerate() {
        let (kind, flags) = if at == 0 { (HEADERS, flags) } else { (CONTINUATION, 0) };
        let flags = if at == last { flags | END_HEADERS } else { flags };
        put_header(out, piece.len(), kind, flags, stream);
        out.extend_from_slice(piece);
    }
}
