//! The answer: the head in gRPC-Web's terms, messages in the form that was asked for, trailers as a frame behind them.

use super::request::Wanted;
use super::{put_chunk, unframe};
use crate::error::ProxyError;
use crate::http::h1::body::BodyReader;
use crate::http::stream::Stream;
use crate::worker::Buffer;
use http::HeaderMap;
use policy::model::Bounds;
use std::io;
use std::ops::Range;
use std::task::{Context, Poll, ready};
use wire::grpc_web::{
    ContentType, Form, bytes_that_fit, grpc_format, text_length, write_text, write_trailers,
};
use wire::h1::{ChunkMode, FIELDS_MAX, Field, Framing, HeadLimits, Known, LAST_CHUNK, Method, ResponseHead};

/// What a server says may be as long as the relay allows.
const LIMITS: HeadLimits = HeadLimits { bytes: Bounds::HEAD_BYTES_MAX, fields: FIELDS_MAX as u16 };

/// Room that is left around the data of a chunk: its header and the line end behind it.
const CHUNK_ROOM: usize = 20;

/// With less room than that for a chunk, a small one is made elsewhere.
const ROOM_MIN: usize = CHUNK_ROOM + 4;

/// What is read at once at least, however little room there is for it.
const READ_MIN: usize = 1024;

/// One answer on its way to the client.
pub struct Answer {
    state: State,
    head: ResponseHead,
    /// What was read from the server and not given on, where `unread` says. Held only while there is something.
    input: Option<Buffer>,
    unread: Range<usize>,
    /// Text that is ready, from `text_read` on.
    text: Vec<u8>,
    text_read: usize,
}

enum State {
    /// The final head has not come.
    Head,
    /// What follows needs no change.
    AsItIs,
    /// Messages in that form, then trailers. What is unread is content.
    Messages(Form, BodyReader),
    /// The same, but for trailers that come apart from the text.
    Closing(Form),
    /// The same, of which all has come; these are the trailers.
    Ending(Form, Vec<u8>),
    /// All is text.
    Ended,
}

impl Answer {
    /// One that is yet to come.
    pub fn new() -> Answer {
        Answer {
            state: State::Head,
            head: ResponseHead::new(),
            input: None,
            unread: 0..0,
            text: Vec::new(),
            text_read: 0,
        }
    }

