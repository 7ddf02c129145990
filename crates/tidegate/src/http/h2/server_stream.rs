//! A request to a server on a stream of its own.

use super::sink::Sink;
use super::source::{Shape, Source};
use super::{LIMITS, Translated, accept_key, into_io};
use crate::upstream::shared::Lease;
use bytes::Bytes;
use h2::Reason;
use h2::client::ResponseFuture;
use http::uri::Scheme;
use http::{HeaderMap, Response, StatusCode};
use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};
use wire::h1::{Framing, Method, RequestHead};

thread_local! {
    /// Where heads are read; of no use between two of them.
    static HEAD: RefCell<RequestHead> = RefCell::new(RequestHead::new());
}

/// One request to an HTTP/2 server: the request is written, its answer read.
pub struct ServerStream {
    lease: Lease,
    scheme: Scheme,
    /// `None` until the head was written.
    request: Option<Sink>,
    /// Until the final head has come.
    response: Option<ResponseFuture>,
    /// Heads of the answer, from `text_read` on.
    text: Vec<u8>,
    text_read: usize,
    /// After the final head.
    body: Option<Source>,
    /// Whether the request was a HEAD.
    head_only: bool,
    /// What a WebSocket handshake is accepted with, where one was asked for.
    accept: Option<String>,
    unprocessed: bool,
    /// The request could not be sent, so there will be no answer.
    unsent: bool,
    /// This request alone failed.
    reset: bool,
    /// The request's end is where [`Translated::finish`] says.
    held: bool,
    trailers: Option<HeaderMap>,
    moved: bool,
}

impl ServerStream {
    /// For a request that is yet to be written.
    pub fn new(lease: Lease, scheme: Scheme) -> ServerStream {
        ServerStream {
            lease,
            scheme,
            request: None,
            response: None,
            text: Vec::new(),
            text_read: 0,
            body: None,
            head_only: false,
            accept: None,
            unprocessed: false,
            unsent: false,
            reset: false,
            held: false,
            trailers: None,
            moved: false,
        }
    }

    /// Sends the head at the start of `text`; returns how many bytes it has.
    fn poll_send_head(&mut self, cx: &mut Context<'_>, text: &[u8]) -> Poll<io::Result<usize>> {
        HEAD.with_borrow_mut(|head| self.poll_send_read(cx, text, head))
    }

    fn poll_send_read(
        &mut self,
        cx: &mut Context<'_>,
        text: &[u8],
        head: &mut RequestHead,
    ) -> Poll<io::Result<usize>> {
        head.reset();
        if !head.parse(text, LIMITS).map_err(io::Error::other)? {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let wants_websocket = is_handshake(head, text);
        if wants_websocket {
            // What a server can do stands in its first frame.
            ready!(self.lease.poll_settings(cx));
        }
        if let Err(error) = ready!(self.lease.requests.poll_ready(cx)) {
            return Poll::Ready(Err(self.failed(error)));
        }
        // Where the server knows no tunnels it gets a plain GET, as from a proxy that does not upgrade.
        let extended = wants_websocket && self.lease.requests.is_extended_connect_protocol_enabled();
        let length = head.length as usize;
        let whole = Bytes::copy_from_slice(&text[..length]);
        let mut request =
            wire::h2::request(head, &whole, self.scheme.clone(), extended).map_err(io::Error::other)?;
        let mut framing = head.framing;
        if extended {
            request.extensions_mut().insert(h2::ext::Protocol::from_static(wire::h2::WEBSOCKET));
            framing = Framing::Close;
            self.accept = head.values(text, "sec-websocket-key").next().map(accept_key);
        }
        let trailers = self.trailers.take();
        let ends = matches!(framing, Framing::None | Framing::Length(0)) && !self.held && trailers.is_none();
        self.head_only = head.method == Method::Head;
        match self.lease.requests.send_request(request, ends) {
            Ok((response, stream)) => {
                self.response = Some(response);
                let mut request = Sink::new(stream, framing, ends, self.held);
                if trailers.is_some() {
                    request.finish(trailers);
                }
                self.request = Some(request);
                Poll::Ready(Ok(length))
            }
            Err(error) => Poll::Ready(Err(self.failed(error))),
        }
    }

    /// Ready when there is something to read (`true`), or never will be (`false`).
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, h2::Error>> {
        loop {
            if self.text_read < self.text.len() {
                return Poll::Ready(Ok(true));
            }
            if let Some(body) = &mut self.body {
                return body.poll_fill(cx);
            }
            let Some(response) = &mut self.response else {
                return if self.unsent { Poll::Ready(Ok(false)) } else { Poll::Pending };
            };
            self.text.clear();
            self.text_read = 0;
            if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
                let interim = interim?;
                wire::h2::response_text(interim.status(), interim.headers(), true, true, &mut self.text);
                continue;
            }
            let (parts, body) = ready!(std::pin::Pin::new(response).poll(cx))?.into_parts();
            self.response = None;
            let ends = body.is_end_stream();
            let shape = self.put_head(&Response::from_parts(parts, ()), ends);
            self.body = Some(Source::new(body, shape));
        }
    }

