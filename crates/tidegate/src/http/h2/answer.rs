//! The body of an answer on its way to a client, given as the bytes that HTTP/1.1 would have.

use super::session::{Session, StreamCell};
use crate::worker::BUFFER_BYTES;
use http::HeaderMap;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use wire::h1::{ChunkDecoder, ChunkMode, Framing};

/// Trailers of ours have passed a gate with a closer bound than this.
const TRAILER_BYTES_MAX: u32 = 64 << 10;

/// Where [`Answer::read_size`] begins, and where it falls back to.
const READ_SIZE_MIN: usize = 4 * 1024;

/// How much of the body's text is still to come.
enum Rest {
    Length(u64),
    Chunked(Box<ChunkDecoder>),
    /// A tunnel: until it is closed.
    Open,
    Done,
}

/// One answer's body.
pub struct Answer {
    rest: Rest,
    /// Content that has no room yet, from `pending_sent` on.
    pending: Vec<u8>,
    pending_sent: usize,
    trailers: Option<HeaderMap>,
    /// The last of it was sent.
    ended: bool,
    /// That the text has ended does not end it.
    held: bool,
    /// Bytes to read for it at once: more while the client takes all at once, little when it does not.
    read_size: usize,
}

impl Answer {
    /// For a body that begins now; `ended` where the head was the last of it, `held` where [`finish`](Self::finish) will say
    /// what is the last.
    pub fn new(framing: Framing, ended: bool, held: bool) -> Answer {
        let rest = match framing {
            _ if ended => Rest::Done,
            Framing::None | Framing::Length(0) => Rest::Done,
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => {
                Rest::Chunked(Box::new(ChunkDecoder::new(ChunkMode::Decode, TRAILER_BYTES_MAX)))
            }
            Framing::Close => Rest::Open,
        };
        Answer {
            rest,
            pending: Vec::new(),
            pending_sent: 0,
            trailers: None,
            ended,
            held,
            read_size: READ_SIZE_MIN,
        }
    }

    /// Whether content waits for the client.
    pub fn holds_back(&self) -> bool {
        self.pending_sent < self.pending.len()
    }

    /// Whether there is nothing to do for it now.
    pub fn is_sent(&self) -> bool {
        !self.holds_back() && (self.ended || self.held || !matches!(self.rest, Rest::Done))
    }

    /// Bytes that are worth reading for it at once.
    pub fn read_size(&self) -> usize {
        self.read_size
    }

    /// Takes bytes of text, all of them; returns how much content was sent at once. Only once nothing is
    /// [held back](Self::holds_back).
    pub fn push(
        &mut self,
        session: &Session,
        cell: &Rc<StreamCell>,
        first: &[u8],
        second: &[u8],
    ) -> io::Result<usize> {
        let total = first.len() + second.len();
        if total == 0 {
            return Ok(0);
        }
        match &mut self.rest {
            Rest::Open => {}
            Rest::Length(left) => {
                *left = left.checked_sub(total as u64).ok_or(io::ErrorKind::InvalidData)?;
                if *left == 0 {
                    self.rest = Rest::Done;
                }
            }
            Rest::Chunked(decoder) => {
                // Allocation: one for up to a buffer's worth of content, whose framing is taken out.
                let mut text = [first, second].concat();
                let fed = decoder.feed(&mut text).map_err(io::Error::other)?;
                text.truncate(fed.kept);
                if fed.done {
                    let lines = decoder.trailers();
                    if !lines.is_empty() {
                        self.trailers = Some(wire::h2::trailers(&lines.into()).map_err(io::Error::other)?);
                    }
                    self.rest = Rest::Done;
                }
                return Ok(self.send(session, cell, &text, &[]));
            }
            Rest::Done => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(self.send(session, cell, first, second))
    }

    /// Sends what there is room for, and keeps the rest.
    fn send(&mut self, session: &Session, cell: &Rc<StreamCell>, first: &[u8], second: &[u8]) -> usize {
        let total = first.len() + second.len();
        if total == 0 {
            return 0;
        }
        let last = self.is_last();
        let sent = session.state().send_data(cell, first, second, last);
        if sent == total {
            self.ended |= last;
            self.read_size = (self.read_size * 2).min(BUFFER_BYTES);
            return sent;
        }
        self.read_size = READ_SIZE_MIN;
        // Allocation: one for content that outlives the buffer that it came in.
        self.pending = Vec::with_capacity(total - sent);
        self.pending_sent = 0;
        self.pending.extend_from_slice(first.get(sent..).unwrap_or_default());
        self.pending.extend_from_slice(&second[sent.saturating_sub(first.len())..]);
        sent
    }

    /// Ready when everything that was pushed is sent; and how much was.
    pub fn poll_hand_over(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        cell: &Rc<StreamCell>,
    ) -> (usize, Poll<()>) {
        let mut sent = 0;
        if self.holds_back() {
            let last = self.is_last();
            let mut state = session.state();
            sent = state.send_data(cell, &self.pending[self.pending_sent..], &[], last);
            self.pending_sent += sent;
            if self.holds_back() {
                state.await_room(cx, cell);
                return (sent, Poll::Pending);
            }
            self.pending = Vec::new();
            self.pending_sent = 0;
            self.ended |= last;
        }
        if !self.ended && !self.held && matches!(self.rest, Rest::Done) {
            self.ended = true;
            let mut state = session.state();
            match self.trailers.take() {
                Some(trailers) => state.send_trailers(cell, &trailers),
                None => {
                    state.send_data(cell, &[], &[], true);
                }
            }
        }
        (sent, Poll::Ready(()))
    }

    /// The text is all of it, but for these trailers.
    pub fn finish(&mut self, trailers: Option<HeaderMap>) {
        self.held = false;
        if trailers.is_some() {
            self.trailers = trailers;
        }
    }

    /// Ends a tunnel once what was pushed is sent.
    pub fn close(&mut self) {
        self.rest = Rest::Done;
    }

    fn is_last(&self) -> bool {
        matches!(self.rest, Rest::Done) && !self.held && self.trailers.is_none()
    }
}