    /// Ready when a read may give something. Nothing is understood before it is read: what is found wrong is told once.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>, server: &mut Stream) -> Poll<()> {
        match self.state {
            State::Closing(_) | State::Ending(..) | State::Ended => Poll::Ready(()),
            _ if self.has_more() => Poll::Ready(()),
            _ => server.poll_readable(cx),
        }
    }

    /// Reads what is there, up to what `buffer` takes. `Ok(0)` is the end.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        server: &mut Stream,
        wanted: &Wanted,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if matches!(self.state, State::AsItIs) && !self.has_more() {
            return server.poll_read(cx, buffer);
        }
        // What is read fits into what it is read for, in either form, so that nothing is left here.
        let limit = (buffer.len().saturating_sub(2 * CHUNK_ROOM) / 4 * 3).max(READ_MIN);
        if !ready!(self.poll_fill(cx, server, wanted, limit))? {
            return Poll::Ready(Ok(0));
        }
        let mut filled = 0;
        while filled == 0 || buffer.len() - filled >= ROOM_MIN {
            match self.give(&mut buffer[filled..]) {
                0 => break,
                given => filled += given,
            }
        }
        Poll::Ready(Ok(filled))
    }

    /// Ready when there is something to read (`true`), or never will be (`false`).
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        server: &mut Stream,
        wanted: &Wanted,
        limit: usize,
    ) -> Poll<io::Result<bool>> {
        loop {
            match &self.state {
                _ if self.text_read < self.text.len() => return Poll::Ready(Ok(true)),
                State::Head => {
                    if self.understand_head(wanted).map_err(io::Error::other)? {
                        continue;
                    }
                    // More of it is needed.
                }
                _ if !self.unread.is_empty() => return Poll::Ready(Ok(true)),
                State::Closing(form) => {
                    let form = *form;
                    let trailers = ready!(server.poll_end(cx))?;
                    self.state = State::Ending(form, trailers.map_or_else(Vec::new, |map| lines(&map)));
                    continue;
                }
                State::Ending(..) => return Poll::Ready(Ok(true)),
                State::AsItIs | State::Messages(..) => {}
                State::Ended => return Poll::Ready(Ok(false)),
            }
            if !ready!(self.poll_receive(cx, server, limit))? {
                return Poll::Ready(Ok(false));
            }
        }
    }

    /// Ready when the server has ended its message, with the trailers that are not in the text.
    pub fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        server: &mut Stream,
    ) -> Poll<io::Result<Option<HeaderMap>>> {
        match self.state {
            // Those are in the body.
            State::Ended => server.poll_end(cx).map_ok(|_| None),
            _ => server.poll_end(cx),
        }
    }

    fn has_more(&self) -> bool {
        self.text_read < self.text.len() || !self.unread.is_empty()
    }

    /// Reads from the server behind what is unread, `limit` bytes at most; `false` at its end, where more was due.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        server: &mut Stream,
        limit: usize,
    ) -> Poll<io::Result<bool>> {
        let buffer = match &mut self.input {
            Some(buffer) => buffer,
            None => {
                ready!(server.poll_readable(cx));
                self.input.insert(Buffer::take())
            }
        };
        if self.unread.start > 0 {
            // Behind an interim answer; rare enough to move.
            let length = self.unread.len();
            buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..length;
        }
        let start = self.unread.end;
        let end = buffer.len().min(start + limit);
        let read = match server.poll_read(cx, &mut buffer[start..end]) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                self.release();
                return Poll::Pending;
            }
        };
        self.unread.end += read;
        self.take_content(start).map_err(|error| io::Error::other(ProxyError::ResponseBody(error)))?;
        Poll::Ready(Ok(read > 0))
    }

    /// Takes the framing out of what was read from `start` on, if it is a body.
    fn take_content(&mut self, start: usize) -> Result<(), wire::h1::ChunkError> {
        let (State::Messages(form, body), Some(buffer)) = (&mut self.state, &mut self.input) else {
            return Ok(());
        };
        let (length, trailers) = unframe(body, &mut buffer[start..self.unread.end])?;
        self.unread.end = start + length;
        if body.is_done() {
            let form = *form;
            self.state =
                if trailers.is_empty() { State::Closing(form) } else { State::Ending(form, trailers) };
        }
        Ok(())
    }

    /// Takes a head, if it is there as a whole.
    fn understand_head(&mut self, wanted: &Wanted) -> Result<bool, ProxyError> {
        let Some(buffer) = &self.input else { return Ok(false) };
        let bytes = &buffer[self.unread.clone()];
        if bytes.is_empty()
            || !self.head.parse(bytes, LIMITS, Method::Post).map_err(ProxyError::ResponseHead)?
        {
            return Ok(false);
        }
        let length = self.head.length as usize;
        self.text.clear();
        self.text_read = 0;
        let content_type = self.head.known(Known::ContentType).map(|field| field.value.of(bytes));
        match content_type.and_then(grpc_format) {
            _ if self.head.status < 200 => {
                self.text.extend_from_slice(&bytes[..length]);
                self.head.reset();
            }
            None => {
                self.text.extend_from_slice(&bytes[..length]);
                self.state = State::AsItIs;
            }
            Some(format) => {
                let format = if format.is_empty() { &wanted.format } else { format };
                let content_type = ContentType { form: wanted.form, format }.value();
                // A status in the head is all that there is of trailers.
                let is_only = || self.head.values(bytes, "grpc-status").next().is_some();
                let reframes = match self.head.framing {
                    Framing::None => false,
                    Framing::Length(0) => !is_only(),
                    Framing::Length(_) | Framing::Chunked | Framing::Close => true,
                };
                write_head(&mut self.text, bytes, &self.head, &content_type, reframes);
                let body = || BodyReader::new(self.head.framing, ChunkMode::Decode, LIMITS.bytes);
                self.state = if reframes { State::Messages(wanted.form, body()) } else { State::AsItIs };
            }
        }
        self.unread.start += length;
        self.take_content(self.unread.start).map_err(ProxyError::ResponseBody)?;
        if self.unread.is_empty() {
            self.release();
        }
        Ok(true)
    }

    /// Gives the buffer back, if there is nothing in it.
    fn release(&mut self) {
        if self.unread.is_empty() {
            self.input = None;
            self.unread = 0..0;
        }
    }

    /// Moves some of what is there to `place`; 0 where there is nothing, or no room.
    fn give(&mut self, place: &mut [u8]) -> usize {
        if self.text_read == self.text.len() {
            let given = self.give_content(place);
            if given > 0 {
                return given;
            }
        }
        let text = &self.text[self.text_read..];
        let count = text.len().min(place.len());
        place[..count].copy_from_slice(&text[..count]);
        self.text_read += count;
        count
    }

    /// The same for content, which may become text instead.
    fn give_content(&mut self, place: &mut [u8]) -> usize {
        self.text.clear();
        self.text_read = 0;
        let (form, is_framed) = match &self.state {
            State::Messages(form, _) | State::Closing(form) | State::Ending(form, _) => (*form, true),
            State::AsItIs => (Form::Binary, false),
            State::Head | State::Ended => return 0,
        };
        let Some(buffer) = self.input.as_deref().filter(|_| !self.unread.is_empty()) else {
            self.end();
            return 0;
        };
        let content = &buffer[self.unread.clone()];
        let (taken, given) = if !is_framed {
            let count = content.len().min(place.len());
            place[..count].copy_from_slice(&content[..count]);
            (count, count)
        } else if place.len() < ROOM_MIN {
            // As much as fits anywhere.
            let count = content.len().min(3);
            put_chunk(&mut self.text, &encoded(form, &content[..count]));
            (count, 0)
        } else {
            write_chunk(form, content, place)
        };
        self.unread.start += taken;
        self.release();
        given
    }

    /// Writes what ends the body, once all of it was given.
    fn end(&mut self) {
        if let State::Ending(form, trailers) = &self.state {
            let mut frame = Vec::new();
            if !trailers.is_empty() {
                write_trailers(&mut frame, trailers);
            }
            put_chunk(&mut self.text, &encoded(*form, &frame));
            self.text.extend_from_slice(LAST_CHUNK);
            self.state = State::Ended;
        }
    }
}

