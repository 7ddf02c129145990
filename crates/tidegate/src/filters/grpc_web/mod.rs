//! gRPC-Web for servers that know gRPC only: the text form is decoded, trailers become the last frame of the body.
//!
//! It runs on routes with `use: [grpc_web]`, for requests whose content type is gRPC-Web's; for all others it costs one
//! branch. It stands around the server's stream. A binary request passes as it is but for its head; of what is decoded or
//! framed anew there is one buffer at most, held while there is something in it.
//!
//! What it leaves alone: answers that are not gRPC's, trailers that come in the answer's head ("no change to the gRPC
//! protocol", PROTOCOL-WEB.md), and what browsers ask for before they send (CORS).
//!
//! Invariants:
//! - An answer that is cut gets no frame of trailers, and no end.
//! - What is wrong with the client's text goes no further than to the server's stream, which is reset.

mod answer;
mod request;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use crate::error::ProxyError;
use crate::http::h1::Active;
use crate::http::h1::body::BodyReader;
use crate::http::h2::Translated;
use crate::http::stream::Stream;
use answer::Answer;
use http::HeaderMap;
use request::Request;
use std::io;
use std::task::{Context, Poll, ready};
use wire::grpc_web::ContentType;
use wire::h1::{ChunkError, Known, Method};

/// Whether the request in `active` is a call of gRPC-Web.
pub fn is_call(active: &Active) -> bool {
    let head = &active.head;
    head.method == Method::Post
        && !head.upgrade
        && head
            .known(Known::ContentType)
            .is_some_and(|field| ContentType::of(field.value.of(&active.input)).is_some())
}

/// A server's stream as a client of gRPC-Web wants it, for one request that [is a call](is_call).
pub fn translated(server: Stream) -> Stream {
    // Allocation: one a call.
    Stream::Translated(Box::new(GrpcWeb {
        server,
        request: Request::new(),
        out: Vec::new(),
        sent: 0,
        owed: 0,
        answer: Answer::new(),
    }))
}

/// One call and its answer.
struct GrpcWeb {
    server: Stream,
    request: Request,
    /// Text for the server, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// How many of the bytes that were given for writing became `out`. They count as written when that is gone, so that
    /// what the server's stream has not taken can still be sent to another server.
    owed: usize,
    answer: Answer,
}

impl GrpcWeb {
    /// Ready when the server's stream has taken all.
    fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match ready!(self.server.poll_write(cx, &self.out[self.sent..], &[]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        // A call may go on for long, and say nothing.
        self.out = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl Translated for GrpcWeb {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.answer.poll_readable(cx, &mut self.server)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.answer.poll_read(cx, &mut self.server, self.request.wanted(), buffer)
    }

    /// After `Pending` the same bytes are to be given again.
    fn poll_write(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        if self.owed == 0 {
            if self.request.passes_as_it_is() {
                return self.server.poll_write(cx, first, second);
            }
            self.request.translate(first, second, &mut self.out).map_err(io::Error::other)?;
            self.owed = first.len() + second.len();
        }
        ready!(self.poll_hand_over(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.owed)))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.server.poll_flush(cx)
    }

    fn holds_back(&self) -> bool {
        self.owed > 0 || self.server.holds_back()
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.server.poll_shutdown(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.server.poll_writable(cx)
    }

    fn read_size(&self) -> usize {
        self.server.read_size()
    }

    fn hold_end(&mut self) {
        self.server.hold_end();
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) {
        self.server.finish(trailers);
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<HeaderMap>>> {
        self.answer.poll_end(cx, &mut self.server)
    }

    fn gather(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.server.gather(cx)
    }

    fn has_moved(&mut self) -> bool {
        self.server.has_moved()
    }

    fn is_lost(&self) -> bool {
        self.server.is_lost()
    }

    fn is_unprocessed(&self) -> bool {
        self.server.is_unprocessed()
    }
}

/// Content without what frames it, at the front of `bytes`: how much there is, and the trailers once the body has ended.
fn unframe(body: &mut BodyReader, bytes: &mut [u8]) -> Result<(usize, Vec<u8>), ChunkError> {
    let BodyReader::Chunked(chunks) = body else {
        return body.feed(bytes).map(|piece| (piece.kept, Vec::new()));
    };
    let fed = chunks.feed(bytes)?;
    let trailers = if fed.done { chunks.trailers() } else { Vec::new() };
    if fed.done {
        *body = BodyReader::Done;
    }
    Ok((fed.kept, trailers))
}

/// Appends one chunk, if there is anything for it.
fn put_chunk(out: &mut Vec<u8>, content: &[u8]) {
    if !content.is_empty() {
        wire::h1::write_chunk_header(out, content.len());
        out.extend_from_slice(content);
        out.extend_from_slice(b"\r\n");
    }
}

/// What has not been read well by the gate that it has passed already.
fn unreadable() -> ProxyError {
    ProxyError::RequestHead(wire::h1::HeadError::Malformed)
}
