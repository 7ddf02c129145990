//! One request and its answer, relayed between a client and a server in both directions at once.
//!
//! One task drives both connections: no channel, no second task. Each direction moves as far as it can,
//! then the task waits for whichever socket moves first. The next read happens only when what was read has
//! been written, so the slower side sets the pace and a buffer bounds what is in between.
//!
//! Invariants:
//! - Nothing of an answer reaches the client before its head was found well-formed.
//! - A connection to a server is reusable only after an answer that ended exactly where its framing said,
//!   to a request that was sent in full.
//! - A failure before the answer began says whether the request may be sent again.

use super::body::{BodyReader, FirstBody};
use super::response_head::{self, Connection, Reframing};
use super::{Active, BodyState, Client};
use crate::error::ProxyError;
use crate::http::stream::poll_write_two;
use crate::path::facts::AnswerHook;
use crate::worker::{Buffer, Worker};
use policy::model::{Bounds, Timeouts};
use std::ops::Range;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use wire::h1::{ChunkMode, Framing, HeadLimits, Method, Version};

/// First body bytes up to this many are copied behind the head so that one plain `send` carries both; above,
/// `writev` is cheaper than the copy.
const COPIED_MAX: usize = 8 * 1024;

/// Bytes of a next request that are read ahead while an answer is awaited; reading on serves only to
/// notice a client that is gone.
const READ_AHEAD_MAX: usize = 16 * 1024;

/// What an exchange must know of its surroundings.
pub struct Terms<'a> {
    /// Times on this route towards this pool.
    pub timeouts: &'a Timeouts,
    /// Sizes on this site.
    pub bounds: &'a Bounds,
    /// When the request began, for `timeouts.total`.
    pub started: Instant,
    /// The worker, which may want connections closed.
    pub worker: &'a Worker,
    /// Whether the client asked for a change of protocol, and was heard.
    pub upgrade: bool,
    /// What the rules make of the answer's head.
    pub hook: &'a AnswerHook<'a>,
}

/// How an exchange ended well.
pub enum Ending {
    /// The answer was relayed in full.
    Answered {
        /// Whether the server's connection may serve again.
        reusable: bool,
        /// Whether the client's connection may.
        keep_alive: bool,
        /// Whether the request was sent in full; else the client may still be sending.
        wholly_sent: bool,
    },
    /// The server switched protocols; bytes of the new protocol that it has sent already.
    Upgraded {
        /// Where they are.
        buffer: Option<Buffer>,
        /// And which.
        early: Range<usize>,
    },
}

/// How an exchange failed.
pub struct Failure {
    /// Why.
    pub error: ProxyError,
    /// Whether the client has been given a part of the final answer.
    pub answered: bool,
    /// Whether the same request may be sent to another server, for nothing of it can have been acted upon
    /// or acting twice does no harm.
    pub replayable: bool,
    /// The client would take a plain close for the end of the answer.
    pub looks_complete: bool,
}

/// What is counted on the way.
#[derive(Default)]
pub struct Tally {
    /// Bytes of content of the answer that were passed on.
    pub bytes_out: u64,
    /// Bytes of content taken from the client's body.
    pub bytes_in: u64,
    /// The final status, once the server has given it.
    pub status: u16,
    /// When the final head came.
    pub answered_at: Option<Instant>,
}

/// The body of the request, on its way to the server.
struct Upload {
    /// Bytes of the head (`Active::request_out`) that are written.
    head_sent: usize,
    /// What is to be written next, in the client's buffer.
    segment: Range<usize>,
    body: BodyReader,
    /// The body was in the buffer as a whole when the exchange began, so it can be sent once more.
    replayable: bool,
    /// Whether a single byte has been handed to the kernel.
    touched: bool,
    finished: bool,
    /// The server takes no more; what it has to say is still read.
    broken: bool,
}

/// The answer, on its way to the client.
struct Download {
    buffer: Option<Buffer>,
    /// Bytes of the head not yet understood.
    unread: Range<usize>,
    /// Bytes of `Active::answer` that are written.
    head_sent: usize,
    /// What is to be written after those, in the server's buffer.
    segment: Range<usize>,
    /// `None` until the final head was understood.
    body: Option<BodyReader>,
    framing: Reframing,
    /// A first chunk has been written, so the next one begins by ending it.
    in_chunks: bool,
    /// The server sent anything at all.
    heard: bool,
    /// The final answer began to reach the client.
    answered: bool,
    /// The server said 100, so the client sends its body.
    continued: bool,
    /// Bytes came after the end of the answer.
    excess: bool,
}

