//! TCP on this runtime.
//!
//! A socket is tried before the kernel is asked to watch it, so that a connection that is over at once is never watched.
//! What is not ready is not tried again before the kernel says that it is.

use super::LOCAL;
use super::reactor::{Readiness, Source};
use super::receive::receive;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket, and what is known of it. Dropping it closes it, which also ends the kernel's watching.
struct Socket {
    fd: OwnedFd,
    source: Known,
}

/// Forgotten when dropped.
struct Known(Rc<Source>);

impl Deref for Known {
    type Target = Rc<Source>;
    fn deref(&self) -> &Rc<Source> {
        &self.0
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Socket {
    fn new(fd: OwnedFd) -> Socket {
        Socket { fd, source: Known(Source::new()) }
    }

    fn wait<T>(&self, wanted: Readiness, cx: &Context<'_>) -> Poll<io::Result<T>> {
        match self.source.wait(&self.fd, wanted, cx) {
            Ok(_) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// That was less than there was room for, so there is no more for now; after the end there always is an end.
    fn has_received(&self, count: usize, room: usize) {
        if count > 0 && count < room {
            self.source.is_not(Readiness::READ);
        }
    }

    /// Tries where it may succeed, else has the task woken when it may.
    fn attempt<T>(
        &self,
        wanted: Readiness,
        cx: &Context<'_>,
        mut attempt: impl FnMut(&OwnedFd) -> rustix::io::Result<T>,
    ) -> Poll<io::Result<T>> {
        while self.source.is(wanted) {
            match attempt(&self.fd) {
                Ok(value) => return Poll::Ready(Ok(value)),
                Err(Errno::AGAIN) => {
                    self.source.is_not(wanted);
                    if self.source.is(wanted) {
                        // The kernel has told of an end that is not there to be read yet; it is near.
                        break;
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        self.wait(wanted, cx)
    }
}

/// A socket that listens.
pub struct TcpListener(Socket);

impl TcpListener {
    /// Of a bound socket that does not block.
    pub fn new(socket: OwnedFd) -> TcpListener {
        TcpListener(Socket::new(socket))
    }

    /// The next connection.
    ///
    /// # Errors
    /// Those of `accept(2)`; the next one may be well.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (fd, peer) =
            poll_fn(|cx| self.0.attempt(Readiness::READ, cx, |fd| rustix::net::acceptfrom_with(fd, flags)))
                .await?;
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
        let peer = peer.ok_or_else(|| io::Error::other("the peer has no internet address"))?;
        Ok((TcpStream(Socket::new(fd)), peer))
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

/// A connection.
pub struct TcpStream(Socket);

impl TcpStream {
    /// Of a connected socket that does not block.
    pub fn new(socket: OwnedFd) -> TcpStream {
        TcpStream(Socket::new(socket))
    }

    /// Connects, and sends small pieces without waiting for the other side's acknowledgement.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        // A connection without it works too, only slower.
        let _ = sockopt::set_tcp_nodelay(&fd, true);
        match rustix::net::connect(&fd, &address) {
            Ok(()) => return Ok(TcpStream::new(fd)),
            Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::new(fd);
        stream.0.source.is_not(Readiness::WRITE);
        stream.0.source.is_not(Readiness::READ);
        poll_fn(|cx| match stream.0.source.is(Readiness::WRITE) {
            true => Poll::Ready(Ok(())),
            false => stream.0.wait(Readiness::WRITE, cx),
        })
        .await?;
        sockopt::socket_error(&stream)??;
        Ok(stream)
    }

    /// The socket alone.
    pub fn into_fd(self) -> OwnedFd {
        let Socket { fd, source } = self.0;
        if source.forget() {
            LOCAL.with(|local| local.reactor(|reactor| reactor.unwatch(&fd)));
        }
        fd
    }

    /// Ready when a read is worth trying.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        if self.0.source.is(Readiness::READ) {
            return Poll::Ready(());
        }
        // Where it cannot be watched, trying says why.
        self.0.wait::<()>(Readiness::READ, cx).map(|_| ())
    }

    /// Reads what there is; 0 is the end.
    pub fn poll_receive(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let attempt = |fd: &OwnedFd| {
            let (_, count) = rustix::net::recv(fd, &mut *buffer, RecvFlags::empty())?;
            Ok(count)
        };
        let count = ready!(self.0.attempt(Readiness::READ, cx, attempt))?;
        self.0.has_received(count, buffer.len());
        Poll::Ready(Ok(count))
    }

    /// Sends as much as is taken.
    pub fn poll_send(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(self.0.attempt(Readiness::WRITE, cx, |fd| rustix::net::send(
            fd,
            bytes,
            SendFlags::NOSIGNAL
        )))?;
        if count < bytes.len() {
            self.0.source.is_not(Readiness::WRITE);
        }
        Poll::Ready(Ok(count))
    }

    /// Sends as much as is taken of several slices.
    pub fn poll_send_all(&self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let attempt = |fd: &OwnedFd| rustix::io::writev(fd, slices);
        let count = ready!(self.0.attempt(Readiness::WRITE, cx, attempt))?;
        if count < slices.iter().map(|slice| slice.len()).sum() {
            self.0.source.is_not(Readiness::WRITE);
        }
        Poll::Ready(Ok(count))
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub fn end(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.0.fd, Shutdown::Write)?)
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining();
        let count = ready!(self.0.attempt(Readiness::READ, cx, |fd| receive(fd, buffer)))?;
        self.0.has_received(count, room);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send_all(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end())
    }
}
