//! Answers of HTTP/2, and those of gRPC: frames are counted, fields are not read beyond the status.

use super::Speech;
use super::plan::{Plan, Protocol};
use super::requests;
use crate::frames::frame::{
    ACK, DATA, END_STREAM, Frame, GOAWAY, HEAD_BYTES, HEADERS, INITIAL_WINDOW_SIZE, PAYLOAD_MAX, PING,
    PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use crate::frames::hpack::is_ok;
use std::collections::HashMap;
use std::time::Instant;

/// The largest window.
const WINDOW_MAX: u32 = (1 << 31) - 1;

/// Bytes after which the connection gets new room, long before the largest window is used up.
const RENEW_BYTES: u32 = 1 << 28;

/// One connection with many streams.
pub(super) struct H2 {
    first: Option<Vec<u8>>,
    blocks: Vec<Vec<u8>>,
    next: usize,
    stream: u32,
    /// What each request has behind its head.
    message: Option<Vec<u8>>,
    expect: u64,
    is_grpc: bool,
    /// When each stream's request was due, whether its head came, and the bytes of its answer so far.
    open: HashMap<u32, (Instant, bool, u64)>,
    received: u32,
    /// Bytes of bodies that may be sent; whoever waits for room does so here.
    room: i64,
    waiting: Vec<Instant>,
    held: Vec<u8>,
}

impl H2 {
    /// Adds the preface to `output`.
    pub(super) fn new(plan: &Plan, start: usize, output: &mut Vec<u8>) -> H2 {
        output.extend_from_slice(PREFACE);
        Frame::settings(&[(INITIAL_WINDOW_SIZE, WINDOW_MAX)]).write(output);
        Frame::window_update(0, WINDOW_MAX - 65_535).write(output);
        let (first, blocks) = requests::h2(plan);
        let is_grpc = plan.protocol == Protocol::Grpc;
        let message = is_grpc.then(|| {
            let mut message = [&[0][..], &(plan.body as u32).to_be_bytes()].concat();
            message.resize(message.len() + plan.body, b'x');
            message
        });
        let expect = message.as_ref().map_or(plan.expect, |message| message.len() as u64);
        H2 {
            next: start % blocks.len(),
            first: Some(first),
            blocks,
            stream: 1,
            message,
            expect,
            is_grpc,
            open: HashMap::new(),
            received: 0,
            room: 65_535,
            waiting: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Takes whole frames from the front; their bytes.
    fn take(
        &mut self,
        bytes: &[u8],
        output: &mut Vec<u8>,
        answered: &mut Vec<Instant>,
    ) -> Result<usize, String> {
        let mut at = 0;
        while let Some(head) = bytes.get(at..at + HEAD_BYTES) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            if length > PAYLOAD_MAX {
                return Err("a frame that is too large".to_owned());
            }
            let Some(payload) = bytes.get(at + HEAD_BYTES..at + HEAD_BYTES + length) else { break };
            at += HEAD_BYTES + length;
            self.frame(head[3], head[4], stream, payload, output, answered)?;
        }
        Ok(at)
    }

    fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
        output: &mut Vec<u8>,
        answered: &mut Vec<Instant>,
    ) -> Result<(), String> {
        match kind {
            HEADERS | DATA => {
                let Some((due, has_head, bytes)) = self.open.get_mut(&stream) else {
                    return Err(format!("an answer on stream {stream}, which is not open"));
                };
                if kind == DATA {
                    *bytes += payload.len() as u64;
                    self.received += payload.len() as u32;
                } else if !*has_head {
                    if !is_ok(payload) {
                        return Err("an answer with another status than 200".to_owned());
                    }
                    *has_head = true;
                }
                if flags & END_STREAM != 0 {
                    // A call of gRPC that failed has no message; one that did not ends with trailers.
                    if *bytes != self.expect || self.is_grpc != (kind == HEADERS) {
                        return Err(format!("an answer has {bytes} bytes instead of {}", self.expect));
                    }
                    answered.push(*due);
                    self.open.remove(&stream);
                }
            }
            SETTINGS if flags & ACK == 0 => Frame::new(SETTINGS, ACK, 0, []).write(output),
            PING if flags & ACK == 0 => Frame::new(PING, ACK, 0, payload).write(output),
            WINDOW_UPDATE if stream == 0 => {
                self.room += payload.try_into().map_or(0, |bytes| i64::from(u32::from_be_bytes(bytes)));
            }
            RST_STREAM => return Err(format!("stream {stream} was reset with {payload:?}")),
            GOAWAY => return Err("the connection is to end (GOAWAY)".to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, due: Instant, output: &mut Vec<u8>) {
        let ends = u8::from(self.message.is_none());
        let block = self.first.take();
        let block = block.as_ref().unwrap_or_else(|| &self.blocks[self.next]);
        put(HEADERS, 0x4 | ends, self.stream, block, output);
        if let Some(message) = &self.message {
            self.room -= message.len() as i64;
            put(DATA, END_STREAM, self.stream, message, output);
        }
        self.next = (self.next + 1) % self.blocks.len();
        self.open.insert(self.stream, (due, false, 0));
        self.stream += 2;
    }

    fn has_room(&self) -> bool {
        self.message.as_ref().is_none_or(|message| message.len() as i64 <= self.room)
    }
}

/// Adds a frame without a copy of its payload in between.
fn put(kind: u8, flags: u8, stream: u32, payload: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    output.extend([kind, flags]);
    output.extend_from_slice(&stream.to_be_bytes());
    output.extend_from_slice(payload);
}

impl Speech for H2 {
    fn send(&mut self, due: Instant, output: &mut Vec<u8>) {
        if self.has_room() {
            self.begin(due, output);
        } else {
            self.waiting.push(due);
        }
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        output: &mut Vec<u8>,
        answered: &mut Vec<Instant>,
    ) -> Result<(), String> {
        if self.held.is_empty() {
            let taken = self.take(bytes, output, answered)?;
            self.held.extend_from_slice(&bytes[taken..]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            let taken = self.take(&held, output, answered)?;
            held.drain(..taken);
            self.held = held;
        }
        if self.received > RENEW_BYTES {
            Frame::window_update(0, self.received).write(output);
            self.received = 0;
        }
        while self.has_room()
            && let Some(due) = self.waiting.pop()
        {
            self.begin(due, output);
        }
        Ok(())
    }
}
