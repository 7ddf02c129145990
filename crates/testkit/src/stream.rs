//! A connection as a stream of plain bytes, whether TLS lies below or not, that two parties can hold.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A connection, with what was read ahead of whoever reads it next.
pub(crate) struct Stream {
    /// Given to the reader before anything new.
    pub ahead: Vec<u8>,
    below: Below,
}

enum Below {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub fn plain(stream: TcpStream) -> Stream {
        Stream { ahead: Vec::new(), below: Below::Plain(stream) }
    }

    pub fn tls(stream: TlsStream<TcpStream>) -> Stream {
        Stream { ahead: Vec::new(), below: Below::Tls(Box::new(stream)) }
    }

    fn tcp(&self) -> &TcpStream {
        match &self.below {
            Below::Plain(stream) => stream,
            Below::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Makes the close that follows a reset.
    pub fn reset_on_close(&self) {
        // Without it the close is an ordinary one, and the test that wanted a reset sees that.
        let _ = self.tcp().set_zero_linger();
    }

    /// What was agreed on in the handshake of TLS.
    pub fn protocol(&self) -> Option<&[u8]> {
        match &self.below {
            Below::Plain(_) => None,
            Below::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let count = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..count]);
            self.ahead.drain(..count);
            return Poll::Ready(Ok(()));
        }
        match &mut self.below {
            Below::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Below::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.below {
            Below::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Below::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.below {
            Below::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Below::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.below {
            Below::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Below::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}

/// A stream that one task reads, another one writes, and a third one may take away from both.
#[derive(Clone)]
pub(crate) struct Wire {
    stream: Arc<Mutex<Option<Stream>>>,
    written: Arc<AtomicU64>,
}

impl Wire {
    pub fn new(stream: Stream) -> Wire {
        Wire { stream: Arc::new(Mutex::new(Some(stream))), written: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Stream>> {
        // A panic of another task is reported by that task.
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that the connection below took so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// Takes the stream away from all who hold it; they see an error.
    pub fn take(&self) -> Option<Stream> {
        self.lock().take()
    }

    /// Ends the connection with a reset.
    pub fn abort(&self) {
        if let Some(stream) = self.take() {
            stream.reset_on_close();
        }
    }
}

/// What those see whose stream was taken away.
fn gone() -> io::Error {
    ErrorKind::ConnectionAborted.into()
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self.lock() {
            Some(stream) => Pin::new(stream).poll_read(cx, buffer),
            None => Poll::Ready(Err(gone())),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut *self.lock() {
            Some(stream) => Pin::new(stream).poll_write(cx, bytes),
            None => Poll::Ready(Err(gone())),
        };
        if let Poll::Ready(Ok(count)) = written {
            self.written.fetch_add(count as u64, Ordering::SeqCst);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.lock() {
            Some(stream) => Pin::new(stream).poll_flush(cx),
            None => Poll::Ready(Err(gone())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.lock() {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
