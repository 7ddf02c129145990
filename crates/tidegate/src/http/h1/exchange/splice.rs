//! Large bodies from one plain connection to another inside the kernel: through a pipe, by `splice(2)`, without being
//! copied into a buffer of ours and out of it again.
//!
//! Ordinary reads and writes begin every body, and take over where there is no pipe to be had, or the end has come. A pipe
//! is filled only when it is empty and given back as soon as it is again, so that only who waits for the other side to take
//! something holds one.

use super::Exchange;
use crate::error::ProxyError;
use crate::http::h1::BodyState;
use crate::http::h1::body::BodyReader;
use crate::http::h1::response_head::Reframing;
use crate::http::stream::Stream;
use crate::runtime::TcpStream;
use crate::worker::{Descriptors, PIPE_BYTES, Pipe};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

/// From so many bytes on. A fifth less processor time than by copying at 128 KiB and two thirds less at 10 MB, where both
/// sides are fast; at 32 KiB it makes no difference.
const WORTHWHILE: u64 = 128 * 1024;

/// After so many bytes it is the others' turn, however fast both sides are.
const TURN_BYTES: usize = 1024 * 1024;

/// One direction's way through the kernel.
#[derive(Default)]
pub(super) struct Splice {
    /// There is one only while there is something in it.
    pipe: Option<Pipe>,
    held: usize,
    /// A part of the body has gone this way, and the rest may be less than was worth beginning with.
    begun: bool,
    /// It cannot be, or the end is near, which the ordinary way knows how to deal with.
    refused: bool,
    /// Bytes since the others had their turn.
    turn: usize,
}

/// What became of an attempt to fill a pipe.
enum Fill {
    /// So many bytes are in it.
    Holds(usize),
    /// There is nothing yet.
    Waits,
    /// It is for the ordinary way to go on.
    Refused,
}

/// What a direction is to do next.
pub(super) enum Next {
    /// Go on: something has moved.
    GoOn,
    /// Wait: it will be woken.
    Wait,
    /// Read and write.
    Copy,
}

impl Splice {
    /// Whether the rest of a body is to be tried this way, of which `passed` bytes are through.
    pub fn is_for(&self, body: &BodyReader, passed: u64) -> bool {
        !self.refused
            && match body {
                BodyReader::Length(left) => *left >= WORTHWHILE || self.begun,
                BodyReader::Close => passed >= WORTHWHILE,
                BodyReader::Done | BodyReader::Chunked(_) => false,
            }
    }

    /// Whether something is on its way that the other side has not taken.
    pub fn holds(&self) -> bool {
        self.held > 0
    }

