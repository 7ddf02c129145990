//! Unary calls over HTTP/2 whose message comes back. Whatever is asked for, it is answered so: nothing here reads fields.

use crate::bench::output::Output;
use crate::frames::frame::{
    ACK, DATA, END_STREAM, Frame, HEAD_BYTES, HEADERS, INITIAL_WINDOW_SIZE, PAYLOAD_MAX, PING, SETTINGS,
    WINDOW_UPDATE,
};
use crate::frames::hpack::Block;
use std::collections::{HashMap, VecDeque};
use std::io;

/// Where `:status: 200` is in the static table.
const STATUS_200: u32 = 8;

/// Where `content-type` is.
const CONTENT_TYPE: u32 = 31;

/// Bytes after which the client gets new room to send.
const RENEW_BYTES: u32 = 32 * 1024;

/// Calls of one connection.
pub(super) struct Calls {
    /// Messages of streams that have not ended.
    messages: HashMap<u32, Vec<u8>>,
    /// Whole ones that wait for room.
    waiting: VecDeque<(u32, Vec<u8>)>,
    /// Bytes that the connection may send.
    room: i64,
    /// Bytes that were received since the client got new room.
    received: u32,
    head: Vec<u8>,
    trailers: Vec<u8>,
}

impl Calls {
    pub(super) fn new(output: &mut Output) -> Calls {
        // A thousand streams at a time, for clients that share a connection among many requests.
        output.frame(&Frame::new(SETTINGS, 0, 0, [0, 3, 0, 0, 0x03, 0xe8]));
        Calls {
            messages: HashMap::new(),
            waiting: VecDeque::new(),
            room: 65_535,
            received: 0,
            head: Block::default().indexed(STATUS_200).known(CONTENT_TYPE, "application/grpc").0,
            trailers: Block::default().literal("grpc-status", "0").0,
        }
    }

    /// Takes whole frames from the front; their bytes.
    ///
    /// # Errors
    /// When a frame is larger than allowed, or the client has a window for streams that messages do not fit in.
    pub(super) fn take(&mut self, bytes: &[u8], output: &mut Output) -> io::Result<usize> {
        let mut at = 0;
        while let Some(head) = bytes.get(at..at + HEAD_BYTES) {
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            if length > PAYLOAD_MAX {
                return Err(io::Error::other("a frame that is too large"));
            }
            let Some(payload) = bytes.get(at + HEAD_BYTES..at + HEAD_BYTES + length) else { break };
            at += HEAD_BYTES + length;
            self.frame(head[3], head[4], stream, payload, output)?;
        }
        if self.received > RENEW_BYTES {
            output.frame(&Frame::window_update(0, self.received));
            self.received = 0;
        }
        while let Some((stream, message)) = self.waiting.front() {
            if (message.len() as i64) > self.room {
                break;
            }
            self.room -= message.len() as i64;
            output.frame(&Frame::headers(*stream, self.head.clone(), false));
            output.frame(&Frame::data(*stream, message.clone(), false));
            output.frame(&Frame::headers(*stream, self.trailers.clone(), true));
            self.waiting.pop_front();
        }
        Ok(at)
    }

    fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
        output: &mut Output,
    ) -> io::Result<()> {
        match kind {
            SETTINGS if flags & ACK == 0 => {
                for setting in payload.chunks_exact(6) {
                    let value = u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
                    if setting[..2] == INITIAL_WINDOW_SIZE.to_be_bytes() && (value as usize) < PAYLOAD_MAX {
                        return Err(io::Error::other("a window that is smaller than messages may be"));
                    }
                }
                output.frame(&Frame::new(SETTINGS, ACK, 0, []));
            }
            PING if flags & ACK == 0 => output.frame(&Frame::new(PING, ACK, 0, payload)),
            WINDOW_UPDATE if stream == 0 => {
                self.room += payload.try_into().map_or(0, |bytes| i64::from(u32::from_be_bytes(bytes)));
            }
            HEADERS if flags & END_STREAM == 0 => drop(self.messages.insert(stream, Vec::new())),
            HEADERS => self.waiting.push_back((stream, self.messages.remove(&stream).unwrap_or_default())),
            DATA => {
                self.received += payload.len() as u32;
                self.messages.entry(stream).or_default().extend_from_slice(payload);
                if flags & END_STREAM != 0 {
                    let message = self.messages.remove(&stream).unwrap_or_default();
                    self.waiting.push_back((stream, message));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
