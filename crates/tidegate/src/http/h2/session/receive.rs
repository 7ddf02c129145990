//! What comes: each frame is checked, and what it says done.

use super::frame::{self, Code, setting};
use super::{COLLECTED_MAX, State};
use crate::http::h2::flood::Flood;
use http::HeaderMap;
use wire::h2::{Refusal, Trailers};

/// Streams that we reset because of what the client did, in a connection's life.
const PROVOKED_RESETS_MAX: usize = 500;

/// Requests on their way beyond the streams that there may be: their clients have given them up, and they do not know yet.
const GIVEN_UP_MAX: usize = 100;

/// What a block of fields may have more than the fields that it stands for.
const BLOCK_ROOM: usize = frame::PAYLOAD_MAX;

const _: () = assert!(frame::PAYLOAD_MAX + frame::HEADER_BYTES < COLLECTED_MAX);

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the client is told.
    pub code: Code,
    /// What kind of abuse it was.
    pub flood: Option<Flood>,
}

impl From<Code> for Fault {
    fn from(code: Code) -> Fault {
        Fault { code, flood: None }
    }
}

impl From<Flood> for Fault {
    fn from(flood: Flood) -> Fault {
        Fault { code: Code::ENHANCE_YOUR_CALM, flood: Some(flood) }
    }
}

/// The head of a request has come; it is in [`State::incoming`].
#[derive(Clone, Copy)]
pub struct Opened {
    /// The number of its stream.
    pub stream: u32,
    /// Whether more of the request follows.
    pub has_body: bool,
}

/// A block of fields, the end of which has not come.
pub(super) struct Block {
    stream: u32,
    flags: u8,
    depends_on_itself: bool,
    bytes: Vec<u8>,
}

/// What a frame says before its payload.
#[derive(Clone, Copy)]
struct Header {
    kind: u8,
    flags: u8,
    stream: u32,
}

impl State {
    /// Does what the frames at the start of `bytes` say, up to the first one that begins a request; returns how many bytes
    /// were used. `open` is how many requests are on their way.
    ///
    /// # Errors
    /// When the connection has to end.
    pub fn receive(&mut self, bytes: &[u8], open: usize) -> Result<(usize, Option<Opened>), Fault> {
        let mut at = 0;
        if !self.greeted {
            let known = bytes.len().min(frame::PREFACE.len());
            if bytes[..known] != frame::PREFACE[..known] {
                return Err(Code::PROTOCOL_ERROR.into());
            }
            if known < frame::PREFACE.len() {
                return Ok((0, None));
            }
            self.greeted = true;
            at = known;
        }
        while let Some((header, rest)) = bytes[at..].split_first_chunk::<{ frame::HEADER_BYTES }>() {
            let [high, middle, low, kind, flags, stream @ ..] = *header;
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if length > frame::PAYLOAD_MAX {
                return Err(Code::FRAME_SIZE_ERROR.into());
            }
            let Some(payload) = rest.get(..length) else { break };
            self.watch.note(*header);
            if let Some(flood) = self.watch.verdict() {
                return Err(flood.into());
            }
            at += frame::HEADER_BYTES + length;
            let stream = u32::from_be_bytes(stream) & frame::STREAM_MAX;
            let opened = self.frame(Header { kind, flags, stream }, payload, open)?;
            if opened.is_some() {
                return Ok((at, opened));
            }
        }
        Ok((at, None))
    }

    /// Keeps what is no whole frame yet.
    pub fn keep(&mut self, rest: &[u8]) {
        self.partial.clear();
        if rest.is_empty() {
            self.partial = Vec::new();
        }
        self.partial.extend_from_slice(rest);
    }