    /// Takes some of what `from` has into an empty pipe, and no more than `left`: what is behind a body is another's.
    fn fill(
        &mut self,
        cx: &Context<'_>,
        from: &TcpStream,
        left: u64,
        descriptors: &Arc<Descriptors>,
    ) -> io::Result<Fill> {
        if self.turn >= TURN_BYTES {
            self.turn = 0;
            cx.waker().wake_by_ref();
            return Ok(Fill::Waits);
        }
        if from.poll_readable(cx).is_pending() {
            self.turn = 0;
            return Ok(Fill::Waits);
        }
        let Some(pipe) = Pipe::take(descriptors) else {
            self.refused = true;
            return Ok(Fill::Refused);
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIPE_BYTES);
        match from.poll_receive_into(cx, &pipe.write, most) {
            Poll::Pending => {
                pipe.give();
                self.turn = 0;
                Ok(Fill::Waits)
            }
            Poll::Ready(Ok(0)) => {
                pipe.give();
                self.refused = true;
                Ok(Fill::Refused)
            }
            Poll::Ready(Ok(count)) => {
                self.pipe = Some(pipe);
                self.held = count;
                self.begun = true;
                self.turn += count;
                Ok(Fill::Holds(count))
            }
            Poll::Ready(Err(error)) if is_unable(&error) => {
                self.refused = true;
                Ok(Fill::Refused)
            }
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    /// Gives `to` some of what the pipe holds.
    fn drain(&mut self, cx: &Context<'_>, to: &TcpStream) -> Poll<io::Result<u64>> {
        let Some(pipe) = &self.pipe else { return Poll::Ready(Ok(0)) };
        let Poll::Ready(sent) = to.poll_send_from(cx, &pipe.read, self.held) else {
            self.turn = 0;
            return Poll::Pending;
        };
        let count = sent?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.held -= count;
        if self.held == 0
            && let Some(pipe) = self.pipe.take()
        {
            pipe.give();
        }
        Poll::Ready(Ok(count as u64))
    }
}

/// The kernel, or what stands in for it, has no such way between these two; nothing has been taken.
fn is_unable(error: &io::Error) -> bool {
    [Errno::INVAL, Errno::NOSYS].iter().any(|known| Some(known.raw_os_error()) == error.raw_os_error())
}

impl Exchange<'_> {
    /// Moves some of the answer's body.
    pub(super) fn splice_answer(&mut self, cx: &Context<'_>) -> Result<Next, ProxyError> {
        let splice = &mut self.download.splice;
        let (Stream::Plain(server), Stream::Plain(client)) = (&*self.server, &self.client.stream) else {
            splice.refused = true;
            return Ok(Next::Copy);
        };
        let Some(body) = &mut self.download.body else { return Ok(Next::Copy) };
        if !splice.holds() {
            // All that was in it is written.
            self.download.buffer = None;
            let left = body.left().unwrap_or(0);
            let filled = splice.fill(cx, server, left, &self.terms.worker.descriptors);
            let count = match filled.map_err(|_| ProxyError::ServerCut)? {
                Fill::Holds(count) => count,
                Fill::Waits => return Ok(Next::Wait),
                Fill::Refused => return Ok(Next::Copy),
            };
            self.moved = true;
            if self.download.framing == Reframing::Chunked {
                // What is in the pipe becomes one chunk, whose header is written first.
                self.frame(count);
                return Ok(Next::GoOn);
            }
        }
        match splice.drain(cx, client) {
            Poll::Pending => return Ok(Next::Wait),
            Poll::Ready(Err(_)) => return Err(ProxyError::ClientGone),
            Poll::Ready(Ok(count)) => {
                self.moved = true;
                self.tally.bytes_out += count;
                body.pass(count);
            }
        }
        // Nobody has seen yet that there is nothing more, without which the connection could not be used again.
        if body.is_done() {
            self.download.excess = server.poll_peek(cx).is_ready();
        }
        Ok(Next::GoOn)
    }

    /// Moves some of the request's body.
    pub(super) fn splice_body(&mut self, cx: &Context<'_>) -> Result<Next, ProxyError> {
        let splice = &mut self.upload.splice;
        let (Stream::Plain(client), Stream::Plain(server)) = (&self.client.stream, &*self.server) else {
            splice.refused = true;
            return Ok(Next::Copy);
        };
        if !splice.holds() {
            let left = self.upload.body.left().unwrap_or(0);
            let filled = splice.fill(cx, client, left, &self.terms.worker.descriptors);
            match filled.map_err(|_| ProxyError::ClientGone)? {
                Fill::Holds(_) => {}
                Fill::Waits => return Ok(Next::Wait),
                Fill::Refused => return Ok(Next::Copy),
            }
            self.moved = true;
            self.upload.begun = true;
            self.upload.at_hand = false;
            // The buffer has its room behind the head again.
            let head = self.active.head.length as usize;
            self.upload.segment = head..head;
            self.upload.held = head..head;
            self.active.next = head..head;
        }
        match splice.drain(cx, server) {
            Poll::Pending => return Ok(Next::Wait),
            // It may have answered before it closed: the other direction finds out.
            Poll::Ready(Err(_)) => {
                self.upload.broken = true;
                self.upload.finished = true;
            }
            Poll::Ready(Ok(count)) => {
                self.moved = true;
                self.tally.bytes_in += count;
                self.upload.body.pass(count);
                if self.upload.body.is_done() {
                    self.active.body = BodyState::Whole;
                }
            }
        }
        Ok(Next::GoOn)
    }
}
