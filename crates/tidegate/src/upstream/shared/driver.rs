//! What drives a connection to a server: its frames, its life, its end.

use super::{STREAMS_MAX, Shared, ToServer};
use crate::error::ProxyError;
use crate::http::h2::flood::FrameWatch;
use crate::http::h2::io::Wire;
use crate::http::stream::Stream;
use crate::runtime::{self, Sleep, sleep};
use crate::worker::{ServerPermit, Worker};
use bytes::Bytes;
use h2::client::Connection;
use h2::{Ping, PingPong};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What a server may send on one stream before it is read: as much as one buffer holds.
const STREAM_WINDOW: u32 = 64 * 1024;

/// On all streams together, so that a few that nobody reads from do not hold up the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS_MAX as u32;

/// Bytes of a body that wait in the codec for the socket.
const SEND_BUFFER: usize = 64 * 1024;

/// Bytes of an answer's fields that end no more than that answer; what is passed on has closer bounds.
const HEADER_LIST_MAX: u32 = 256 * 1024;

/// Streams that we reset in a connection's life because of what the server did. Servers are believed more than clients.
const PROVOKED_RESETS_MAX: usize = 100_000;

/// A connection with requests on it is asked when nothing has moved for that long: longer than the five minutes that
/// servers of gRPC want between two pings on a quiet connection.
const ASK_QUIET_AFTER: Duration = Duration::from_secs(310);

/// Nothing has moved for that long since it was asked: it is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How often connections are looked at for this.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a connection that nobody wants any more may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(5);

/// Says hello, which waits for nobody, and leaves the connection to a task of its own.
pub(super) async fn start(
    worker: &Rc<Worker>,
    server: usize,
    stream: Stream,
    permit: ServerPermit,
) -> Result<Rc<Shared>, ProxyError> {
    let watch = FrameWatch::of_server(Rc::clone(&worker.wheel));
    let wire = Wire::new(stream, Vec::new(), Some(watch));
    let hello = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST_MAX)
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(Some(PROVOKED_RESETS_MAX))
        .handshake(wire.clone())
        .await;
    let (requests, mut connection) = hello.map_err(|_| ProxyError::ServerClosed)?;
    let shared = Rc::new(Shared {
        requests,
        wire: wire.clone(),
        streams: Cell::new(0),
        idle_since: Cell::new(worker.shared.start.elapsed().as_secs()),
        waiting: RefCell::default(),
        doubtful: Cell::new(false),
        moved_at: Cell::new(Instant::now()),
        moved: Cell::new(0),
        ended: Cell::new(false),
    });
    let mut driven = Driven {
        ping: connection.ping_pong(),
        wire,
        shared: Rc::downgrade(&shared),
        next_look: sleep(LOOK_EVERY),
        asked_at: None,
        unwanted_since: None,
        settled: false,
    };
    let worker = Rc::clone(worker);
    runtime::spawn(async move {
        let _permit = permit;
        poll_fn(|cx| driven.poll(cx, &mut connection, &worker.shared.servers[server])).await;
        // What the connection still carries fails before anybody hears that there is room for more.
        drop(connection);
        if let Some(shared) = driven.shared.upgrade() {
            shared.ended.set(true);
            shared.wake_waiting();
        }
        let mut to_server = worker.shared.servers[server].borrow_mut();
        to_server.connections.retain(|shared| !shared.ended.get());
        to_server.wake_waiting();
    });
    Ok(shared)
}

/// What the task of a connection knows.
struct Driven {
    ping: Option<PingPong>,
    wire: Wire,
    shared: Weak<Shared>,
    next_look: Sleep,
    /// When the server was asked whether it is there.
    asked_at: Option<Instant>,
    /// When the last one who could use it has gone.
    unwanted_since: Option<Instant>,
    /// The server's settings have come, and those who waited for them were told.
    settled: bool,
}

impl Driven {
    /// Ready when the connection has ended, or is to end.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection<Wire, Bytes>,
        to_server: &RefCell<ToServer>,
    ) -> Poll<()> {
        self.wire.begin();
        let ended = match Pin::new(connection).poll(cx) {
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a connection to a server has ended");
                true
            }
            other => other.is_ready(),
        };
        if let Some(flood) = self.wire.flood() {
            tracing::warn!(reason = flood.reason(), "a connection to a server was closed for its frames");
            return Poll::Ready(());
        }
        let lost = matches!(self.wire.poll_drain(cx), Poll::Ready(Err(_)));
        if ended || lost {
            return Poll::Ready(());
        }
        let shared = self.shared.upgrade();
        if let Some(shared) = &shared
            && !self.settled
            && self.wire.has_settings()
        {
            self.settled = true;
            shared.wake_waiting();
            to_server.borrow_mut().wake_waiting();
        }
        while Pin::new(&mut self.next_look).poll(cx).is_ready() {
            if self.is_lost(shared.as_deref()) {
                return Poll::Ready(());
            }
            self.next_look = sleep(LOOK_EVERY);
        }
        if shared.is_some_and(|shared| shared.doubtful.take()) {
            self.ask(cx);
        }
        if let (Some(ping), true) = (&mut self.ping, self.asked_at.is_some())
            && ping.poll_pong(cx).is_ready()
        {
            self.asked_at = None;
        }
        Poll::Pending
    }

    /// Whether there is nobody at the other end, or nobody here.
    fn is_lost(&mut self, shared: Option<&Shared>) -> bool {
        let Some(shared) = shared else {
            return self.unwanted_since.get_or_insert_with(Instant::now).elapsed() > FAREWELL;
        };
        let silence = shared.silence();
        if self.asked_at.is_some_and(|asked| asked.elapsed() > ANSWER_WITHIN && silence > ANSWER_WITHIN) {
            tracing::warn!("a server does not answer to a ping: its connection is given up");
            return true;
        }
        if shared.streams.get() > 0 && silence > ASK_QUIET_AFTER && self.asked_at.is_none() {
            shared.doubtful.set(true);
        }
        false
    }

    fn ask(&mut self, cx: &mut Context<'_>) {
        if self.asked_at.is_none()
            && let Some(ping) = &mut self.ping
            // Where this fails the connection has ended, and is about to say so.
            && ping.send_ping(Ping::opaque()).is_ok()
        {
            self.asked_at = Some(Instant::now());
            // The ping is sent by the next look at the connection.
            cx.waker().wake_by_ref();
        }
    }
}
