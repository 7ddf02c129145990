//! The answer's half of an exchange: what the server says, piece by piece, to the client.

use super::splice::{Next, Splice};
use super::{Ending, Exchange, TURN_BYTES};
use crate::error::ProxyError;
use crate::http::h1::body::BodyReader;
use crate::http::h1::response_head::Reframing;
use crate::worker::Buffer;
use std::ops::Range;
use std::task::{Context, Poll};

/// First body bytes up to this many are copied behind the head so that one plain `send` carries both; above,
/// `writev` is cheaper than the copy.
const COPIED_MAX: usize = 8 * 1024;

/// The answer, on its way to the client.
#[derive(Default)]
pub(super) struct Download {
    pub buffer: Option<Buffer>,
    /// Bytes of the head not yet understood.
    pub unread: Range<usize>,
    /// Bytes of `Active::answer` that are written.
    pub head_sent: usize,
    /// What is to be written after those, in the server's buffer.
    pub segment: Range<usize>,
    /// `None` until the final head was understood.
    pub body: Option<BodyReader>,
    pub framing: Reframing,
    /// A first chunk has been written, so the next one begins by ending it.
    pub in_chunks: bool,
    /// The server sent anything at all.
    pub heard: bool,
    /// The final answer began to reach the client.
    pub answered: bool,
    /// The server said 100, so the client sends its body.
    pub continued: bool,
    /// Bytes came after the end of the answer.
    pub excess: bool,
    /// What the end of the body's text leaves open was said too.
    pub ended: bool,
    /// The client's windows are closed.
    pub client_full: bool,
    /// The way of a large body.
    pub splice: Splice,
    /// Bytes of the body that were read in this turn.
    pub turn: usize,
}

