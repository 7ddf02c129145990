//! A client's connection as a stream of plain bytes, whether TLS lies below or not.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection of a client.
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP. Boxed: a TLS session is large and an idle plain connection should not pay for it.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Ready when a read would not wait, so that no buffer is held by a connection without data.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Stream::Tls(stream) = self {
            // Plaintext that is decrypted already makes no readiness event below.
            if !stream.get_ref().1.wants_read() {
                return Poll::Ready(());
            }
        }
        self.tcp().poll_read_ready(cx).map(|_| ())
    }

    /// Reads into `buffer`, which must not be empty. `Ok(0)` is the end: FIN, or TLS's `close_notify`.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(buffer);
        ready!(match self {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, &mut read),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, &mut read),
        })?;
        Poll::Ready(Ok(read.filled().len()))
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
            Stream::Tls(stream) => poll_write_two(&mut **stream, cx, first, second),
        }
    }

    /// Ready when everything written has been handed to the kernel.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    /// Whether bytes that were taken for writing are still here, because the client does not read.
    pub fn holds_back(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(stream) => stream.get_ref().1.wants_write(),
        }
    }

    /// Says that no more will be written: FIN, after `close_notify` where there is TLS.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }

    /// Makes the close that follows a reset, so that the client cannot take what it has for the whole.
    pub fn reset_on_close(&self) {
        let socket = socket2::SockRef::from(self.tcp());
        // Should this fail the connection is gone already.
        let _ = socket.set_linger(Some(std::time::Duration::ZERO));
    }
}

/// One `send` for one slice, one `writev` for two.
pub fn poll_write_two<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    first: &[u8],
    second: &[u8],
) -> Poll<io::Result<usize>> {
    let stream = Pin::new(stream);
    if second.is_empty() {
        stream.poll_write(cx, first)
    } else if first.is_empty() {
        stream.poll_write(cx, second)
    } else {
        stream.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)])
    }
}

/// Says to the peer of a TCP connection that no more will be written.
pub fn finish(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(&stream.as_fd()).shutdown(Shutdown::Write)
}