/// A request and its answer on their way.
pub struct Exchange<'a> {
    client: &'a mut Client,
    active: &'a mut Active,
    server: &'a mut TcpStream,
    terms: Terms<'a>,
    tally: &'a mut Tally,
    upload: Upload,
    download: Download,
    client_finished: bool,
    keep_alive: bool,
    moved: bool,
}

impl<'a> Exchange<'a> {
    /// `active.request_out` holds the head for the server; the client's buffer holds its head and
    /// whatever came after it.
    ///
    /// # Errors
    /// When the part of the body that is there already is malformed or too large.
    pub fn new(
        client: &'a mut Client,
        active: &'a mut Active,
        server: &'a mut TcpStream,
        terms: Terms<'a>,
        tally: &'a mut Tally,
        body: &FirstBody,
    ) -> Self {
        let upload = Upload {
            head_sent: 0,
            segment: body.segment.clone(),
            replayable: body.reader.is_done(),
            body: body.reader.clone(),
            touched: false,
            finished: false,
            broken: false,
        };
        let download = Download {
            buffer: None,
            unread: 0..0,
            head_sent: 0,
            segment: 0..0,
            body: None,
            framing: Reframing::AsIs,
            in_chunks: false,
            heard: false,
            answered: false,
            continued: false,
            excess: false,
        };
        let keep_alive = active.head.keep_alive;
        active.answer.clear();
        active.response.reset();
        Exchange {
            client,
            active,
            server,
            terms,
            tally,
            upload,
            download,
            client_finished: false,
            keep_alive,
            moved: true,
        }
    }

