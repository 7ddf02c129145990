//! A client's request on a stream of its own.

use super::answer::Answer;
use super::session::{Session, StreamCell};
use super::source::Shape;
use super::{LIMITS, Translated, accept_key};
use http::HeaderMap;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use wire::h1::{Framing, Method, ResponseHead};

/// The first parts of answers that a connection's requests may hold together, before it shows whether the client takes
/// them. Within bounds: a small answer is to be read at once.
const UNTAKEN: usize = 128 * 1024;
/// What all of them may have given to the connection before it finds that the socket takes no more.
const UNWRITTEN: usize = 128 * 1024;
const READ_MIN: usize = 1024;
const FIRST_READ_MIN: usize = 1024;
const FIRST_READ_MAX: usize = 16 * 1024;

/// Room that is left around the data of a chunk: its header and the line end behind it.
const CHUNK_ROOM: usize = 20;

/// One request of an HTTP/2 client: its body is read, its answer written.
pub struct ClientStream {
    session: Session,
    cell: Rc<StreamCell>,
    body: Body,
    /// `None` until the final head was written.
    answer: Option<Answer>,
    /// Whether the request was a HEAD.
    method: Method,
    /// Whether the stream is, or may become, a tunnel; and how a server has to agree.
    tunnel: Option<String>,
    /// The answer's end is where [`Translated::finish`] says.
    held: bool,
    trailers: Option<HeaderMap>,
    moved: bool,
}

/// The body of a request as text.
struct Body {
    shape: Shape,
    /// Text between pieces of content, from `text_read` on.
    text: Vec<u8>,
    text_read: usize,
    ended: bool,
    /// What text has no place for.
    trailers: Option<HeaderMap>,
}

thread_local! {
    /// Where heads are read; of no use between two of them.
    static HEAD: RefCell<ResponseHead> = RefCell::new(ResponseHead::new());
}

impl ClientStream {
    /// Of a request whose head was read. `tunnel_key` for an extended CONNECT: the key of the handshake that it became.
    pub fn new(
        session: Session,
        cell: Rc<StreamCell>,
        shape: Shape,
        method: Method,
        tunnel_key: Option<&[u8]>,
    ) -> ClientStream {
        let ended = shape == Shape::Plain && cell.is_remote_ended();
        ClientStream {
            session,
            cell,
            body: Body { shape, text: Vec::new(), text_read: 0, ended, trailers: None },
            answer: None,
            method,
            tunnel: tunnel_key.map(accept_key),
            held: false,
            trailers: None,
            moved: false,
        }
    }

    /// What it shares with its connection.
    pub fn cell(&self) -> &Rc<StreamCell> {
        &self.cell
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
        let framing = if head.status == 101 { Framing::Close } else { head.framing };
        self.send_head(head, text, &[], framing);
        Ok(head.length as usize)
    }

    /// Sends a head that was read already; `framing` is that of what follows.
    fn send_head(&mut self, head: &ResponseHead, text: &[u8], lines: &[u8], framing: Framing) {
        if matches!(head.status, 100 | 102..=199) {
            self.session.state().send_head(&self.cell, head, text, lines, false);
            return;
        }
        let trailers = self.trailers.take();
        let ends = matches!(framing, Framing::None | Framing::Length(0)) && !self.held && trailers.is_none();
        self.session.state().send_head(&self.cell, head, text, lines, ends);
        let mut answer = Answer::new(framing, ends, self.held);
        if trailers.is_some() {
            answer.finish(trailers);
        }
        self.answer = Some(answer);
    }

