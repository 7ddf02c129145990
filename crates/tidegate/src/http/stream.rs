//! A connection as a stream of plain bytes, whether TLS lies below, or a stream of a later version of HTTP.

use super::h2::Translated;
use crate::runtime::TcpStream;
use crate::tls::{ALPN_H2, TlsStream};
use crate::worker::BUFFER_BYTES;
use http::HeaderMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wire::h1::{Framing, ResponseHead};

/// A connection of a client, or to a server.
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP. Boxed: a TLS session is large and an idle plain connection should not pay for it.
    Tls(Box<TlsStream>),
    /// One request of a later version, which reads and writes like a connection of HTTP/1.1. HTTP/3 has its place here.
    Translated(Box<dyn Translated>),
}

impl Stream {
    /// The TCP connection below; `None` where it is not this stream's own.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Plain(stream) => Some(stream),
            Stream::Tls(stream) => Some(stream.tcp()),
            Stream::Translated(_) => None,
        }
    }

    /// Whether ALPN has chosen HTTP/2 (RFC 7301); `None` without TLS, or where the other side knows no ALPN.
    pub fn agreed_on_h2(&self) -> Option<bool> {
        match self {
            Stream::Tls(stream) => stream.state().alpn_protocol().map(|chosen| chosen == ALPN_H2),
            _ => None,
        }
    }

    /// Whether it is one of many over a connection.
    pub fn is_multiplexed(&self) -> bool {
        matches!(self, Stream::Translated(_))
    }

    /// Ready when a read would not wait, so that no buffer is held by a connection without data.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Stream::Plain(stream) => stream.poll_readable(cx),
            Stream::Tls(stream) => stream.poll_readable(cx),
            Stream::Translated(stream) => stream.poll_readable(cx),
        }
    }

    /// Whether a connection without a request has nothing to say: what can be read then is its end, or an answer to
    /// nothing. Tickets of TLS are taken in on the way. Looks at what the event loop knows already.
    pub fn is_quiet(&mut self) -> bool {
        let cx = &mut Context::from_waker(Waker::noop());
        match self {
            Stream::Tls(_) => {
                self.poll_readable(cx).is_pending() || self.poll_read(cx, &mut [0]).is_pending()
            }
            _ => self.poll_readable(cx).is_pending(),
        }
    }

    /// Reads into `buffer`, which must not be empty. `Ok(0)` is the end: FIN, or TLS's `close_notify`.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(stream) => stream.poll_receive(cx, buffer),
            Stream::Tls(stream) => {
                let mut read = ReadBuf::new(buffer);
                ready!(stream.poll_read(cx, &mut read))?;
                Poll::Ready(Ok(read.filled().len()))
            }
            Stream::Translated(stream) => stream.poll_read(cx, buffer),
        }
    }

    /// Reads into `buffer`, whose storage need not have been written before; only of a connection of its own.
    pub fn poll_read_buf(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => stream.poll_read(cx, buffer),
            Stream::Translated(stream) => {
                let count = ready!(stream.poll_read(cx, buffer.initialize_unfilled()))?;
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Writes from `first`, then from `second`; returns the bytes written of both together.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(stream) => poll_write_two(stream, cx, first, second),
            Stream::Tls(stream) => stream.poll_write(cx, first, second),
            Stream::Translated(stream) => stream.poll_write(cx, first, second),
        }
    }

    /// See [`Translated::give_head`].
    pub fn give_head(&mut self, head: &ResponseHead, text: &[u8], lines: &[u8], framing: Framing) -> bool {
        match self {
            Stream::Translated(stream) => stream.give_head(head, text, lines, framing),
            _ => false,
        }
    }

    /// Ready when everything written has been handed to the kernel.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => stream.poll_flush(cx),
            Stream::Translated(stream) => stream.poll_flush(cx),
        }
    }

    /// Whether bytes that were taken for writing are still here, because the other side does not read.
    pub fn holds_back(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(stream) => stream.holds_back(),
            Stream::Translated(stream) => stream.holds_back(),
        }
    }

    /// Ready when some of what is written next would be taken. A connection of its own always takes some, or its time
    /// runs out; the windows of a multiplexed one may be closed for all that it carries.
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Stream::Translated(stream) => stream.poll_writable(cx),
            _ => Poll::Ready(()),
        }
    }

    /// Bytes that are worth reading at once, to be written here.
    pub fn read_size(&self) -> usize {
        match self {
            Stream::Translated(stream) => stream.read_size(),
            _ => BUFFER_BYTES,
        }
    }

    /// See [`Translated::hold_end`].
    pub fn hold_end(&mut self) {
        if let Stream::Translated(stream) = self {
            stream.hold_end();
        }
    }

    /// See [`Translated::finish`].
    pub fn finish(&mut self, trailers: Option<HeaderMap>) {
        if let Stream::Translated(stream) = self {
            stream.finish(trailers);
        }
    }

    /// See [`Translated::poll_end`].
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<HeaderMap>>> {
        match self {
            Stream::Translated(stream) => stream.poll_end(cx),
            _ => Poll::Ready(Ok(None)),
        }
    }

    /// See [`Translated::gather`].
    pub fn gather(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self {
            Stream::Translated(stream) => stream.gather(cx),
            _ => Ok(()),
        }
    }

    /// See [`Translated::has_moved`].
    pub fn has_moved(&mut self) -> bool {
        match self {
            Stream::Translated(stream) => stream.has_moved(),
            _ => false,
        }
    }

    /// See [`Translated::wants_tunnel`].
    pub fn wants_tunnel(&self) -> Option<&str> {
        match self {
            Stream::Translated(stream) => stream.wants_tunnel(),
            _ => None,
        }
    }

    /// See [`Translated::is_lost`].
    pub fn is_lost(&self) -> bool {
        !matches!(self, Stream::Translated(stream) if !stream.is_lost())
    }

    /// Whether it failed in a way that says that the other side has not looked at the request.
    pub fn is_unprocessed(&self) -> bool {
        matches!(self, Stream::Translated(stream) if stream.is_unprocessed())
    }

    /// Says that no more will be written: FIN, after `close_notify` where there is TLS.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => stream.poll_shutdown(cx),
            Stream::Translated(stream) => stream.poll_shutdown(cx),
        }
    }

    /// Makes the close that follows a reset, so that the client cannot take what it has for the whole. A multiplexed
    /// stream that has not ended is always reset.
    pub fn reset_on_close(&self) {
        if let Some(tcp) = self.tcp() {
            // Should this fail the connection is gone already.
            let _ = socket2::SockRef::from(tcp).set_linger(Some(std::time::Duration::ZERO));
        }
    }
}

/// One `send` for one slice, one `writev` for two.
fn poll_write_two(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    first: &[u8],
    second: &[u8],
) -> Poll<io::Result<usize>> {
    if second.is_empty() {
        stream.poll_send(cx, first)
    } else if first.is_empty() {
        stream.poll_send(cx, second)
    } else {
        stream.poll_send_all(cx, &[IoSlice::new(first), IoSlice::new(second)])
    }
}
