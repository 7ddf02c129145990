//! TLS over TCP, as bytes.
//!
//! Records are received into, and made in, buffers that the worker lends for that moment. A connection for which nothing
//! is on its way has none.

use super::session::{Message, Session, invalid};
use crate::runtime::TcpStream;
use crate::worker::Buffer;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, CommonState, Error, ServerConfig};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// Room in a buffer for what records have besides plaintext, and for a message of TLS itself before them.
const OVERHEAD: usize = 1024;

/// Bytes received at least, however few are asked for.
const RECEIVED_MIN: usize = 8192;

/// A connection with TLS.
pub struct TlsStream {
    tcp: TcpStream,
    session: Session,
    /// The beginning of a record of which the rest has not come.
    held: Vec<u8>,
    /// Plaintext that did not fit where the last was read to.
    unread: Pending,
    /// Records that the kernel has not taken yet.
    unsent: Pending,
    /// The other side has said that it sends no more.
    ended: bool,
    /// We have.
    said_farewell: bool,
    failed: Option<Error>,
}

/// Bytes, and how many of them are done with. Without storage when all are.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    done: usize,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    fn advance(&mut self, count: usize) {
        self.done += count;
        if self.done == self.bytes.len() {
            *self = Pending::default();
        }
    }
}

impl TlsStream {
    /// Ends TLS for a client.
    ///
    /// # Errors
    /// When the connection fails, or the client does something wrong.
    pub async fn accept(config: Arc<ServerConfig>, tcp: TcpStream) -> io::Result<Box<TlsStream>> {
        let session = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        TlsStream::shake_hands(tcp, Session::Server(session)).await
    }

    /// Begins TLS with a server.
    ///
    /// # Errors
    /// When the connection fails, or the server is not whom we want, or does something wrong.
    pub async fn connect(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        tcp: TcpStream,
    ) -> io::Result<Box<TlsStream>> {
        let session = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        TlsStream::shake_hands(tcp, Session::Client(session)).await
    }

    async fn shake_hands(tcp: TcpStream, session: Session) -> io::Result<Box<TlsStream>> {
        // Allocation: a session is large, and is moved about no more from here on.
        let mut stream = Box::new(TlsStream {
            tcp,
            session,
            held: Vec::new(),
            unread: Pending::default(),
            unsent: Pending::default(),
            ended: false,
            said_farewell: false,
            failed: None,
        });
        // A client speaks first.
        let begun = stream.session.receive(&mut [], &mut stream.unsent.bytes, |_| {});
        begun.result.map_err(invalid)?;
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_flush(cx))?;
            if !self.state().is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof")));
            }
            ready!(self.poll_receive(cx, &mut ReadBuf::new(&mut [])))?;
        }
    }

    /// What is known of both sides.
    pub fn state(&self) -> &CommonState {
        self.session.state()
    }

    /// The connection below.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Whether records are here that the kernel has not taken yet.
    pub fn holds_back(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Ready when a read would not wait, or there are bytes that may be a part of a record.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.unread.is_empty() || self.ended || self.failed.is_some() {
            return Poll::Ready(());
        }
        self.tcp.poll_readable(cx)
    }

    /// Reads plaintext. Nothing is the end that the other side has announced; one without is an error.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            if !self.unread.is_empty() {
                let count = self.unread.rest().len().min(buffer.remaining());
                buffer.put_slice(&self.unread.rest()[..count]);
                self.unread.advance(count);
            }
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = &self.failed {
                return Poll::Ready(Err(invalid(error.clone())));
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx, buffer))?;
        }
    }

    /// Receives once. Of what comes, plaintext goes to `buffer`, then to `unread`. An error of TLS is told only when there
    /// is no plaintext before it; otherwise it is kept.
    fn poll_receive(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.tcp.poll_readable(cx));
        let mut records = Buffer::take();
        let start = self.held.len();
        // No record is as long as that, and messages that are put together of several are bounded by this.
        if start >= records.len() {
            return Poll::Ready(Err(invalid(Error::PeerSentOversizedRecord)));
        }
        // Not more than fits: what is over is copied twice.
        let end = records.len().min(start + buffer.remaining().max(RECEIVED_MIN));
        let count = ready!(self.tcp.poll_receive(cx, &mut records[start..end]))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        records[..start].copy_from_slice(&self.held);
        let records = &mut records[..start + count];
        let before = buffer.filled().len();
        let unread = &mut self.unread.bytes;
        let received = self.session.receive(records, &mut self.unsent.bytes, |plain| {
            let (now, later) = plain.split_at(plain.len().min(buffer.remaining()));
            buffer.put_slice(now);
            unread.extend_from_slice(later);
        });
        self.held = records[received.used..].to_vec();
        self.ended |= received.ended;
        if !self.unsent.is_empty() {
            // Where it fails, what is read or written next fails too.
            let _ = self.poll_flush(cx);
        }
        if let Err(error) = received.result {
            self.held = Vec::new();
            self.failed = Some(error.clone());
            if buffer.filled().len() == before && self.unread.is_empty() {
                return Poll::Ready(Err(invalid(error)));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes from `first`, then from `second`; returns the bytes taken of both together, of which the kernel may have
    /// fewer. Takes none while there are such.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        if let Some(error) = &self.failed {
            return Poll::Ready(Err(invalid(error.clone())));
        }
        let mut out = Buffer::take();
        let room = out.len() - OVERHEAD;
        let first = &first[..first.len().min(room)];
        let second = &second[..second.len().min(room - first.len())];
        self.send(cx, Message::Bytes(first, second), &mut out)?;
        Poll::Ready(Ok(first.len() + second.len()))
    }

    /// Makes records in `out`, gives the kernel what it takes of them and keeps the rest.
    fn send(&mut self, cx: &mut Context<'_>, message: Message<'_>, out: &mut [u8]) -> io::Result<()> {
        let count = self.session.send(&mut self.held, &mut self.unsent.bytes, message, out)?;
        let mut sent = 0;
        while self.unsent.is_empty() && sent < count {
            match self.tcp.poll_send(cx, &out[sent..count])? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(more) => sent += more,
                Poll::Pending => break,
            }
        }
        self.unsent.bytes.extend_from_slice(&out[sent..count]);
        Ok(())
    }

    /// Ready when everything written has been handed to the kernel.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match ready!(self.tcp.poll_send(cx, self.unsent.rest()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.unsent.advance(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Says that no more will be written: `close_notify`, then FIN.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.said_farewell {
            ready!(self.poll_flush(cx))?;
            self.said_farewell = true;
            if self.failed.is_none() && !self.state().is_handshaking() {
                self.send(cx, Message::Farewell, &mut [0; OVERHEAD])?;
            }
        }
        ready!(self.poll_flush(cx))?;
        match self.tcp.end() {
            // It is gone already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            ended => Poll::Ready(ended),
        }
    }
}
