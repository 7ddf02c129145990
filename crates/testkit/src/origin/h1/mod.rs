//! A connection of HTTP/1: requests one after the other, pipelined ones too.

mod answer;

use super::connection::{Counted, PIECE, Then};
use super::{Endpoint, Order, Shared};
use crate::message::{Body, FNV_START, Head, Malformed, fnv_continue};
use crate::stream::Stream;
use std::io;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// How much of a head is read at a time: what an idle connection has ready.
const HEAD_PIECE: usize = 4096;

/// The longest head that is read.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// Serves the connection to its end.
pub(super) async fn serve(
    stream: &mut Stream,
    shared: &Shared,
    orders: watch::Receiver<Order>,
) -> io::Result<Then> {
    let mut connection = Connection { stream, input: Vec::new(), shared };
    let then = connection.serve(orders).await?;
    if then == Then::Close {
        // TLS says so; without it a close would look like a cut.
        connection.stream.shutdown().await?;
    }
    Ok(then)
}

struct Connection<'a> {
    stream: &'a mut Stream,
    /// Received and not yet used.
    input: Vec<u8>,
    shared: &'a Shared,
}

/// One request whose body is yet to be read.
struct Request {
    head: Head,
    body: Body,
    body_length: u64,
    body_hash: u64,
    /// A 100 is owed before the body is read.
    expects: bool,
    keep_alive: bool,
}

impl Request {
    fn new(head: Head) -> Result<Request, Malformed> {
        let body = head.request_body()?;
        let http11 = head.words().2 == "HTTP/1.1";
        let keep_alive = if http11 {
            !head.has_token("connection", "close")
        } else {
            head.has_token("connection", "keep-alive")
        };
        let expects = http11 && head.has_token("expect", "100-continue") && !body.is_complete();
        Ok(Request { head, body, body_length: 0, body_hash: FNV_START, expects, keep_alive })
    }

    fn is_head(&self) -> bool {
        self.head.words().0 == "HEAD"
    }
}

impl Connection<'_> {
    async fn serve(&mut self, mut orders: watch::Receiver<Order>) -> io::Result<Then> {
        loop {
            let head = tokio::select! {
                head = self.read_head() => head?,
                _ = orders.wait_for(|order| *order == Order::Stop) => return Ok(Then::Close),
            };
            let Some(head) = head else { return Ok(Then::Close) };
            let endpoint = Endpoint::of(head.words().1);
            let Ok(request) = Request::new(head) else {
                let bad = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                self.write(bad).await?;
                return Ok(Then::Close);
            };
            if endpoint != Endpoint::Health {
                self.shared.requests.fetch_add(1, Ordering::SeqCst);
            }
            let _in_flight = Counted::new(&self.shared.in_flight);
            let then = self.answer(request, endpoint).await?;
            if then != Then::Next {
                return Ok(then);
            }
        }
    }

    /// Reads more of what is there; 0 at the end.
    async fn read_more(&mut self, room: usize) -> io::Result<usize> {
        // Without it pieces are tiny.
        self.input.reserve(room);
        self.stream.read_buf(&mut self.input).await
    }

    /// Writes all of it, and leaves nothing behind in TLS.
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    async fn read_head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some((head, length)) = Head::parse(&self.input).map_err(io::Error::other)? {
                self.input.drain(..length);
                return Ok(Some(head));
            }
            if self.input.len() > HEAD_BYTES_MAX || self.read_more(HEAD_PIECE).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads the next piece of the body; `None` at its end.
    async fn read_piece(&mut self, request: &mut Request) -> io::Result<Option<Vec<u8>>> {
        if request.expects {
            request.expects = false;
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        loop {
            let mut piece = Vec::new();
            request.body.feed(&mut self.input, &mut piece).map_err(io::Error::other)?;
            if !piece.is_empty() {
                request.body_length += piece.len() as u64;
                request.body_hash = fnv_continue(request.body_hash, &piece);
                return Ok(Some(piece));
            }
            if request.body.is_complete() {
                return Ok(None);
            }
            if self.read_more(PIECE).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn read_body(&mut self, request: &mut Request) -> io::Result<()> {
        while self.read_piece(request).await?.is_some() {}
        Ok(())
    }
}
