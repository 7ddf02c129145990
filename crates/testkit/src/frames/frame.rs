//! Frames as bytes (RFC 9113 section 4.1), right or wrong.

/// DATA.
pub const DATA: u8 = 0;
/// HEADERS.
pub const HEADERS: u8 = 1;
/// PRIORITY.
pub const PRIORITY: u8 = 2;
/// RST_STREAM.
pub const RST_STREAM: u8 = 3;
/// SETTINGS.
pub const SETTINGS: u8 = 4;
/// PING.
pub const PING: u8 = 6;
/// GOAWAY.
pub const GOAWAY: u8 = 7;
/// WINDOW_UPDATE.
pub const WINDOW_UPDATE: u8 = 8;
/// CONTINUATION.
pub const CONTINUATION: u8 = 9;
/// A type that nobody knows.
pub const UNKNOWN: u8 = 0xbe;

/// The flag of HEADERS and DATA behind which the stream has no more.
pub const END_STREAM: u8 = 0x1;
/// The flag of SETTINGS and PING that answers one of the other side.
pub const ACK: u8 = 0x1;
/// The flag of HEADERS and CONTINUATION behind which the field block has no more.
pub const END_HEADERS: u8 = 0x4;

/// The error code NO_ERROR.
pub const NO_ERROR: u32 = 0x0;
/// The error code CANCEL.
pub const CANCEL: u32 = 0x8;
/// The error code REFUSED_STREAM.
pub const REFUSED_STREAM: u32 = 0x7;
/// The error code ENHANCE_YOUR_CALM.
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// The setting SETTINGS_MAX_CONCURRENT_STREAMS.
pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
/// The setting SETTINGS_INITIAL_WINDOW_SIZE.
pub const INITIAL_WINDOW_SIZE: u16 = 0x4;

/// What a client sends first of all.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame before its payload.
pub const HEAD_BYTES: usize = 9;

/// The largest payload that everybody takes.
pub const PAYLOAD_MAX: usize = 16_384;

/// One frame. Nothing about it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 is the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// One of this type.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
        Frame { kind, flags, stream, payload: payload.into() }
    }

    /// A whole field block; `end` if there is no body.
    pub fn headers(stream: u32, block: impl Into<Vec<u8>>, end: bool) -> Frame {
        Frame::new(HEADERS, END_HEADERS | u8::from(end), stream, block)
    }

    /// A part of a body.
    pub fn data(stream: u32, bytes: impl Into<Vec<u8>>, end: bool) -> Frame {
        Frame::new(DATA, u8::from(end), stream, bytes)
    }

    /// The end of a stream.
    pub fn reset(stream: u32, code: u32) -> Frame {
        Frame::new(RST_STREAM, 0, stream, code.to_be_bytes())
    }

    /// More room for bodies.
    pub fn window_update(stream: u32, bytes: u32) -> Frame {
        Frame::new(WINDOW_UPDATE, 0, stream, bytes.to_be_bytes())
    }

    /// What a stream depends on.
    pub fn priority(stream: u32, on: u32) -> Frame {
        let mut payload = on.to_be_bytes().to_vec();
        payload.push(15);
        Frame::new(PRIORITY, 0, stream, payload)
    }

    /// Settings.
    pub fn settings(values: &[(u16, u32)]) -> Frame {
        let one = |(name, value): &(u16, u32)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
        Frame::new(SETTINGS, 0, 0, values.iter().flat_map(one).collect::<Vec<u8>>())
    }

    /// A question whether the other side is there.
    pub fn ping(number: u64) -> Frame {
        Frame::new(PING, 0, 0, number.to_be_bytes())
    }

    /// Appends its bytes. Its length has three, what is above is lost.
    pub fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&(self.payload.len() as u32).to_be_bytes()[1..]);
        to.extend([self.kind, self.flags]);
        to.extend_from_slice(&self.stream.to_be_bytes());
        to.extend_from_slice(&self.payload);
    }

    /// The whole frame at the front, if there is one, and how many bytes it has.
    pub fn read(from: &[u8]) -> Option<(Frame, usize)> {
        let head = from.get(..HEAD_BYTES)?;
        let length = HEAD_BYTES + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some((Frame::new(head[3], head[4], stream, from.get(HEAD_BYTES..length)?), length))
    }

    /// The number at this place of the payload; 0 where there is none.
    pub fn number(&self, at: usize) -> u32 {
        let bytes = self.payload.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_be_bytes(bytes.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let frames = [
            Frame::headers(1, vec![0x82], true),
            Frame::settings(&[(INITIAL_WINDOW_SIZE, 0), (MAX_CONCURRENT_STREAMS, 7)]),
            Frame::reset(3, CANCEL),
            Frame::data(5, vec![b'x'; PAYLOAD_MAX], false),
            Frame::ping(9),
        ];
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes));
        let mut at = 0;
        for frame in &frames {
            let (read, length) = Frame::read(&bytes[at..]).expect("a whole frame");
            assert_eq!(&read, frame);
            assert_eq!(Frame::read(&bytes[at..at + length - 1]), None, "a byte is missing");
            at += length;
        }
        assert_eq!(at, bytes.len());
    }

    #[test]
    fn a_frame_is_laid_out_as_the_standard_says() {
        let mut bytes = Vec::new();
        Frame::window_update(0x0102, 5).write(&mut bytes);
        assert_eq!(bytes, [0, 0, 4, 8, 0, 0, 0, 1, 2, 0, 0, 0, 5]);
    }
}
