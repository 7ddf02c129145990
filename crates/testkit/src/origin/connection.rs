//! One connection of an origin, from its handshake to its close.

use super::{Order, Shared, h1, h2};
use crate::stream::{Stream, Wire};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// How much of a body is written at a time.
pub(super) const PIECE: usize = 64 * 1024;

/// Longer than any test waits.
pub(super) const FOREVER: Duration = Duration::from_secs(3600);

/// What a client of HTTP/2 begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Counts one more for as long as it lives.
pub(super) struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    pub fn new(count: &'a AtomicU64) -> Counted<'a> {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What becomes of the connection after a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Next,
    Close,
    Reset,
}

pub(super) async fn run(stream: TcpStream, shared: Arc<Shared>, orders: watch::Receiver<Order>) {
    let _open = Counted::new(&shared.open);
    // Without it small answers wait for acknowledgements; if it cannot be had, they wait.
    let _ = stream.set_nodelay(true);
    let mut kill = orders.clone();
    let mut killed = std::pin::pin!(kill.wait_for(|order| *order == Order::Kill));
    let mut stop = orders.clone();
    let begun = tokio::select! {
        begun = begin(stream, &shared) => begun,
        // Whether to stop or to be killed: nothing was asked yet.
        _ = stop.wait_for(|order| *order != Order::Serve) => return,
    };
    let Ok((mut stream, is_h2)) = begun else { return };
    if is_h2 {
        let wire = Wire::new(stream);
        tokio::select! {
            // A connection that fails is one that ends.
            _ = h2::serve(&wire, &shared, orders) => {}
            _ = &mut killed => wire.abort(),
        }
        return;
    }
    let then = tokio::select! {
        then = h1::serve(&mut stream, &shared, orders) => then.unwrap_or(Then::Close),
        _ = &mut killed => Then::Reset,
    };
    if then == Then::Reset {
        stream.reset_on_close();
    }
}

/// Shakes hands where there is TLS, and finds out which protocol it is to be.
async fn begin(stream: TcpStream, shared: &Shared) -> io::Result<(Stream, bool)> {
    if let Some(acceptor) = &shared.tls {
        let stream = Stream::tls(acceptor.accept(stream).await?.into());
        let is_h2 = stream.protocol() == Some(b"h2");
        return Ok((stream, is_h2));
    }
    let mut stream = Stream::plain(stream);
    let mut start = Vec::new();
    while start.len() < PREFACE.len() && PREFACE.starts_with(&start) {
        if stream.read_buf(&mut start).await? == 0 {
            break;
        }
    }
    let is_h2 = start.starts_with(PREFACE);
    stream.ahead = start;
    Ok((stream, is_h2))
}
