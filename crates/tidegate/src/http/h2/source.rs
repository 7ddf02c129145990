//! What a stream carries towards us, read as the bytes that HTTP/1.1 would have.

use bytes::{Buf, Bytes, BytesMut};
use h2::RecvStream;
use http::HeaderMap;
use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};

/// Room that is left around the data of a chunk: its header and the line end behind it.
const CHUNK_ROOM: usize = 20;

/// A shorter piece is better copied than kept.
const SHORT_BYTES: usize = 256;

/// How the body is written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As it is: its length is known, or it is a tunnel.
    Plain,
    /// In chunks, with trailers behind them.
    Chunked,
}

/// One stream's body on its way in.
pub struct Source {
    stream: RecvStream,
    shape: Shape,
    /// Received, not yet read, and still counted against the sender's window.
    data: Bytes,
    /// What comes after it: long pieces as they came, short ones put together.
    queue: VecDeque<Bytes>,
    /// Behind those, short pieces that came last.
    gathered: BytesMut,
    /// Text between pieces of data, from `text_read` on.
    text: Vec<u8>,
    text_read: usize,
    ended: bool,
    /// What text has no place for.
    trailers: Option<HeaderMap>,
}

impl Source {
    /// Of a stream whose head was read.
    pub fn new(stream: RecvStream, shape: Shape) -> Source {
        let ended = shape == Shape::Plain && stream.is_end_stream();
        Source {
            stream,
            shape,
            data: Bytes::new(),
            queue: VecDeque::new(),
            gathered: BytesMut::new(),
            text: Vec::new(),
            text_read: 0,
            ended,
            trailers: None,
        }
    }

    /// Ready when there is something to read (`true`), or never will be (`false`).
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, h2::Error>> {
        while self.data.is_empty() && self.text_read == self.text.len() && !self.ended {
            if let Some(piece) = self.queue.pop_front() {
                self.data = piece;
                break;
            }
            if !self.gathered.is_empty() {
                self.data = self.gathered.split().freeze();
                break;
            }
            match ready!(self.stream.poll_data(cx)) {
                Some(data) => {
                    self.data = data?;
                    if self.data.len() < SHORT_BYTES {
                        self.gathered.extend_from_slice(&std::mem::take(&mut self.data));
                        // An error comes again, once what came before it was read.
                        let _ = self.gather(cx);
                    }
                }
                None => {
                    let trailers = ready!(self.stream.poll_trailers(cx))?;
                    self.ended = true;
                    match self.shape {
                        Shape::Chunked => {
                            self.text.clear();
                            self.text_read = 0;
                            wire::h2::trailers_text(trailers.as_ref(), &mut self.text);
                        }
                        Shape::Plain => self.trailers = trailers.and_then(wire::h2::trailers_passed),
                    }
                }
            }
        }
        Poll::Ready(Ok(!self.data.is_empty() || self.text_read < self.text.len()))
    }

    /// While nothing is read: puts short pieces that come into one, for each of them costs the library more than it has. How
    /// much that can be, the sender's window bounds.
    ///
    /// # Errors
    /// When the stream has failed.
    pub fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), h2::Error> {
        // The end is for whoever reads.
        while let Poll::Ready(Some(piece)) = self.stream.poll_data(cx) {
            let piece = piece?;
            if piece.len() < SHORT_BYTES {
                self.gathered.extend_from_slice(&piece);
                continue;
            }
            if !self.gathered.is_empty() {
                self.queue.push_back(self.gathered.split().freeze());
            }
            self.queue.push_back(piece);
        }
        Ok(())
    }

    /// Once the body was read: ready when the stream has ended, with the trailers that text had no place for. They stay, for
    /// the request may be sent again.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<HeaderMap>>> {
        match ready!(self.poll_fill(cx)) {
            Ok(false) => Poll::Ready(Ok(self.trailers.clone())),
            // More than the head has announced.
            Ok(true) => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            Err(error) => Poll::Ready(Err(super::into_io(error))),
        }
    }

    /// Moves what is there to `buffer`, and opens the sender's window by as much.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.read_text(buffer);
        if self.data.is_empty() || filled == buffer.len() {
            return Ok(filled);
        }
        let room = &mut buffer[filled..];
        if self.shape == Shape::Plain {
            let count = room.len().min(self.data.len());
            self.take(&mut room[..count])?;
            return Ok(filled + count);
        }
        let Some(space) = room.len().checked_sub(CHUNK_ROOM).filter(|space| *space > 0) else {
            return Ok(filled);
        };
        let count = space.min(self.data.len());
        self.text.clear();
        self.text_read = 0;
        wire::h1::write_chunk_header(&mut self.text, count);
        filled += self.read_text(&mut buffer[filled..]);
        self.take(&mut buffer[filled..filled + count])?;
        filled += count;
        buffer[filled..filled + 2].copy_from_slice(b"\r\n");
        Ok(filled + 2)
    }

    fn read_text(&mut self, buffer: &mut [u8]) -> usize {
        let rest = &self.text[self.text_read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.text_read += count;
        count
    }

    fn take(&mut self, place: &mut [u8]) -> io::Result<()> {
        self.data.copy_to_slice(place);
        self.stream.flow_control().release_capacity(place.len()).map_err(io::Error::other)
    }
}
