//! What a stream carries away from us, given as the bytes that HTTP/1.1 would have.

use crate::worker::BUFFER_BYTES;
use bytes::{Bytes, BytesMut};
use h2::{Reason, SendStream};
use http::HeaderMap;
use std::io;
use std::task::{Context, Poll, ready};
use wire::h1::{ChunkDecoder, ChunkMode, Framing};

/// Trailers of ours have passed a gate with a closer bound than this.
const TRAILER_BYTES_MAX: u32 = 64 << 10;

/// How much of the body's text is still to come.
enum Rest {
    Length(u64),
    Chunked(Box<ChunkDecoder>),
    /// A tunnel: until it is closed.
    Open,
    Done,
}

/// One stream's body on its way out.
pub struct Sink {
    stream: SendStream<Bytes>,
    rest: Rest,
    /// Content that has no room in the receiver's window yet.
    pending: Bytes,
    trailers: Option<HeaderMap>,
    /// The last of it was handed over.
    ended: bool,
    /// That the text has ended does not end it.
    held: bool,
    /// Bytes of content that were handed over.
    sent: usize,
    /// Bytes to read for it at once: more while the receiver takes all at once, little when it does not.
    read_size: usize,
    /// Nothing has shown yet whether what was pushed last is taken at once.
    fresh: bool,
}

/// Where [`Sink::read_size`] begins, and where it falls back to.
const READ_SIZE_MIN: usize = 4 * 1024;

impl Sink {
    /// For a body that begins now; `ended` where the head was the last of it, `held` where [`finish`](Self::finish) will say
    /// what is the last.
    pub fn new(stream: SendStream<Bytes>, framing: Framing, ended: bool, held: bool) -> Sink {
        let rest = match framing {
            _ if ended => Rest::Done,
            Framing::None | Framing::Length(0) => Rest::Done,
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => {
                Rest::Chunked(Box::new(ChunkDecoder::new(ChunkMode::Decode, TRAILER_BYTES_MAX)))
            }
            Framing::Close => Rest::Open,
        };
        Sink {
            stream,
            rest,
            pending: Bytes::new(),
            trailers: None,
            ended,
            held,
            sent: 0,
            read_size: READ_SIZE_MIN,
            fresh: false,
        }
    }

    /// Whether content waits for the receiver.
    pub fn holds_back(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Bytes that are worth reading for it at once.
    pub fn read_size(&self) -> usize {
        self.read_size
    }

    /// Bytes of content that were handed over since this was asked last.
    pub fn take_sent(&mut self) -> usize {
        std::mem::take(&mut self.sent)
    }

    /// Takes bytes of text, all of them. Only once nothing is [held back](Self::holds_back).
    pub fn push(&mut self, first: &[u8], second: &[u8]) -> io::Result<()> {
        // Allocation: one for up to a buffer's worth of content, which outlives that buffer.
        let mut text = BytesMut::with_capacity(first.len() + second.len());
        text.extend_from_slice(first);
        text.extend_from_slice(second);
        let mut done = false;
        let kept = match &mut self.rest {
            Rest::Open => text.len(),
            Rest::Length(left) => {
                *left = left.checked_sub(text.len() as u64).ok_or(io::ErrorKind::InvalidData)?;
                done = *left == 0;
                text.len()
            }
            Rest::Chunked(decoder) => {
                let fed = decoder.feed(&mut text).map_err(io::Error::other)?;
                done = fed.done;
                let lines = if done { decoder.trailers() } else { Vec::new() };
                if !lines.is_empty() {
                    let trailers = wire::h2::trailers(&lines.into()).map_err(io::Error::other)?;
                    self.trailers = Some(trailers);
                }
                fed.kept
            }
            Rest::Done if text.is_empty() => 0,
            Rest::Done => return Err(io::ErrorKind::InvalidData.into()),
        };
        text.truncate(kept);
        self.pending = text.freeze();
        self.fresh = true;
        if done {
            self.rest = Rest::Done;
        }
        Ok(())
    }

    /// Ready when everything that was pushed is handed over.
    pub fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while !self.pending.is_empty() {
            let room = self.poll_room(cx, self.pending.len());
            if room.is_pending() && std::mem::take(&mut self.fresh) {
                self.read_size = READ_SIZE_MIN;
            }
            let room = ready!(room)?;
            let piece = self.pending.split_to(room.min(self.pending.len()));
            let last = self.pending.is_empty() && self.is_last();
            self.ended |= last;
            self.sent += piece.len();
            self.stream.send_data(piece, last)?;
        }
        if std::mem::take(&mut self.fresh) {
            self.read_size = (self.read_size * 2).min(BUFFER_BYTES);
        }
        if !self.ended && !self.held && matches!(self.rest, Rest::Done) {
            self.ended = true;
            match self.trailers.take() {
                Some(trailers) => self.stream.send_trailers(trailers)?,
                None => self.stream.send_data(Bytes::new(), true)?,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when what was pushed is handed over. Room is never asked for ahead: it would be taken from the other streams of
    /// the connection while there is nothing to send.
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is for the next write to find.
        self.poll_hand_over(cx).map(|_| ())
    }

    /// The room that the receiver's windows have.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, h2::Error>> {
        self.stream.reserve_capacity(wanted);
        loop {
            // Asked first: `poll_capacity` speaks of what has come since.
            let room = self.stream.capacity();
            if room > 0 {
                return Poll::Ready(Ok(room));
            }
            match ready!(self.stream.poll_capacity(cx)) {
                Some(room) => room?,
                // The stream is not open any more.
                None => return Poll::Ready(Err(Reason::CANCEL.into())),
            };
        }
    }

    /// The text is all of it, but for these trailers.
    pub fn finish(&mut self, trailers: Option<HeaderMap>) {
        self.held = false;
        if trailers.is_some() {
            self.trailers = trailers;
        }
    }

    /// Ends a tunnel once what was pushed is handed over.
    pub fn close(&mut self) {
        self.rest = Rest::Done;
    }

    fn is_last(&self) -> bool {
        matches!(self.rest, Rest::Done) && !self.held && self.trailers.is_none()
    }
}