    fn frame(&mut self, header: Header, payload: &[u8], open: usize) -> Result<Option<Opened>, Fault> {
        // RFC 9113 section 3.4.
        if !self.settled && (header.kind != frame::SETTINGS || header.flags & frame::ACK != 0) {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        // Section 6.10: nothing comes between the parts of a block.
        if self.block.is_some() && header.kind != frame::CONTINUATION {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        match header.kind {
            frame::DATA => self.data(header, payload)?,
            frame::HEADERS => return self.headers(header, payload, open),
            frame::CONTINUATION => return self.continuation(header, payload, open),
            frame::PRIORITY => self.priority(header, payload)?,
            frame::RST_STREAM => self.rst_stream(header, payload)?,
            frame::SETTINGS => self.settings(header, payload)?,
            frame::PUSH_PROMISE => return Err(Code::PROTOCOL_ERROR.into()),
            frame::PING => self.ping(header, payload)?,
            frame::GOAWAY => self.goaway(header, payload)?,
            frame::WINDOW_UPDATE => self.window_update(header, payload)?,
            _ => {}
        }
        Ok(None)
    }

    /// Whether a stream was never opened.
    fn is_idle(&self, stream: u32) -> bool {
        stream > self.last || stream.is_multiple_of(2)
    }

    /// Resets a stream for what the client has done, which it may not do too often.
    pub fn refuse(&mut self, stream: u32, code: Code) -> Result<(), Fault> {
        self.reset(stream, code);
        self.provoked += 1;
        if self.provoked > PROVOKED_RESETS_MAX { Err(Flood::ProvokedResets.into()) } else { Ok(()) }
    }

    fn data(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if self.is_idle(header.stream) {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        let data = unpadded(header, payload)?;
        if !self.flow.receive(payload.len()) {
            return Err(Code::FLOW_CONTROL_ERROR.into());
        }
        let Some(stream) = self.find(header.stream) else {
            if header.stream <= self.last_served && !self.reset_early.contains(&header.stream) {
                return Err(Code::STREAM_CLOSED.into());
            }
            self.release_connection(payload.len());
            return Ok(());
        };
        if stream.is_remote_ended() {
            return Err(Code::STREAM_CLOSED.into());
        }
        let stream = std::rc::Rc::clone(stream);
        let received = stream.receive(data, payload.len());
        if let Err(code) = received {
            self.release_connection(payload.len());
            return self.refuse(header.stream, code);
        }
        if payload.len() > data.len() {
            self.release(&stream, payload.len() - data.len());
        }
        if header.flags & frame::END_STREAM != 0 {
            self.end_of_request(header.stream, None)?;
        }
        Ok(())
    }

    fn end_of_request(&mut self, id: u32, trailers: Option<HeaderMap>) -> Result<(), Fault> {
        let Some(stream) = self.find(id) else { return Ok(()) };
        match stream.end_remote(trailers) {
            None => self.refuse(id, Code::PROTOCOL_ERROR),
            Some(is_closed) => {
                if is_closed {
                    self.forget(id);
                }
                Ok(())
            }
        }
    }

    fn headers(&mut self, header: Header, payload: &[u8], open: usize) -> Result<Option<Opened>, Fault> {
        let mut fragment = unpadded(header, payload)?;
        let mut depends_on_itself = false;
        if header.flags & frame::PRIORITISED != 0 {
            let (priority, rest) = fragment.split_first_chunk::<5>().ok_or(Code::FRAME_SIZE_ERROR)?;
            depends_on_itself = dependency(priority) == header.stream;
            fragment = rest;
        }
        if header.stream.is_multiple_of(2) {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        let Header { stream, flags, .. } = header;
        let block = Block { stream, flags, depends_on_itself, bytes: Vec::new() };
        if flags & frame::END_HEADERS == 0 {
            self.block = Some(Block { bytes: fragment.to_vec(), ..block });
            return Ok(None);
        }
        self.block_of(&block, fragment, open)
    }

    fn continuation(&mut self, header: Header, payload: &[u8], open: usize) -> Result<Option<Opened>, Fault> {
        let mut block = self.block.take().ok_or(Code::PROTOCOL_ERROR)?;
        if block.stream != header.stream {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        block.bytes.extend_from_slice(payload);
        if block.bytes.len() > self.bounds.head_bytes as usize + BLOCK_ROOM {
            return Err(Flood::Continuation.into());
        }
        if header.flags & frame::END_HEADERS == 0 {
            self.block = Some(block);
            return Ok(None);
        }
        let bytes = std::mem::take(&mut block.bytes);
        self.block_of(&block, &bytes, open)
    }

    /// A whole block: a request, or trailers, or something that came too late.
    fn block_of(&mut self, block: &Block, bytes: &[u8], open: usize) -> Result<Option<Opened>, Fault> {
        let id = block.stream;
        let ends = block.flags & frame::END_STREAM != 0;
        if id <= self.last {
            let is_ended = self.find(id).map(|stream| stream.is_remote_ended());
            let is_ignored = is_ended.is_none() && (id > self.last_served || self.reset_early.contains(&id));
            if !is_ignored && is_ended != Some(false) {
                return Err(Code::STREAM_CLOSED.into());
            }
            return self.trailers(block, bytes, ends, is_ignored).map(|()| None);
        }
        self.last = id;
        self.incoming.begin(self.bounds.head_bytes);
        let incoming = &mut self.incoming;
        let decoded = self.decoder.decode(bytes, |name, value| incoming.field(name, value));
        decoded.map_err(|_| Code::COMPRESSION_ERROR)?;
        // RFC 9113 section 4.3: also of a stream that is not served the block is to be read to its end.
        match self.incoming.broken_off() {
            Some(Refusal::Abuse) => return Err(Flood::HeaderBomb.into()),
            Some(_) => return Err(Code::PROTOCOL_ERROR.into()),
            None => {}
        }
        // RFC 9113 section 6.8: what came behind the last one is ignored.
        if id > self.last_served {
            return Ok(None);
        }
        if block.depends_on_itself {
            return self.refuse(id, Code::PROTOCOL_ERROR).map(|()| None);
        }
        let streams = self.bounds.streams as usize;
        if self.streams.len() >= streams || open >= streams + GIVEN_UP_MAX {
            return self.refuse(id, Code::REFUSED_STREAM).map(|()| None);
        }
        Ok(Some(Opened { stream: id, has_body: !ends }))
    }

    fn trailers(&mut self, block: &Block, bytes: &[u8], ends: bool, ignored: bool) -> Result<(), Fault> {
        let mut trailers = Trailers::new(self.bounds.head_bytes);
        let decoded = self.decoder.decode(bytes, |name, value| trailers.field(name, value));
        decoded.map_err(|_| Code::COMPRESSION_ERROR)?;
        let map = match trailers.finish() {
            Err(Refusal::Bytes) => return Err(Code::PROTOCOL_ERROR.into()),
            Err(Refusal::Abuse) => return Err(Flood::HeaderBomb.into()),
            _ if ignored => return Ok(()),
            Err(_) => return self.refuse(block.stream, Code::PROTOCOL_ERROR),
            Ok(_) if !ends || block.depends_on_itself => {
                return self.refuse(block.stream, Code::PROTOCOL_ERROR);
            }
            Ok(map) => map,
        };
        self.end_of_request(block.stream, (!map.is_empty()).then_some(map))
    }

    fn priority(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream == 0 {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        let Ok(priority) = <&[u8; 5]>::try_from(payload) else {
            return Err(Code::FRAME_SIZE_ERROR.into());
        };
        if dependency(priority) != header.stream {
            return Ok(());
        }
        if self.is_idle(header.stream) {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        self.refuse(header.stream, Code::PROTOCOL_ERROR)
    }

    fn rst_stream(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        let code = <[u8; 4]>::try_from(payload).map_err(|_| Code::FRAME_SIZE_ERROR)?;
        if self.is_idle(header.stream) {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        self.was_reset(header.stream, Code(u32::from_be_bytes(code)));
        Ok(())
    }

    fn settings(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        let is_ack = header.flags & frame::ACK != 0;
        if !payload.len().is_multiple_of(6) || is_ack && !payload.is_empty() {
            return Err(Code::FRAME_SIZE_ERROR.into());
        }
        if is_ack {
            return Ok(());
        }
        for entry in payload.chunks_exact(6) {
            let [high, low, value @ ..] = entry else { continue };
            let value = <[u8; 4]>::try_from(value).map_or(0, u32::from_be_bytes);
            self.setting(u16::from_be_bytes([*high, *low]), value)?;
        }
        self.settled = true;
        frame::put_settings_ack(&mut self.out);
        Ok(())
    }

    fn setting(&mut self, name: u16, value: u32) -> Result<(), Fault> {
        match name {
            setting::TABLE_BYTES => self.encoder.bound(value as usize),
            setting::PUSH if value > 1 => return Err(Code::PROTOCOL_ERROR.into()),
            setting::WINDOW => {
                if i64::from(value) > frame::WINDOW_MAX {
                    return Err(Code::FLOW_CONTROL_ERROR.into());
                }
                // Section 6.9.2: of streams that there are, too.
                let more = i64::from(value) - self.flow.stream;
                self.flow.stream = i64::from(value);
                if !self.each().all(|stream| stream.open(more)) {
                    return Err(Code::FLOW_CONTROL_ERROR.into());
                }
            }
            setting::PAYLOAD if !(1 << 14..1 << 24).contains(&value) => {
                return Err(Code::PROTOCOL_ERROR.into());
            }
            _ => {}
        }
        Ok(())
    }

    fn ping(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        let payload = <[u8; 8]>::try_from(payload).map_err(|_| Code::FRAME_SIZE_ERROR)?;
        if header.stream != 0 {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        if header.flags & frame::ACK == 0 {
            frame::put_ping(&mut self.out, payload, true);
        } else if payload == frame::LAST_PING && self.last_served == u32::MAX {
            // The client has heard that we leave; what it began before, it has begun.
            self.last_served = self.last;
            self.say_goodbye(Code::NO_ERROR, "");
        }
        Ok(())
    }

    fn goaway(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        if payload.len() < 8 {
            return Err(Code::FRAME_SIZE_ERROR.into());
        }
        self.left = true;
        Ok(())
    }

    fn window_update(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        let bytes = <[u8; 4]>::try_from(payload).map_err(|_| Code::FRAME_SIZE_ERROR)?;
        let bytes = u32::from_be_bytes(bytes) & frame::STREAM_MAX;
        if bytes == 0 || header.stream != 0 && self.is_idle(header.stream) {
            return Err(Code::PROTOCOL_ERROR.into());
        }
        if header.stream == 0 {
            return if self.flow.open(bytes) { Ok(()) } else { Err(Code::FLOW_CONTROL_ERROR.into()) };
        }
        match self.find(header.stream) {
            Some(stream) if !stream.open(i64::from(bytes)) => {
                self.refuse(header.stream, Code::FLOW_CONTROL_ERROR)
            }
            _ => Ok(()),
        }
    }
}

/// The payload without its padding (RFC 9113 section 6.1).
fn unpadded(header: Header, payload: &[u8]) -> Result<&[u8], Fault> {
    if header.flags & frame::PADDED == 0 {
        return Ok(payload);
    }
    let (length, rest) = payload.split_first().ok_or(Code::FRAME_SIZE_ERROR)?;
    let end = rest.len().checked_sub(usize::from(*length)).ok_or(Code::PROTOCOL_ERROR)?;
    Ok(&rest[..end])
}

/// The stream that another depends on, which means nothing any more.
fn dependency(priority: &[u8; 5]) -> u32 {
    let [first, second, third, fourth, _] = *priority;
    u32::from_be_bytes([first, second, third, fourth]) & frame::STREAM_MAX
}
