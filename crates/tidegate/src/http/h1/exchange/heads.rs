//! The heads of an answer: interim ones, the one that changes the protocol, and the final one.

use super::{Ending, Exchange};
use crate::error::ProxyError;
use crate::http::answer::put_date;
use crate::http::h1::body::BodyReader;
use crate::http::h1::response_head::{self, Connection, Reframing};
use crate::http::stream::Stream;
use policy::model::Bounds;
use wire::h1::{ChunkMode, FIELDS_MAX, Framing, HeadLimits, Known, ResponseHead, Version};

/// The bounds of the configuration are for requests; what a server says may be as long as the buffer allows.
const LIMITS: HeadLimits = HeadLimits { bytes: Bounds::HEAD_BYTES_MAX, fields: FIELDS_MAX as u16 };

impl Exchange<'_> {
    /// Takes as many whole heads as there are: interim ones, and the final one.
    pub(super) fn understand_heads(&mut self) -> Result<Option<Ending>, ProxyError> {
        while self.download.body.is_none() && !self.download.unread.is_empty() {
            let Some(buffer) = self.download.buffer.as_ref() else { return Ok(None) };
            let bytes = &buffer[self.download.unread.clone()];
            let complete = self
                .active
                .response
                .parse(bytes, LIMITS, self.active.head.method)
                .map_err(ProxyError::ResponseHead)?;
            if !complete {
                return Ok(None);
            }
            let length = self.active.response.length as usize;
            match self.active.response.status {
                101 if self.may_switch() => return Ok(Some(self.upgraded())),
                101 => return Err(ProxyError::UnaskedUpgrade),
                100..=199 => self.relay_interim(),
                _ => self.begin_answer()?,
            }
            if self.download.body.is_none() {
                self.download.unread.start += length;
            }
        }
        Ok(None)
    }

    /// RFC 9110 section 15.2: passed on, but never to a client of HTTP/1.0; a 100 only to one that asked.
    fn relay_interim(&mut self) {
        let Some(buffer) = self.download.buffer.as_ref() else { return };
        let is_continue = self.active.response.status == 100;
        self.download.continued |= is_continue;
        if self.active.head.version == Version::Http10 || (is_continue && !self.active.head.expect_continue) {
            return;
        }
        let bytes = &buffer[self.download.unread.clone()];
        let edits = response_head::Edits::default();
        response_head::write(&mut self.active.answer, bytes, &self.active.response, &edits);
    }

    /// The final head is there: decides on the framing and writes the client's head.
    fn begin_answer(&mut self) -> Result<(), ProxyError> {
        if matches!(self.active.response.status, 200..=299) && self.client.stream.wants_tunnel().is_some() {
            // RFC 8441 section 5: to the client this would be a tunnel, and the server has not made one.
            return Err(ProxyError::NoTunnel);
        }
        self.instead = self.server_instead();
        if self.instead.is_some() {
            return Err(ProxyError::AnswerPassedOver);
        }
        let response = &self.active.response;
        let old_client = self.active.head.version == Version::Http10;
        let (framing, mode) = match response.framing {
            Framing::Chunked if old_client => (Reframing::UntilClose, ChunkMode::Decode),
            Framing::Close if !old_client => (Reframing::Chunked, ChunkMode::Relay),
            _ => (Reframing::AsIs, ChunkMode::Relay),
        };
        let unasked_body =
            self.active.head.expect_continue && !self.download.continued && !self.upload.body.is_done();
        self.keep_alive &= !(unasked_body
            || self.terms.worker.closes_idle()
            || framing == Reframing::UntilClose
            || (old_client && response.framing == Framing::Close));
        let connection = match (self.keep_alive, old_client) {
            (false, _) => Connection::Close,
            (true, true) => Connection::KeepAlive,
            (true, false) => Connection::Silent,
        };
        let Some(buffer) = self.download.buffer.as_mut() else { return Ok(()) };
        let mut body = BodyReader::new(self.active.response.framing, mode, LIMITS.bytes);
        let first =
            self.download.unread.start + self.active.response.length as usize..self.download.unread.end;
        let piece = body.feed(&mut buffer[first.clone()]).map_err(ProxyError::ResponseBody)?;
        // Behind what may go wrong, for a client of a later version has it at once.
        self.write_final(connection, framing, body.is_done());
        self.tally.bytes_out += piece.content as u64;
        self.download.excess = piece.consumed < first.len();
        self.download.framing = framing;
        self.download.body = Some(body);
        self.download.unread = 0..0;
        self.download.segment = first.start..first.start + piece.kept;
        self.frame_segment();
        // A stream of another version takes both parts together anyway.
        if !self.client.stream.is_multiplexed() {
            self.copy_small_segment();
        }
        Ok(())
    }

    /// Writes the client's head, with what the rules have to add.
    fn write_final(&mut self, connection: Connection, framing: Reframing, is_whole: bool) {
        let Some(buffer) = &self.download.buffer else { return };
        let bytes = &buffer[self.download.unread.clone()];
        let mut lines = std::mem::take(&mut self.active.lines);
        lines.clear();
        self.terms.hook.apply(self.active, bytes, &mut lines);
        let response = &self.active.response;
        // An interim one that is still to be written goes before it.
        let is_first = self.active.answer.is_empty();
        // Where nothing but the end is left to be told, it goes with the head: gRPC knows no other form of it.
        let ends_later = !is_whole || self.download.ended;
        if is_first && ends_later && give_final(&mut self.client.stream, response, bytes, framing, &mut lines)
        {
            self.download.answered = true;
        } else {
            let old_client = self.active.head.version == Version::Http10;
            let edits = response_head::Edits { connection, framing, old_client, lines: &lines };
            response_head::write(&mut self.active.answer, bytes, response, &edits);
        }
        self.active.lines = lines;
        self.tally.status = self.active.response.status;
        self.tally.answered_at = self.terms.worker.time_for_log();
    }

    /// Whether a 101 is in order (RFC 9110 section 7.8): the whole request was sent, and what the server changes to is
    /// what the client has offered. Else what the client sends next would pass as a tunnel, unread by any rule.
    fn may_switch(&self) -> bool {
        let sent = self.upload.body.is_done() && self.upload.finished && !self.upload.broken;
        let Some(buffer) = &self.download.buffer else { return false };
        let (head, response) = (&self.active.head, &self.active.response);
        let offers = |protocol: &[u8]| {
            let mut offered = head.values(&self.active.input, "upgrade").flat_map(wire::field::list);
            offered.any(|offered| offered.eq_ignore_ascii_case(protocol))
        };
        let bytes = &buffer[self.download.unread.clone()];
        let mut chosen = response.values(bytes, "upgrade").flat_map(wire::field::list);
        // A client that sees no handshake cannot judge it; then that is for us.
        let agrees = |accept: &str| response.values(bytes, "sec-websocket-accept").eq([accept.as_bytes()]);
        let agreed = self.client.stream.wants_tunnel().is_none_or(agrees);
        self.terms.upgrade && sent && response.upgrade && agreed && chosen.all(offers)
    }

    fn upgraded(&mut self) -> Ending {
        self.write_final(Connection::Upgrade, Reframing::AsIs, false);
        let start = self.download.unread.start + self.active.response.length as usize;
        Ending::Upgraded { buffer: self.download.buffer.take(), early: start..self.download.unread.end }
    }
}

/// Gives the head at the start of `text` to a client that takes it as it was read; whether it did.
fn give_final(
    client: &mut Stream,
    response: &ResponseHead,
    text: &[u8],
    framing: Reframing,
    lines: &mut Vec<u8>,
) -> bool {
    if !client.is_multiplexed() {
        return false;
    }
    let before = lines.len();
    // RFC 9110 section 6.6.1.
    if response.known(Known::Date).is_none() {
        put_date(lines);
    }
    let framing = if framing == Reframing::Chunked { Framing::Chunked } else { response.framing };
    let given = client.give_head(response, text, lines, framing);
    if !given {
        lines.truncate(before);
    }
    given
}
