//! The request's half of an exchange: its head, then its body as the client delivers it.

use super::splice::{Next, Splice};
use super::{Exchange, TURN_BYTES};
use crate::error::ProxyError;
use crate::http::h1::BodyState;
use crate::http::h1::body::{BodyReader, FirstBody};
use std::ops::Range;
use std::task::{Context, Poll};
use wire::h1::Method;

/// Bytes of a next request that are read ahead while an answer is awaited; reading on serves only to
/// notice a client that is gone.
const READ_AHEAD_MAX: usize = 16 * 1024;

/// What was read is kept for another server as long as there is room for this much more.
const READ_ROOM_MIN: usize = 16 * 1024;

/// In a small buffer, for this much; then a large one takes its place.
const SMALL_ROOM_MIN: usize = 256;

/// The request, on its way to the server.
pub(super) struct Upload {
    /// Bytes of the head (`Active::request_out`) that are written.
    pub head_sent: usize,
    /// What is to be written next, in the client's buffer.
    pub segment: Range<usize>,
    pub body: BodyReader,
    /// A part of the body has come.
    pub begun: bool,
    /// All that was read of the body is in the client's buffer still, so that another exchange can begin with it.
    pub at_hand: bool,
    /// Where it is.
    pub held: Range<usize>,
    /// The last read has filled all the room there was.
    pub filled: bool,
    /// Whether a single byte has been handed to the kernel.
    pub touched: bool,
    pub finished: bool,
    /// What the end of the body's text leaves open was said too.
    pub ended: bool,
    /// The server takes no more; what it has to say is still read.
    pub broken: bool,
    /// The client has said its last.
    pub client_finished: bool,
    /// The way of a large body.
    pub splice: Splice,
    /// Bytes of the body that were read in this turn.
    pub turn: usize,
}

impl Upload {
    /// Of a request whose body begins so.
    pub fn new(body: &FirstBody) -> Upload {
        Upload {
            head_sent: 0,
            segment: body.segment.clone(),
            body: body.reader.clone(),
            begun: !body.segment.is_empty(),
            at_hand: true,
            held: body.segment.clone(),
            filled: false,
            touched: false,
            finished: false,
            ended: true,
            broken: false,
            client_finished: false,
            splice: Splice::default(),
            turn: 0,
        }
    }

    /// Whether the request can be sent again without harm: all that was sent is at hand, and nothing can have been
    /// acted upon, or acting twice is like acting once.
    pub fn is_harmless(&self, method: Method) -> bool {
        self.at_hand && (!self.touched || (method.is_idempotent() && self.body.is_done()))
    }

    /// The body as the next exchange is to find it.
    pub fn first_body(&self) -> FirstBody {
        FirstBody { reader: self.body.clone(), segment: self.held.clone() }
    }
}

impl Exchange<'_> {
    /// Sends the request: its head, then its body as the client delivers it.
    pub(super) fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        while !self.upload.finished {
            // Before the last of it is written, so that the end goes with it.
            if !self.upload.ended && self.upload.body.is_done() {
                match self.client.stream.poll_end(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(trailers)) => {
                        self.server.finish(trailers);
                        self.upload.ended = true;
                    }
                    Poll::Ready(Err(_)) => return Err(ProxyError::ClientGone),
                }
            }
            let head = &self.active.request_out[self.upload.head_sent..];
            let segment = &self.active.input[self.upload.segment.clone()];
            if !head.is_empty() || !segment.is_empty() {
                match self.server.poll_write(cx, head, segment) {
                    Poll::Pending => {
                        return self.client.stream.gather(cx).map_err(|_| ProxyError::ClientGone);
                    }
                    Poll::Ready(Ok(written)) if written > 0 => {
                        let of_head = written.min(head.len());
                        self.upload.head_sent += of_head;
                        self.upload.segment.start += written - of_head;
                        self.upload.touched = true;
                        self.moved = true;
                    }
                    Poll::Ready(result) => {
                        // What a filter finds wrong in the client's body is not for the server to answer.
                        if let Some(wrong) = result.err().and_then(ProxyError::carried_by) {
                            return Err(wrong);
                        }
                        // The server takes no more. It may have answered before it closed: the other
                        // direction finds out.
                        self.upload.broken = true;
                        self.upload.finished = true;
                    }
                }
                continue;
            }
            match self.server.poll_flush(cx) {
                Poll::Pending => return self.client.stream.gather(cx).map_err(|_| ProxyError::ClientGone),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.upload.broken = true;
                    self.upload.finished = true;
                    continue;
                }
            }
            if self.upload.body.is_done() {
                if !self.upload.ended {
                    return Ok(());
                }
                self.upload.finished = true;
                self.moved = true;
            } else if !self.read_body(cx)? {
                return Ok(());
            }
        }
        // Without the end of the body, what comes is more of it, which nobody takes any more.
        if self.upload.body.is_done() && self.upload.ended { self.watch_client(cx) } else { Ok(()) }
    }

    /// Reads more of the body into the client's buffer; `false` when there is nothing to read yet. Behind what was read
    /// before, as long as there is room: a short body that comes in pieces can be sent again.
    fn read_body(&mut self, cx: &mut Context<'_>) -> Result<bool, ProxyError> {
        if self.upload.splice.is_for(&self.upload.body, self.tally.bytes_in) {
            match self.splice_body(cx)? {
                Next::GoOn => return Ok(true),
                Next::Wait => return Ok(false),
                Next::Copy => {}
            }
        }
        if self.upload.turn >= TURN_BYTES {
            cx.waker().wake_by_ref();
            return Ok(false);
        }
        let head = self.active.head.length as usize;
        let held = self.upload.held.end.max(head);
        // A large buffer is for a body that fills the small one, not for one that drips.
        if self.active.input.is_small()
            && (self.upload.filled || self.active.input.len() - head < SMALL_ROOM_MIN)
        {
            self.active.input.grow(held);
        }
        let room = if self.active.input.is_small() { SMALL_ROOM_MIN } else { READ_ROOM_MIN };
        let keeps = self.upload.at_hand && self.active.input.len() - held >= room;
        let base = if keeps { held } else { head };
        let read = match self.client.stream.poll_read(cx, &mut self.active.input[base..]) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0) | Err(_)) => return Err(ProxyError::ClientGone),
            Poll::Ready(Ok(read)) => read,
        };
        self.moved = true;
        self.upload.turn += read;
        self.upload.begun = true;
        self.upload.at_hand = keeps;
        self.upload.filled = base + read == self.active.input.len();
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
        self.upload.held.end = base + piece.kept;
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
        while !self.upload.client_finished && self.active.next.len() < READ_AHEAD_MAX {
            let end = self.active.next.end;
            if end == self.active.input.len() {
                return Ok(());
            }
            match self.client.stream.poll_read(cx, &mut self.active.input[end..]) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => self.upload.client_finished = true,
                Poll::Ready(Ok(read)) => self.active.next.end += read,
                Poll::Ready(Err(_)) => return Err(ProxyError::ClientGone),
            }
        }
        Ok(())
    }
}
