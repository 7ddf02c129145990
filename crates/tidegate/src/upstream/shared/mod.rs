//! Connections of HTTP/2 to servers, each of them used by many requests at once.
//!
//! A worker's own, like idle ones of HTTP/1. A request takes the first connection with room for one more stream; when
//! none has any, one request opens another connection and those that come meanwhile wait for it.

mod driver;

use crate::error::ProxyError;
use crate::http::h2::io::Wire;
use crate::http::stream::Stream;
use crate::worker::{ServerPermit, Timer, Worker};
use bytes::Bytes;
use h2::client::SendRequest;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Streams on one connection at most, whatever the server allows: with more, what one connection loses by a lost packet
/// is too much.
const STREAMS_MAX: usize = 100;

/// A connection on which nothing has moved for that long is asked whether it lives, together with the next request. Such
/// pings are what servers of gRPC expect; they end connections for pings on quiet ones.
const ASK_AFTER: Duration = Duration::from_secs(10);

/// The shared connections of one worker, by the numbers of their servers.
pub struct SharedConnections {
    start: Instant,
    servers: Vec<RefCell<ToServer>>,
}

#[derive(Default)]
struct ToServer {
    connections: Vec<Rc<Shared>>,
    /// A request is opening one more.
    opening: bool,
    /// Requests that wait for that one, or for what its server allows.
    waiting: Vec<Waker>,
}

impl ToServer {
    /// Whether what there is may soon have more room: a connection is being opened, or its server has not said yet what it
    /// allows.
    fn expects_room(&self) -> bool {
        self.opening || self.connections.iter().any(|shared| !shared.wire.has_settings())
    }

    fn wake_waiting(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// One connection.
struct Shared {
    requests: SendRequest<Bytes>,
    wire: Wire,
    streams: Cell<usize>,
    /// When the last stream ended, in seconds from the worker's start.
    idle_since: Cell<u64>,
    /// Requests that wait for the server's settings.
    waiting: RefCell<Vec<Waker>>,
    /// Nothing has moved for long, and a request is about to find out.
    doubtful: Cell<bool>,
    /// When something has moved last, as far as anybody has looked, and how much until then.
    moved_at: Cell<Instant>,
    moved: Cell<u64>,
    ended: Cell<bool>,
}

/// The right to one stream.
pub struct Lease {
    /// Where the request is sent.
    pub requests: SendRequest<Bytes>,
    shared: Rc<Shared>,
    start: Instant,
}

impl Lease {
    /// Ready when the server has said what it can do.
    pub fn poll_settings(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.wire.has_settings() || self.shared.ended.get() {
            return Poll::Ready(());
        }
        self.shared.waiting.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }
}

impl Lease {
    /// The connection below.
    pub fn wire(&self) -> &Wire {
        &self.shared.wire
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.streams.set(self.shared.streams.get() - 1);
        self.shared.idle_since.set(self.start.elapsed().as_secs());
    }
}

impl Shared {
    /// Room for one more stream; for one alone until the server has said how many it allows.
    fn has_room(&self) -> bool {
        let allowed = if self.wire.has_settings() { self.requests.current_max_send_streams() } else { 1 };
        self.streams.get() < STREAMS_MAX.min(allowed)
    }

    /// How long nothing has moved.
    fn silence(&self) -> Duration {
        let moved = self.wire.moved();
        if self.moved.replace(moved) != moved {
            self.moved_at.set(Instant::now());
        }
        self.moved_at.get().elapsed()
    }

    /// Whether new requests are taken; not after GOAWAY.
    fn is_open(&self) -> bool {
        let mut requests = self.requests.clone();
        let cx = &mut Context::from_waker(Waker::noop());
        !self.ended.get() && !matches!(requests.poll_ready(cx), Poll::Ready(Err(_)))
    }

    fn wake_waiting(&self) {
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }
}

impl SharedConnections {
    /// For `servers` servers.
    pub fn new(servers: usize) -> SharedConnections {
        SharedConnections {
            start: Instant::now(),
            servers: (0..servers).map(|_| RefCell::default()).collect(),
        }
    }

    /// A stream on a connection that there is.
    pub fn take(&self, server: usize) -> Option<Lease> {
        let mut to_server = self.servers[server].borrow_mut();
        to_server.connections.retain(|shared| shared.is_open());
        let shared = to_server.connections.iter().find(|shared| shared.has_room())?;
        Some(self.lease(shared))
    }

    fn has_room(&self, server: usize) -> bool {
        self.servers[server].borrow().connections.iter().any(|shared| shared.has_room())
    }

    fn lease(&self, shared: &Rc<Shared>) -> Lease {
        if shared.streams.replace(shared.streams.get() + 1) == 0 {
            shared.doubtful.set(shared.silence() > ASK_AFTER);
        }
        shared.wire.asked();
        Lease { requests: shared.requests.clone(), shared: Rc::clone(shared), start: self.start }
    }

    /// Closes connections without streams: those that have had none for long (as `limit` says per server). To be called
    /// about once a second.
    pub fn sweep(&self, limit: impl Fn(usize) -> Duration) {
        let now = self.start.elapsed().as_secs();
        for (server, to_server) in self.servers.iter().enumerate() {
            let mut to_server = to_server.borrow_mut();
            to_server.connections.retain(|shared| {
                let idle = shared.streams.get() == 0;
                shared.is_open() && !(idle && now - shared.idle_since.get() > limit(server).as_secs())
            });
        }
    }

    /// Closes one connection that has no stream, because descriptors have run out.
    pub fn evict_one(&self) -> bool {
        self.servers.iter().any(|to_server| {
            let connections = &mut to_server.borrow_mut().connections;
            let idle = connections.iter().position(|shared| shared.streams.get() == 0);
            idle.map(|index| connections.swap_remove(index)).is_some()
        })
    }
}

/// Says that nobody opens a connection any more, however that ended.
struct Opening<'a>(&'a RefCell<ToServer>);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut to_server = self.0.borrow_mut();
        to_server.opening = false;
        to_server.wake_waiting();
    }
}

/// A stream to a server, and whether its connection was there before. `open` makes a connection until `end`.
///
/// # Errors
/// What `open` gives, [`ProxyError::ConnectTimeout`], or [`ProxyError::Stopped`].
pub async fn stream<F>(
    worker: &Rc<Worker>,
    timer: &Timer,
    server: usize,
    end: Instant,
    open: impl FnOnce() -> F,
) -> Result<(Lease, bool), ProxyError>
where
    F: Future<Output = Result<(Stream, ServerPermit), ProxyError>>,
{
    let to_server = &worker.shared.servers[server];
    timer.arm(end.saturating_duration_since(Instant::now()));
    loop {
        if let Some(lease) = worker.shared.take(server) {
            return Ok((lease, true));
        }
        if !to_server.borrow().expects_room() {
            break;
        }
        poll_fn(|cx| {
            if !to_server.borrow().expects_room() || worker.shared.has_room(server) {
                return Poll::Ready(Ok(()));
            }
            if worker.is_stopping() {
                return Poll::Ready(Err(ProxyError::Stopped));
            }
            if timer.poll_due(cx).is_ready() {
                return Poll::Ready(Err(ProxyError::ConnectTimeout));
            }
            to_server.borrow_mut().waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await?;
    }
    to_server.borrow_mut().opening = true;
    let _opening = Opening(to_server);
    let (stream, permit) = open().await?;
    let shared = driver::start(worker, server, stream, permit).await?;
    let lease = worker.shared.lease(&shared);
    to_server.borrow_mut().connections.push(shared);
    Ok((lease, false))
}