impl Exchange<'_> {
    /// Reads the answer and gives it to the client.
    pub(super) fn poll_download(&mut self, cx: &mut Context<'_>) -> Result<Option<Ending>, ProxyError> {
        loop {
            // Before the last of it is written, so that the end goes with it.
            if !self.download.ended && self.download.body.as_ref().is_some_and(BodyReader::is_done) {
                self.poll_end(cx)?;
            }
            if !self.write_to_client(cx)? {
                return Ok(None);
            }
            match &self.download.body {
                Some(body) if body.is_done() && self.download.ended => return Ok(Some(self.answered())),
                Some(body) if body.is_done() => return Ok(None),
                Some(_) => {
                    if !self.read_answer_body(cx)? {
                        return Ok(None);
                    }
                }
                None => {
                    if let Some(ending) = self.understand_heads()? {
                        return Ok(Some(ending));
                    }
                    let waits = self.download.body.is_none() && self.active.answer.is_empty();
                    if waits && !self.read_answer_head(cx)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Passes on what the end of the text leaves open, once the server has said it.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        match self.server.poll_end(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(trailers)) => {
                self.client.stream.finish(trailers);
                self.download.ended = true;
            }
            Poll::Ready(Err(_)) => return Err(ProxyError::ServerCut),
        }
        Ok(())
    }

    /// Writes what there is; `true` when all of it is gone.
    fn write_to_client(&mut self, cx: &mut Context<'_>) -> Result<bool, ProxyError> {
        loop {
            let head = &self.active.answer[self.download.head_sent..];
            let segment = match &self.download.buffer {
                Some(buffer) => &buffer[self.download.segment.clone()],
                None => &[],
            };
            if head.is_empty() && segment.is_empty() {
                // TLS may hold a part of it still, and the server may be long in saying more.
                return match self.client.stream.poll_flush(cx) {
                    Poll::Pending => {
                        // Once the head was understood there is nothing in the buffer but what was taken.
                        if self.download.body.is_some() {
                            self.download.buffer = None;
                        }
                        Ok(false)
                    }
                    Poll::Ready(Ok(())) => {
                        self.active.answer.clear();
                        self.download.head_sent = 0;
                        Ok(true)
                    }
                    Poll::Ready(Err(_)) => Err(ProxyError::ClientGone),
                };
            }
            match self.client.stream.poll_write(cx, head, segment) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(0) | Err(_)) => return Err(ProxyError::ClientGone),
                Poll::Ready(Ok(written)) => {
                    let of_head = written.min(head.len());
                    self.download.head_sent += of_head;
                    self.download.segment.start += written - of_head;
                    self.download.answered |= self.download.body.is_some();
                    self.moved = true;
                }
            }
        }
    }

    /// Reads from the server behind what is there; `None` when there is nothing to read yet.
    ///
    /// Holds no buffer while it waits with nothing in hand.
    fn read_server(&mut self, cx: &mut Context<'_>, start: usize) -> Option<std::io::Result<usize>> {
        if self.download.buffer.is_none() {
            if self.server.poll_readable(cx).is_pending() {
                return None;
            }
            self.download.buffer = Some(Buffer::take());
        }
        let buffer = self.download.buffer.as_mut().expect("taken above");
        let end = buffer.len().min(start + self.client.stream.read_size());
        match self.server.poll_read(cx, &mut buffer[start..end]) {
            Poll::Pending => {
                if start == 0 {
                    self.download.buffer = None;
                }
                None
            }
            Poll::Ready(read) => Some(read),
        }
    }

    /// Reads more of a head; `false` when there is nothing to read yet.
    fn read_answer_head(&mut self, cx: &mut Context<'_>) -> Result<bool, ProxyError> {
        if self.download.unread.is_empty() {
            self.download.unread = 0..0;
        } else if self.download.unread.start > 0 {
            // Behind an interim answer; rare enough to move.
            let range = self.download.unread.clone();
            let length = range.len();
            if let Some(buffer) = &mut self.download.buffer {
                buffer.copy_within(range, 0);
            }
            self.download.unread = 0..length;
        }
        match self.read_server(cx, self.download.unread.end) {
            None => Ok(false),
            Some(Ok(read)) if read > 0 => {
                self.download.heard = true;
                self.download.unread.end += read;
                Ok(true)
            }
            Some(Ok(_)) => Err(ProxyError::ServerClosed),
            Some(Err(error)) => Err(ProxyError::carried_by(error).unwrap_or(ProxyError::ServerClosed)),
        }
    }

    /// Puts the chunk header before the segment where we make the chunks.
    pub(super) fn frame_segment(&mut self) {
        if self.download.framing != Reframing::Chunked {
            return;
        }
        if !self.download.segment.is_empty() {
            self.frame(self.download.segment.len());
        }
    }

    /// Begins a chunk of so many bytes.
    pub(super) fn frame(&mut self, count: usize) {
        if self.download.in_chunks {
            self.active.answer.extend_from_slice(b"\r\n");
        }
        wire::h1::write_chunk_header(&mut self.active.answer, count);
        self.download.in_chunks = true;
    }

    pub(super) fn copy_small_segment(&mut self) {
        if self.download.segment.len() <= COPIED_MAX
            && let Some(buffer) = &self.download.buffer
        {
            self.active.answer.extend_from_slice(&buffer[self.download.segment.clone()]);
            self.download.segment = 0..0;
        }
    }

    /// Reads more of the answer's body; `false` when there is nothing to read yet.
    fn read_answer_body(&mut self, cx: &mut Context<'_>) -> Result<bool, ProxyError> {
        let (splice, passed) = (&self.download.splice, self.tally.bytes_out);
        if self.download.body.as_ref().is_some_and(|body| splice.is_for(body, passed)) {
            match self.splice_answer(cx)? {
                Next::GoOn => return Ok(true),
                Next::Wait => return Ok(false),
                Next::Copy => {}
            }
        }
        self.download.client_full = self.client.stream.poll_writable(cx).is_pending();
        if self.download.client_full {
            self.server.gather(cx).map_err(|_| ProxyError::ServerCut)?;
            self.download.buffer = None;
            return Ok(false);
        }
        if self.download.turn >= TURN_BYTES {
            self.download.buffer = None;
            cx.waker().wake_by_ref();
            return Ok(false);
        }
        let read = match self.read_server(cx, 0) {
            None => return Ok(false),
            Some(Ok(0)) => return self.server_finished(),
            Some(Err(error)) => return Err(ProxyError::carried_by(error).unwrap_or(ProxyError::ServerCut)),
            Some(Ok(read)) => read,
        };
        self.moved = true;
        self.download.turn += read;
        let (Some(buffer), Some(body)) = (&mut self.download.buffer, &mut self.download.body) else {
            return Ok(false);
        };
        let piece = body.feed(&mut buffer[..read]).map_err(ProxyError::ResponseBody)?;
        self.tally.bytes_out += piece.content as u64;
        self.download.excess = piece.consumed < read;
        self.download.segment = 0..piece.kept;
        self.frame_segment();
        Ok(true)
    }

    /// The server closed: the end of a body that lasts until then, and a cut in any other.
    fn server_finished(&mut self) -> Result<bool, ProxyError> {
        if !matches!(self.download.body, Some(BodyReader::Close)) {
            return Err(ProxyError::ServerCut);
        }
        self.download.body = Some(BodyReader::Done);
        if self.download.framing == Reframing::Chunked {
            if self.download.in_chunks {
                self.active.answer.extend_from_slice(b"\r\n");
            }
            self.active.answer.extend_from_slice(wire::h1::LAST_CHUNK);
        }
        Ok(true)
    }
}