/// Trailers as lines.
fn lines(trailers: &HeaderMap) -> Vec<u8> {
    let fields = trailers
        .iter()
        .flat_map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    fields.flatten().copied().collect()
}

/// Content in its form.
fn encoded(form: Form, content: &[u8]) -> Vec<u8> {
    match form {
        Form::Binary => content.to_vec(),
        Form::Text => {
            let mut text = vec![0; text_length(content.len())];
            write_text(content, &mut text);
            text
        }
    }
}

/// Writes as much of `content` as a chunk that fits into `place`, which has some room; returns how much of it that is,
/// and the bytes of the chunk.
fn write_chunk(form: Form, content: &[u8], place: &mut [u8]) -> (usize, usize) {
    let room = place.len() - CHUNK_ROOM;
    let (taken, length) = match form {
        Form::Binary => {
            let taken = content.len().min(room);
            (taken, taken)
        }
        Form::Text => {
            let taken = content.len().min(bytes_that_fit(room));
            (taken, text_length(taken))
        }
    };
    // Allocation: a few bytes.
    let mut header = Vec::with_capacity(CHUNK_ROOM);
    wire::h1::write_chunk_header(&mut header, length);
    let start = header.len();
    place[..start].copy_from_slice(&header);
    match form {
        Form::Binary => place[start..start + length].copy_from_slice(&content[..taken]),
        Form::Text => write_text(&content[..taken], &mut place[start..start + length]),
    }
    place[start + length..start + length + 2].copy_from_slice(b"\r\n");
    (taken, start + length + 2)
}

/// With `reframes` the length of the body is not known any more, and there are no trailers behind it.
fn write_head(out: &mut Vec<u8>, bytes: &[u8], head: &ResponseHead, content_type: &[u8], reframes: bool) {
    let fields_start =
        head.fields.first().map_or(head.length as usize - 2, |field| field.line.start as usize);
    out.extend_from_slice(&bytes[..fields_start]);
    let is_replaced = |field: &Field| match field.known {
        Known::ContentType => true,
        Known::ContentLength | Known::TransferEncoding | Known::Trailer => reframes,
        _ => false,
    };
    for field in head.fields.iter().filter(|field| !is_replaced(field)) {
        out.extend_from_slice(field.line.of(bytes));
    }
    out.extend_from_slice(b"content-type: ");
    out.extend_from_slice(content_type);
    out.extend_from_slice(if reframes { b"\r\ntransfer-encoding: chunked\r\n\r\n" } else { b"\r\n\r\n" });
}