    fn put_head(&mut self, head: &Response<()>, ends: bool) -> Shape {
        let (status, fields): (StatusCode, &HeaderMap) = (head.status(), head.headers());
        if let Some(accept) = self.accept.take_if(|_| status.is_success()) {
            wire::h2::switching_text(fields, accept.as_bytes(), &mut self.text);
            return Shape::Plain;
        }
        let bare = self.head_only || matches!(status.as_u16(), 204 | 304);
        match wire::h2::response_text(status, fields, ends, bare, &mut self.text) {
            true => Shape::Chunked,
            false => Shape::Plain,
        }
    }

    /// Takes note of what kind of failure it was.
    fn failed(&mut self, error: h2::Error) -> io::Error {
        // RFC 9113 section 8.7: refused, or beyond the last stream that GOAWAY names.
        self.reset = error.is_reset();
        self.unprocessed |= (error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
            || (error.is_go_away() && error.is_remote());
        into_io(error)
    }
}

impl Translated for ServerStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is found again by the read that follows.
        self.poll_fill(cx).map(|_| ())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match ready!(self.poll_fill(cx)) {
            Ok(true) => {}
            Ok(false) => return Poll::Ready(Ok(0)),
            Err(error) => return Poll::Ready(Err(self.failed(error))),
        }
        let text = &self.text[self.text_read..];
        let count = text.len().min(buffer.len());
        buffer[..count].copy_from_slice(&text[..count]);
        self.text_read += count;
        // What follows a head goes with it where it is there already.
        if count < buffer.len()
            && let Some(body) = &mut self.body
            && let Poll::Ready(Ok(true)) = body.poll_fill(cx)
        {
            return Poll::Ready(body.read(&mut buffer[count..]).map(|more| count + more));
        }
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let head = match &self.request {
            Some(_) => 0,
            None => {
                let sent = ready!(self.poll_send_head(cx, first));
                self.unsent = sent.is_err();
                sent?
            }
        };
        if let Some(request) = &mut self.request {
            request.push(&first[head..], second)?;
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(first.len() + second.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(request) = &mut self.request else { return Poll::Ready(Ok(())) };
        let handed_over = request.poll_hand_over(cx);
        match request.take_sent() {
            0 => {}
            sent => {
                self.moved = true;
                self.lease.wire().sent(0, sent);
            }
        }
        match ready!(handed_over) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.failed(error))),
        }
    }

    fn holds_back(&self) -> bool {
        self.request.as_ref().is_some_and(Sink::holds_back)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        if let Some(request) = &mut self.request {
            request.close();
        }
        self.poll_flush(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.request.as_mut().map_or(Poll::Ready(()), |request| request.poll_writable(cx))
    }

    fn read_size(&self) -> usize {
        self.request.as_ref().map_or(crate::worker::BUFFER_BYTES, Sink::read_size)
    }

    fn hold_end(&mut self) {
        self.held = true;
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) {
        self.held = false;
        match &mut self.request {
            Some(request) => request.finish(trailers),
            None => self.trailers = trailers,
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<HeaderMap>>> {
        match &mut self.body {
            Some(body) => body.poll_end(cx),
            None => Poll::Ready(Ok(None)),
        }
    }

    fn gather(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.body.as_mut().map_or(Ok(()), |body| body.gather(cx)).map_err(into_io)
    }

    fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    fn is_lost(&self) -> bool {
        !self.reset
    }

    fn is_unprocessed(&self) -> bool {
        self.unprocessed
    }
}

/// Whether a request is the opening handshake of a WebSocket (RFC 6455 section 4.1), and so may be said as an extended
/// CONNECT. Anything else that asks for an upgrade is an ordinary request to a server of HTTP/2.
fn is_handshake(head: &RequestHead, text: &[u8]) -> bool {
    let mut offers = head.values(text, "upgrade").flat_map(wire::field::list);
    head.upgrade
        && head.method == Method::Get
        && matches!(head.framing, Framing::None | Framing::Length(0))
        && offers.any(|offer| offer.eq_ignore_ascii_case(wire::h2::WEBSOCKET.as_bytes()))
        && head.values(text, "sec-websocket-key").count() == 1
        && head.values(text, "sec-websocket-version").eq([b"13".as_slice()])
}
