//! A client's request on a stream of its own.

use super::io::Wire;
use super::sink::Sink;
use super::source::{Shape, Source};
use super::{LIMITS, Translated, accept_key, into_io};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};
use wire::h1::{Framing, Method, ResponseHead};

/// The first parts of answers that a connection's requests may hold together, before it shows whether the client takes
/// them. Within bounds: a small answer is to be read at once.
const UNTAKEN: usize = 128 * 1024;
/// What all of them may have given to the codec before it finds that the socket takes no more.
const UNWRITTEN: usize = 128 * 1024;
const READ_MIN: usize = 1024;
const FIRST_READ_MIN: usize = 1024;
const FIRST_READ_MAX: usize = 16 * 1024;

/// One request of an HTTP/2 client: its body is read, its answer written.
pub struct ClientStream {
    wire: Wire,
    respond: SendResponse<Bytes>,
    body: Source,
    /// `None` until the final head was written.
    answer: Option<Sink>,
    /// Whether the request was a HEAD.
    method: Method,
    /// Whether the stream is, or may become, a tunnel; and how a server has to agree.
    tunnel: Option<String>,
    /// The answer's end is where [`Translated::finish`] says.
    held: bool,
    trailers: Option<HeaderMap>,
    moved: bool,
}

thread_local! {
    /// Where heads are read; of no use between two of them.
    static HEAD: RefCell<ResponseHead> = RefCell::new(ResponseHead::new());
}

impl ClientStream {
    /// Of a request whose head was read. `tunnel_key` for an extended CONNECT: the key of the handshake that it became.
    pub fn new(
        wire: Wire,
        respond: SendResponse<Bytes>,
        body: RecvStream,
        shape: Shape,
        method: Method,
        tunnel_key: Option<&[u8]>,
    ) -> ClientStream {
        let body = Source::new(body, shape);
        ClientStream {
            wire,
            respond,
            body,
            answer: None,
            method,
            tunnel: tunnel_key.map(accept_key),
            held: false,
            trailers: None,
            moved: false,
        }
    }

    /// Takes the heads at the start of `text`; returns how many bytes they have.
    fn write_heads(&mut self, text: &[u8]) -> io::Result<usize> {
        HEAD.with_borrow_mut(|head| {
            let mut taken = 0;
            while self.answer.is_none() && taken < text.len() {
                taken += self.write_head(&text[taken..], head)?;
            }
            Ok(taken)
        })
    }

    fn write_head(&mut self, text: &[u8], head: &mut ResponseHead) -> io::Result<usize> {
        head.reset();
        if !head.parse(text, LIMITS, self.method).map_err(io::Error::other)? {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let length = head.length as usize;
        // Allocation: one for the head, whose fields share it.
        let response = wire::h2::response(head, &Bytes::copy_from_slice(&text[..length]));
        let response = response.map_err(io::Error::other)?;
        if response.status().is_informational() {
            self.respond.send_informational(response).map_err(into_io)?;
            return Ok(length);
        }
        let framing = if head.status == 101 { Framing::Close } else { head.framing };
        let trailers = self.trailers.take();
        let ends = matches!(framing, Framing::None | Framing::Length(0)) && !self.held && trailers.is_none();
        let stream = self.respond.send_response(response, ends).map_err(into_io)?;
        let mut answer = Sink::new(stream, framing, ends, self.held);
        if trailers.is_some() {
            answer.finish(trailers);
        }
        self.answer = Some(answer);
        Ok(length)
    }

    /// Ready with an error when the client has given the request up.
    fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let reset = match &mut self.answer {
            Some(answer) => answer.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        };
        reset.map(|_| Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl Translated for ClientStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.body.poll_fill(cx) {
            Poll::Ready(Ok(false)) if self.tunnel.is_none() => self.poll_given_up(cx).map(|_| ()),
            ready => ready.map(|_| ()),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if ready!(self.body.poll_fill(cx)).map_err(into_io)? {
            return Poll::Ready(self.body.read(buffer));
        }
        // The end of a request says nothing of the stream; the end of a tunnel's one half does.
        if self.tunnel.is_some() { Poll::Ready(Ok(0)) } else { self.poll_given_up(cx) }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let heads = self.write_heads(first)?;
        if let Some(answer) = &mut self.answer {
            answer.push(&first[heads..], second)?;
            if let Poll::Ready(result) = self.poll_flush(cx) {
                result?;
            }
        }
        Poll::Ready(Ok(first.len() + second.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(answer) = &mut self.answer else { return Poll::Ready(Ok(())) };
        let handed_over = answer.poll_hand_over(cx).map_err(into_io);
        match answer.take_sent() {
            0 => {}
            sent => {
                self.moved = true;
                self.wire.sent(self.respond.stream_id().as_u32(), sent);
            }
        }
        handed_over
    }

    fn holds_back(&self) -> bool {
        self.answer.as_ref().is_some_and(Sink::holds_back)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        if let (Some(_), Some(answer)) = (&self.tunnel, &mut self.answer) {
            answer.close();
        }
        self.poll_flush(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.wire.poll_writable(cx, self.respond.stream_id().as_u32()));
        self.answer.as_mut().map_or(Poll::Ready(()), |answer| answer.poll_writable(cx))
    }

    fn read_size(&self) -> usize {
        let streams = self.wire.open_streams().max(1);
        match &self.answer {
            // Nobody knows yet how much the client takes.
            None => (UNTAKEN / streams).clamp(FIRST_READ_MIN, FIRST_READ_MAX),
            Some(answer) => answer.read_size().min((UNWRITTEN / streams).max(READ_MIN)),
        }
    }

    fn hold_end(&mut self) {
        self.held = true;
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) {
        self.held = false;
        match &mut self.answer {
            Some(answer) => answer.finish(trailers),
            None => self.trailers = trailers,
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<HeaderMap>>> {
        self.body.poll_end(cx)
    }

    fn gather(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.body.gather(cx).map_err(into_io)?;
        // Behind the end of the body nothing else would tell.
        match self.poll_given_up(cx) {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    fn wants_tunnel(&self) -> Option<&str> {
        self.tunnel.as_deref()
    }

    fn is_unprocessed(&self) -> bool {
        false
    }
}

/// Whatever ends before its answer has is cut, and shows it.
impl Drop for ClientStream {
    fn drop(&mut self) {
        match &mut self.answer {
            Some(answer) if answer.has_ended() => {}
            Some(answer) => answer.reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }
}
