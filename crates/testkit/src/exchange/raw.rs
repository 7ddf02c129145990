//! A client of HTTP/2 that writes its requests frame by frame, over TLS too, for what no proper client would send.
//!
//! [`crate::frames`] has the frames, and clients that wear out a server with them.

use super::{To, runtime};
use crate::frames::frame::{self, Frame};
use crate::frames::hpack::Block;
use crate::stream::Wire;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// HEADERS with all these fields, written as they are: names and values may be anything.
pub fn headers(stream: u32, fields: &[(&str, &str)], is_last: bool) -> Frame {
    let block = fields.iter().fold(Block::default(), |block, (name, value)| block.literal(name, value));
    Frame::headers(stream, block, is_last)
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
        raw.bytes(frame::PREFACE)?;
        raw.send(&Frame::settings(&[]))?;
        Ok(raw)
    }
}

impl Raw {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
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
    pub fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        self.bytes(&bytes)
    }

    /// The next frame; `None` when the connection has ended.
    fn read(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some((frame, length)) = Frame::read(&self.input) {
                self.input.drain(..length);
                return Ok(Some(frame));
            }
            match runtime::block_on(self.wire.read_buf(&mut self.input)) {
                Some(Ok(0) | Err(_)) => return Ok(None),
                Some(Ok(_)) => {}
                None => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
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
                frame::HEADERS if frame.stream == stream => return Outcome::Answered(status(&frame.payload)),
                frame::RST_STREAM if frame.stream == stream => return Outcome::Reset(frame.number(0)),
                frame::GOAWAY if frame.number(4) != frame::NO_ERROR => {
                    return Outcome::GoAway(frame.number(4));
                }
                frame::SETTINGS | frame::PING if frame.flags & frame::ACK == 0 => {
                    let payload = if frame.kind == frame::PING { frame.payload } else { Vec::new() };
                    // A connection that is gone shows at the next read.
                    let _ = self.send(&Frame::new(frame.kind, frame::ACK, 0, payload));
                }
                _ => {}
            }
        }
    }
}

/// The status at the start of a block of fields, where it is one of the static table's (RFC 7541 appendix A).
fn status(block: &[u8]) -> u16 {
    match block.first() {
        Some(0x88) => 200,
        Some(0x89) => 204,
        Some(0x8a) => 206,
        Some(0x8b) => 304,
        Some(0x8c) => 400,
        Some(0x8d) => 404,
        Some(0x8e) => 500,
        _ => 0,
    }
}
