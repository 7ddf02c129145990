//! Connections of HTTP/2 to servers, each of them used by many requests at once.
//!
//! A worker's own, like idle ones of HTTP/1. A request takes the first connection with room for one more stream; when
//! none has any, one request opens another connection and those that come meanwhile wait for it.

use crate::error::ProxyError;
use crate::http::h2::io::Wire;
use crate::http::stream::Stream;
use crate::worker::{ServerPermit, Timer, Worker};
use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use h2::{Ping, PingPong};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Streams on one connection at most, whatever the server allows: with more, what one connection loses by a lost packet
/// is too much.
const STREAMS_MAX: usize = 100;

/// What a server may send on one stream before it is read: as much as one buffer holds.
const STREAM_WINDOW: u32 = 64 * 1024;

/// On all streams together, so that a few that nobody reads from do not hold up the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS_MAX as u32;

/// Bytes of a body that wait in the codec for the socket.
const SEND_BUFFER: usize = 64 * 1024;

/// Bytes of an answer's fields; as many as over HTTP/1.
const HEADER_LIST_MAX: u32 = policy::model::Bounds::HEAD_BYTES_MAX;

/// A connection with requests on it is asked whether it lives when it has said nothing for that long, and given up
/// when it has said nothing for as long again.
const PING_EVERY: Duration = Duration::from_secs(10);

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
    /// Requests that wait for that one.
    waiting: Vec<Waker>,
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
        if self.shared.wire.has_heard() || self.shared.ended.get() {
            return Poll::Ready(());
        }
        self.shared.waiting.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.streams.set(self.shared.streams.get() - 1);
        self.shared.idle_since.set(self.start.elapsed().as_secs());
    }
}

impl Shared {
    /// Room for one more stream.
    fn has_room(&self) -> bool {
        self.streams.get() < STREAMS_MAX.min(self.requests.current_max_send_streams())
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

    fn lease(&self, shared: &Rc<Shared>) -> Lease {
        shared.streams.set(shared.streams.get() + 1);
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
        to_server.waiting.drain(..).for_each(Waker::wake);
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
        if !to_server.borrow().opening {
            break;
        }
        poll_fn(|cx| {
            if !to_server.borrow().opening {
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
    let shared = start(worker, stream, permit).await?;
    let lease = worker.shared.lease(&shared);
    to_server.borrow_mut().connections.push(shared);
    Ok((lease, false))
}

/// Says hello, which waits for nobody, and leaves the connection to a task of its own.
async fn start(worker: &Rc<Worker>, stream: Stream, permit: ServerPermit) -> Result<Rc<Shared>, ProxyError> {
    let wire = Wire::new(stream, Vec::new(), None);
    let hello = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST_MAX)
        .max_send_buffer_size(SEND_BUFFER)
        .handshake(wire.clone())
        .await;
    let (requests, mut connection) = hello.map_err(|_| ProxyError::ServerClosed)?;
    let shared = Rc::new(Shared {
        requests,
        wire: wire.clone(),
        streams: Cell::new(0),
        idle_since: Cell::new(worker.shared.start.elapsed().as_secs()),
        waiting: RefCell::default(),
        ended: Cell::new(false),
    });
    let ping = connection.ping_pong();
    let watched = Rc::downgrade(&shared);
    tokio::task::spawn_local(async move {
        let _permit = permit;
        let mut every = interval(PING_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pulse = Pulse { ping, every, asked: false };
        poll_fn(|cx| poll_connection(cx, &mut connection, &wire, &watched, &mut pulse)).await;
        if let Some(shared) = watched.upgrade() {
            shared.ended.set(true);
            shared.wake_waiting();
        }
    });
    Ok(shared)
}

/// Ready when the connection has ended.
fn poll_connection(
    cx: &mut Context<'_>,
    connection: &mut Connection<Wire, Bytes>,
    wire: &Wire,
    shared: &Weak<Shared>,
    pulse: &mut Pulse,
) -> Poll<()> {
    let ended = match Pin::new(connection).poll(cx) {
        Poll::Ready(Err(error)) => {
            tracing::debug!(%error, "a connection to a server has ended");
            true
        }
        other => other.is_ready(),
    };
    let drained = wire.poll_drain(cx);
    if ended || matches!(drained, Poll::Ready(Err(_))) {
        return Poll::Ready(());
    }
    let Some(shared) = shared.upgrade() else { return Poll::Pending };
    if wire.has_heard() {
        shared.wake_waiting();
    }
    pulse.poll_lost(cx, shared.streams.get() > 0)
}

/// Whether the server is there still.
struct Pulse {
    ping: Option<PingPong>,
    every: Interval,
    asked: bool,
}

impl Pulse {
    /// Ready when the server does not answer any more.
    fn poll_lost(&mut self, cx: &mut Context<'_>, in_use: bool) -> Poll<()> {
        let Some(ping) = &mut self.ping else { return Poll::Pending };
        if self.asked && ping.poll_pong(cx).is_ready() {
            self.asked = false;
        }
        while self.every.poll_tick(cx).is_ready() {
            if self.asked {
                tracing::warn!("a server does not answer to a ping: its connection is given up");
                return Poll::Ready(());
            }
            // Where this fails the connection has ended, and is about to say so.
            self.asked = in_use && ping.send_ping(Ping::opaque()).is_ok();
            if self.asked && ping.poll_pong(cx).is_ready() {
                self.asked = false;
            }
        }
        Poll::Pending
    }
}