    /// Moves both directions as far as they go.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ending, Failure>> {
        if let Err(error) = self.poll_upload(cx) {
            return Poll::Ready(Err(self.failure(error)));
        }
        match self.poll_download(cx) {
            Ok(Some(ending)) => return Poll::Ready(Ok(ending)),
            Ok(None) => {}
            Err(error) => return Poll::Ready(Err(self.failure(error))),
        }
        if self.moved {
            self.moved = false;
            self.arm();
        }
        match self.client.timer.poll_due(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let error = self.overdue();
                Poll::Ready(Err(self.failure(error)))
            }
        }
    }

    /// Sends the request: its head, then its body as the client delivers it.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        while !self.upload.finished {
            let head = &self.active.request_out[self.upload.head_sent..];
            let segment = &self.active.input[self.upload.segment.clone()];
            if !head.is_empty() || !segment.is_empty() {
                match poll_write_two(self.server, cx, head, segment) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Ok(written)) if written > 0 => {
                        let of_head = written.min(head.len());
                        self.upload.head_sent += of_head;
                        self.upload.segment.start += written - of_head;
                        self.upload.touched = true;
                        self.moved = true;
                    }
                    // The server takes no more. It may have answered before it closed: the other
                    // direction finds out.
                    Poll::Ready(_) => {
                        self.upload.broken = true;
                        self.upload.finished = true;
                    }
                }
            } else if self.upload.body.is_done() {
                self.upload.finished = true;
                self.moved = true;
            } else if !self.read_body(cx)? {
                return Ok(());
            }
        }
        self.watch_client(cx)
    }

    /// Reads more of the body into the client's buffer; `false` when there is nothing to read yet.
    fn read_body(&mut self, cx: &mut Context<'_>) -> Result<bool, ProxyError> {
        let base = self.active.head.length as usize;
        let read = match self.client.stream.poll_read(cx, &mut self.active.input[base..]) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0) | Err(_)) => return Err(ProxyError::ClientGone),
            Poll::Ready(Ok(read)) => read,
        };
        self.moved = true;
        self.upload.replayable = false;
        let piece = self
            .upload
            .body
            .feed(&mut self.active.input[base..base + read])
            .map_err(ProxyError::RequestBody)?;
        self.tally.bytes_in += piece.content as u64;
        if self.tally.bytes_in > self.terms.bounds.body_bytes {
            return Err(ProxyError::BodyTooLarge);
        }
        self.upload.segment = base..base + piece.kept;
        self.active.next = base + piece.consumed..base + read;
        if self.upload.body.is_done() {
            self.active.body = BodyState::Whole;
        }
        Ok(true)
    }

    /// While the answer is awaited: notices a client that is gone, and takes the next request's bytes.
    ///
    /// A FIN after a complete request is a half-close, and the answer is still wanted; a reset is not.
    fn watch_client(&mut self, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        while !self.client_finished && self.active.next.len() < READ_AHEAD_MAX {
            let end = self.active.next.end;
            if end == self.active.input.len() {
                return Ok(());
            }
            match self.client.stream.poll_read(cx, &mut self.active.input[end..]) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => self.client_finished = true,
                Poll::Ready(Ok(read)) => self.active.next.end += read,
                Poll::Ready(Err(_)) => return Err(ProxyError::ClientGone),
            }
        }
        Ok(())
    }

    /// Reads the answer and gives it to the client.
    fn poll_download(&mut self, cx: &mut Context<'_>) -> Result<Option<Ending>, ProxyError> {
        loop {
            if !self.write_to_client(cx)? {
                return Ok(None);
            }
            match &self.download.body {
                Some(body) if body.is_done() => return Ok(Some(self.answered())),
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
                    Poll::Pending => Ok(false),
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
            if self.server.poll_read_ready(cx).is_pending() {
                return None;
            }
            self.download.buffer = Some(Buffer::take());
        }
        let buffer = self.download.buffer.as_mut().expect("taken above");
        let mut read = ReadBuf::new(&mut buffer[start..]);
        match std::pin::Pin::new(&mut *self.server).poll_read(cx, &mut read) {
            Poll::Pending => {
                if start == 0 {
                    self.download.buffer = None;
                }
                None
            }
            Poll::Ready(Ok(())) => Some(Ok(read.filled().len())),
            Poll::Ready(Err(error)) => Some(Err(error)),
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
                self.moved = true;
                Ok(true)
            }
            Some(_) => Err(ProxyError::ServerClosed),
        }
    }

    /// Takes as many whole heads as there are: interim ones, and the final one.
    fn understand_heads(&mut self) -> Result<Option<Ending>, ProxyError> {
        while self.download.body.is_none() && !self.download.unread.is_empty() {
            let Some(buffer) = self.download.buffer.as_ref() else { return Ok(None) };
            let bytes = &buffer[self.download.unread.clone()];
            let limits = HeadLimits { bytes: self.terms.bounds.head_bytes, fields: self.terms.bounds.fields };
            let complete = self
                .active
                .response
                .parse(bytes, limits, self.active.head.method)
                .map_err(ProxyError::ResponseHead)?;
            if !complete {
                return Ok(None);
            }
            let length = self.active.response.length as usize;
            match self.active.response.status {
                101 if self.terms.upgrade => return Ok(Some(self.upgraded())),
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
        let Some(buffer) = self.download.buffer.as_mut() else { return Ok(()) };
        let response = &self.active.response;
        let old_client = self.active.head.version == Version::Http10;
        let (framing, mode) = match response.framing {
            Framing::Chunked if old_client => (Reframing::UntilClose, ChunkMode::Decode),
            Framing::Close if !old_client => (Reframing::Chunked, ChunkMode::Relay),
            _ => (Reframing::AsIs, ChunkMode::Relay),
        };
        self.tally.status = response.status;
        self.tally.answered_at = Some(Instant::now());
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
        let mut lines = std::mem::take(&mut self.active.lines);
        lines.clear();
        self.terms.hook.apply(self.active, &buffer[self.download.unread.clone()], &mut lines);
        let edits = response_head::Edits { connection, framing, old_client, lines: &lines };
        let bytes = &buffer[self.download.unread.clone()];
        response_head::write(&mut self.active.answer, bytes, &self.active.response, &edits);
        self.active.lines = lines;

        let mut body = BodyReader::new(self.active.response.framing, mode, self.terms.bounds.head_bytes);
        let first =
            self.download.unread.start + self.active.response.length as usize..self.download.unread.end;
        let piece = body.feed(&mut buffer[first.clone()]).map_err(ProxyError::ResponseBody)?;
        self.tally.bytes_out += piece.content as u64;
        self.download.excess = piece.consumed < first.len();
        self.download.framing = framing;
        self.download.body = Some(body);
        self.download.unread = 0..0;
        self.download.segment = first.start..first.start + piece.kept;
        self.frame_segment();
        self.copy_small_segment();
        Ok(())
    }

    /// Puts the chunk header before the segment where we make the chunks.
    fn frame_segment(&mut self) {
        if self.download.framing != Reframing::Chunked {
            return;
        }
        if !self.download.segment.is_empty() {
            if self.download.in_chunks {
                self.active.answer.extend_from_slice(b"\r\n");
            }
            wire::h1::write_chunk_header(&mut self.active.answer, self.download.segment.len());
            self.download.in_chunks = true;
        }
    }

    fn copy_small_segment(&mut self) {
        if self.download.segment.len() <= COPIED_MAX
            && let Some(buffer) = &self.download.buffer
        {
            self.active.answer.extend_from_slice(&buffer[self.download.segment.clone()]);
            self.download.segment = 0..0;
        }
    }

    /// Reads more of the answer's body; `false` when there is nothing to read yet.
    fn read_answer_body(&mut self, cx: &mut Context<'_>) -> Result<bool, ProxyError> {
        let read = match self.read_server(cx, 0) {
            None => return Ok(false),
            Some(Ok(0)) => return self.server_finished(),
            Some(Err(_)) => return Err(ProxyError::ServerCut),
            Some(Ok(read)) => read,
        };
        self.moved = true;
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
            let end: &[u8] = if self.download.in_chunks { b"\r\n0\r\n\r\n" } else { b"0\r\n\r\n" };
            self.active.answer.extend_from_slice(end);
        }
        Ok(true)
    }

    fn answered(&mut self) -> Ending {
        let sent_all = self.upload.finished && !self.upload.broken;
        Ending::Answered {
            reusable: sent_all
                && !self.download.excess
                && self.active.response.keep_alive
                && self.active.response.framing != Framing::Close,
            keep_alive: self.keep_alive && sent_all,
            wholly_sent: self.upload.finished,
        }
    }

    fn upgraded(&mut self) -> Ending {
        let length = self.active.response.length as usize;
        if let Some(buffer) = &self.download.buffer {
            let edits =
                response_head::Edits { connection: Connection::Upgrade, ..response_head::Edits::default() };
            let bytes = &buffer[self.download.unread.clone()];
            response_head::write(&mut self.active.answer, bytes, &self.active.response, &edits);
        }
        self.tally.status = 101;
        self.tally.answered_at = Some(Instant::now());
        let early = self.download.unread.start + length..self.download.unread.end;
        Ending::Upgraded { buffer: self.download.buffer.take(), early }
    }

    /// Sets the time for the next move: it is the body's while one is on its way, else the answer's.
    fn arm(&self) {
        let waits_for_head = self.upload.finished && self.download.body.is_none();
        let next = if waits_for_head { self.terms.timeouts.first_byte } else { self.terms.timeouts.body };
        self.client.timer.arm(match self.terms.timeouts.total {
            None => next,
            Some(total) => next.min(total.saturating_sub(self.terms.started.elapsed())),
        });
    }

    /// Whose time is over.
    fn overdue(&self) -> ProxyError {
        let total = self.terms.timeouts.total.unwrap_or(Duration::MAX);
        if self.terms.started.elapsed() >= total {
            return ProxyError::TotalTimeout;
        }
        let writes_to_client = !self.active.answer.is_empty()
            || !self.download.segment.is_empty()
            || self.client.stream.holds_back();
        let writes_to_server =
            self.upload.head_sent < self.active.request_out.len() || !self.upload.segment.is_empty();
        if writes_to_client {
            ProxyError::ClientStalled
        } else if self.download.body.is_some() || writes_to_server {
            ProxyError::ServerStalled
        } else if !self.upload.finished {
            ProxyError::ClientBodyTimeout
        } else {
            ProxyError::FirstByteTimeout
        }
    }

    /// Whether the client takes a close for the end of the answer's body.
    fn ends_by_closing(&self) -> bool {
        self.download.framing == Reframing::UntilClose
            || (self.active.response.framing == Framing::Close && self.download.framing == Reframing::AsIs)
    }

    fn failure(&self, error: ProxyError) -> Failure {
        let by_server = matches!(error, ProxyError::ServerClosed);
        let harmless =
            !self.upload.touched || (self.active.head.method.is_idempotent() && self.upload.replayable);
        Failure {
            answered: self.download.answered,
            replayable: by_server && harmless && !self.download.heard,
            looks_complete: self.download.answered && self.ends_by_closing(),
            error,
        }
    }
}

/// Whether a method may carry on over a connection that was idle, judged from the outside: a request
/// that cannot be replayed deserves a closer look at the connection first.
pub fn is_replayable(method: Method, body: &FirstBody) -> bool {
    method.is_idempotent() && body.is_whole()
}