    /// Ready with an error when the client has given the request up.
    fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self.cut() {
            Err(error) => Poll::Ready(Err(error)),
            Ok(()) => {
                self.cell.register(cx);
                Poll::Pending
            }
        }
    }

    fn cut(&self) -> io::Result<()> {
        match self.cell.cut_code() {
            Some(_) => Err(io::ErrorKind::ConnectionReset.into()),
            None => Ok(()),
        }
    }

    /// Ready when there is something to read (`true`), or never will be (`false`).
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.body.has_text() || self.cell.has_body() {
            return Poll::Ready(Ok(true));
        }
        if self.body.ended {
            return Poll::Ready(Ok(false));
        }
        self.cut()?;
        if !self.cell.is_remote_ended() {
            self.cell.register(cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(self.body.end(self.cell.take_trailers())))
    }

    /// Moves what is there to `buffer`, and opens the client's window by as much.
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = self.body.read_text(buffer);
        if filled == buffer.len() || !self.cell.has_body() {
            return filled;
        }
        if self.body.shape == Shape::Plain {
            return filled + self.take(&mut buffer[filled..]);
        }
        let space = (buffer.len() - filled).saturating_sub(CHUNK_ROOM);
        let count = space.min(self.cell.body_bytes());
        if count == 0 {
            return filled;
        }
        self.body.text.clear();
        self.body.text_read = 0;
        wire::h1::write_chunk_header(&mut self.body.text, count);
        filled += self.body.read_text(&mut buffer[filled..]);
        filled += self.take(&mut buffer[filled..filled + count]);
        buffer[filled..filled + 2].copy_from_slice(b"\r\n");
        filled + 2
    }

    fn take(&mut self, place: &mut [u8]) -> usize {
        let count = self.cell.take(place);
        self.session.state().release(&self.cell, count);
        count
    }
}

impl Body {
    fn has_text(&self) -> bool {
        self.text_read < self.text.len()
    }

    /// Nothing but trailers follows; whether they are text that is still to be read.
    fn end(&mut self, trailers: Option<HeaderMap>) -> bool {
        self.ended = true;
        if self.shape == Shape::Plain {
            self.trailers = trailers.and_then(wire::h2::trailers_passed);
            return false;
        }
        self.text.clear();
        self.text_read = 0;
        wire::h2::trailers_text(trailers.as_ref(), &mut self.text);
        true
    }

    fn read_text(&mut self, buffer: &mut [u8]) -> usize {
        let rest = &self.text[self.text_read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.text_read += count;
        count
    }
}

impl Translated for ClientStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_fill(cx) {
            Poll::Ready(Ok(false)) if self.tunnel.is_none() => self.poll_given_up(cx).map(|_| ()),
            ready => ready.map(|_| ()),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if ready!(self.poll_fill(cx))? {
            return Poll::Ready(Ok(self.read(buffer)));
        }
        // The end of a request says nothing of the stream; the end of a tunnel's one half does.
        if self.tunnel.is_some() { Poll::Ready(Ok(0)) } else { self.poll_given_up(cx) }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        self.cut()?;
        let heads = self.write_heads(first)?;
        if let Some(answer) = &mut self.answer {
            let sent = answer.push(&self.session, &self.cell, &first[heads..], second)?;
            self.moved |= sent > 0;
            if let Poll::Ready(result) = self.poll_flush(cx) {
                result?;
            }
        }
        Poll::Ready(Ok(first.len() + second.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(answer) = &mut self.answer else { return Poll::Ready(Ok(())) };
        if answer.is_sent() {
            return Poll::Ready(Ok(()));
        }
        if self.cell.cut_code().is_some() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let (sent, handed_over) = answer.poll_hand_over(cx, &self.session, &self.cell);
        self.moved |= sent > 0;
        handed_over.map(Ok)
    }

    fn give_head(&mut self, head: &ResponseHead, text: &[u8], lines: &[u8], framing: Framing) -> bool {
        // Of one that was cut the write that follows finds it; a tunnel has more to say than its head.
        if self.answer.is_some() || self.cut().is_err() || head.status == 101 {
            return false;
        }
        self.send_head(head, text, lines, framing);
        true
    }

    fn holds_back(&self) -> bool {
        self.answer.as_ref().is_some_and(Answer::holds_back)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        if let (Some(_), Some(answer)) = (&self.tunnel, &mut self.answer) {
            answer.close();
        }
        self.poll_flush(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.session.state().poll_room(cx, self.cell.id));
        // An error is for the next write to find.
        self.poll_flush(cx).map(|_| ())
    }

    fn read_size(&self) -> usize {
        let streams = self.session.open_streams().max(1);
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
        match ready!(self.poll_fill(cx)) {
            // They stay, for the request may be sent again.
            Ok(false) => Poll::Ready(Ok(self.body.trailers.clone())),
            // More than the head has announced.
            Ok(true) => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn gather(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // What comes is put together where it is kept. Behind the end of the body nothing else would tell.
        self.cell.register(cx);
        self.cut()
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
        self.session.state().drop_stream(&self.cell);
    }
}
