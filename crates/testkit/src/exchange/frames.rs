//! A client that writes its frames of HTTP/2 itself (RFC 9113), for what no proper client would send.

use super::{To, runtime};
use crate::stream::Wire;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type: 0 is DATA, 1 HEADERS, 3 RST_STREAM, 4 SETTINGS, 6 PING, 7 GOAWAY, 8 WINDOW_UPDATE, 9 CONTINUATION.
    pub kind: u8,
    /// Its flags: of HEADERS and DATA 1 ends the stream, of HEADERS 4 the fields.
    pub flags: u8,
    /// The stream that it is for; 0 is the connection.
    pub stream: u32,
    /// What it holds.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
        Frame { kind, flags, stream, payload: payload.into() }
    }

    /// HEADERS with all its fields, which are written as they are: names and values may be anything.
    pub fn headers(stream: u32, fields: &[(&str, &str)], is_last: bool) -> Frame {
        let flags = if is_last { 5 } else { 4 };
        Frame::new(
            1,
            flags,
            stream,
            fields.iter().flat_map(|(name, value)| literal(name, value)).collect::<Vec<u8>>(),
        )
    }

    /// DATA.
    pub fn data(stream: u32, bytes: &[u8], is_last: bool) -> Frame {
        Frame::new(0, u8::from(is_last), stream, bytes)
    }

    /// As it travels.
    pub fn bytes(&self) -> Vec<u8> {
        let length = (self.payload.len() as u32).to_be_bytes();
        let head = [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes()].concat();
        [head.as_slice(), &self.payload].concat()
    }
}

/// A field without use of any table or of Huffman's code (RFC 7541 section 6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        integer(text.len(), &mut bytes);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// A number with a prefix of seven bits (RFC 7541 section 5.1).
fn integer(mut number: usize, bytes: &mut Vec<u8>) {
    if number < 127 {
        bytes.push(number as u8);
        return;
    }
    bytes.push(127);
    number -= 127;
    while number >= 128 {
        bytes.push((number % 128) as u8 | 128);
        number /= 128;
    }
    bytes.push(number as u8);
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is answered with one of the statuses that have a number of their own in HPACK (200, 204, 206, 304, 400, 404,
    /// 500), or with another one (0).
    Answered(u16),
    /// Its stream was reset with this code.
    Reset(u32),
    /// The connection was given up with this code.
    GoAway(u32),
    /// The connection ended without a word.
    Ended,
    /// Nothing came within [`super::LIMIT`].
    Nothing,
}

/// A connection whose frames are ours.
pub struct Raw {
    wire: Wire,
    input: Vec<u8>,
}

impl To {
    /// Connects, and sends the preface with empty SETTINGS.
    ///
    /// # Errors
    /// When the connection is refused or takes too long, TLS fails, or another protocol is agreed on.
    pub fn connect_raw(&self) -> io::Result<Raw> {
        let stream =
            runtime::block_on(self.stream()).unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
        let mut raw = Raw { wire: Wire::new(stream), input: Vec::new() };
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        raw.frame(&Frame::new(4, 0, 0, []))?;
        Ok(raw)
    }
}

impl Raw {
    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone, or nothing is taken for too long.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let wire = &mut self.wire;
        let sent = runtime::block_on(async {
            wire.write_all(bytes).await?;
            wire.flush().await
        });
        sent.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the connection is gone, or nothing is taken for too long.
    pub fn frame(&mut self, frame: &Frame) -> io::Result<()> {
        self.send(&frame.bytes())
    }

    /// The next frame; `None` when the connection has ended.
    ///
    /// # Errors
    /// When none comes within [`super::LIMIT`].
    pub fn read(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take() {
                return Ok(Some(frame));
            }
            match runtime::block_on(self.wire.read_buf(&mut self.input)) {
                Some(Ok(0) | Err(_)) => return Ok(None),
                Some(Ok(_)) => {}
                None => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    /// Takes a whole frame from what was received.
    fn take(&mut self) -> Option<Frame> {
        let (head, rest) = self.input.split_at_checked(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = rest.get(..length)?.to_vec();
        let stream = u32::from_be_bytes([head[5] & 127, head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        self.input.drain(..9 + length);
        Some(frame)
    }

    /// What becomes of a request on this stream. SETTINGS and PING are acknowledged meanwhile.
    pub fn outcome(&mut self, stream: u32) -> Outcome {
        loop {
            let frame = match self.read() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Outcome::Ended,
                Err(_) => return Outcome::Nothing,
            };
            match frame.kind {
                1 if frame.stream == stream => return Outcome::Answered(status(&frame.payload)),
                3 if frame.stream == stream => return Outcome::Reset(number(&frame.payload)),
                7 if number(frame.payload.get(4..).unwrap_or_default()) != 0 => {
                    return Outcome::GoAway(number(&frame.payload[4..]));
                }
                // A connection that is gone shows at the next read.
                4 if frame.flags == 0 => drop(self.frame(&Frame::new(4, 1, 0, []))),
                6 if frame.flags == 0 => drop(self.frame(&Frame::new(6, 1, 0, frame.payload))),
                _ => {}
            }
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The status at the start of a block of fields, where it is one of the static table's (RFC 7541 appendix A).
fn status(block: &[u8]) -> u16 {
    let index = block.first().map_or(0, |byte| byte.wrapping_sub(0x80));
    [(8, 200), (9, 204), (10, 206), (11, 304), (12, 400), (13, 404), (14, 500)]
        .into_iter()
        .find(|(known, _)| *known == index)
        .map_or(0, |(_, status)| status)
}
