//! One client's connection of HTTP/2: its settings, its streams, and the way out.
//!
//! Each request is a task of its own, which sees nothing of the others. The task here moves frames: it accepts
//! streams, writes what all of them have to say at once, and ends the connection when it is idle, drained or abusive.

use super::client_stream::ClientStream;
use super::flood::{Flood, FrameWatch};
use super::io::Wire;
use super::source::Shape;
use crate::error::ProxyError;
use crate::http::h1::{Active, BodyState, Client};
use crate::http::stream::Stream;
use crate::path;
use crate::worker::{Timer, Worker};
use base64::Engine as _;
use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use wire::h1::{HeadError, HeadLimits, Method};
use wire::h2::{Asked, RequestText};

/// What a client may send on one stream before it is read.
const STREAM_WINDOW: u32 = 128 * 1024;

/// On all streams together: the most that requests which nobody reads hold in memory.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of an answer's body that wait in the codec, each stream's, for the socket.
const SEND_BUFFER: usize = 64 * 1024;

/// Streams that we reset because of what the client did, in a connection's life.
const PROVOKED_RESETS_MAX: usize = 500;

/// Streams that a client may take back before we have seen them: as many as its budget allows at once.
const UNSEEN_RESETS_MAX: usize = 100;

/// How long the last frames may take to be sent, and read.
const FAREWELL: Duration = Duration::from_secs(2);

/// Bytes that a client may go on sending after it was told that nobody listens.
const FAREWELL_BYTES_MAX: usize = 1 << 20;

/// Less room than this is not worth reading into.
const READ_AHEAD_MIN: usize = 256;

/// No time-out: while there are requests, each has its own.
const NOT_SOON: Duration = Duration::from_secs(365 * 24 * 3600);

/// Who is at the other end, for each of its requests.
#[derive(Clone, Copy)]
struct Peer {
    address: SocketAddr,
    listener: usize,
    tls: bool,
}

/// Serves a connection that speaks HTTP/2, of which `early` was read already, until it ends.
pub async fn run(worker: Rc<Worker>, client: Client, early: Vec<u8>) {
    let Client { stream, timer, peer, listener, tls } = client;
    let rules = &worker.policy().listeners[listener];
    let wire = Wire::new(stream, early, Some(FrameWatch::new(Rc::clone(&worker.wheel))));
    timer.arm(rules.timeouts.head);
    let mut hello = h2::server::Builder::new();
    hello
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(rules.bounds.head_bytes)
        .max_concurrent_streams(rules.bounds.streams)
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(Some(PROVOKED_RESETS_MAX))
        .max_pending_accept_reset_streams(UNSEEN_RESETS_MAX)
        .enable_connect_protocol();
    let connection = {
        let mut handshake = hello.handshake::<_, Bytes>(wire.clone());
        poll_fn(|cx| {
            if let Poll::Ready(result) = Pin::new(&mut handshake).poll(cx) {
                return Poll::Ready(result.ok());
            }
            let lost = matches!(wire.poll_drain(cx), Poll::Ready(Err(_)));
            if lost || worker.is_stopping() || timer.poll_due(cx).is_ready() {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    };
    let mut stalled = false;
    if let Some(connection) = connection {
        let mut serving = Serving {
            worker: &worker,
            connection,
            wire: &wire,
            timer: &timer,
            peer: Peer { address: peer, listener, tls },
            waits: None,
            written: 0,
            leaving: false,
        };
        poll_fn(|cx| serving.poll(cx)).await;
        stalled = serving.waits == Some(Wait::Reading) && wire.holds_back();
    }
    if stalled {
        // One who does not read hears no farewell.
        wire.reset_on_close();
    } else {
        farewell(&wire, &timer).await;
    }
}

/// What a connection waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Its requests, each of which has its own time.
    Requests,
    /// The rest of a head.
    Head,
    /// That the client takes what it was given.
    Reading,
    /// The next request.
    Idle,
    /// The client's good-bye.
    Farewell,
}

/// A connection with its settings exchanged.
struct Serving<'a> {
    worker: &'a Rc<Worker>,
    connection: Connection<Wire, Bytes>,
    wire: &'a Wire,
    timer: &'a Timer,
    peer: Peer,
    /// What the time that is running is for.
    waits: Option<Wait>,
    /// Bytes that had moved when it was set.
    written: u64,
    /// The client was told that no more requests are taken.
    leaving: bool,
}

impl Serving<'_> {
    /// Ready when the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wire.begin();
        loop {
            let ended = self.poll_accept(cx);
            if let Some(flood) = self.wire.flood().filter(|_| !ended) {
                self.worker.note_flood(flood, self.peer.address);
                self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                // Writes the GOAWAY; whatever else there is does not matter any more.
                let _ = self.connection.poll_closed(cx);
                return Poll::Ready(());
            }
            let lost = matches!(self.wire.poll_drain(cx), Poll::Ready(Err(_)));
            // Requests that are cut off by a stop say so themselves, as long as their connection is there.
            let stopped = self.worker.is_stopping() && self.wire.open_streams() == 0;
            if ended || lost || stopped {
                return Poll::Ready(());
            }
            if !self.leaving && self.worker.closes_idle() {
                self.leave();
                continue;
            }
            return self.poll_idle(cx);
        }
    }

    /// Takes the requests that are there; whether the connection has ended.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            match self.connection.poll_accept(cx) {
                Poll::Pending => return false,
                Poll::Ready(None) => return true,
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let stream = serve(Rc::clone(self.worker), self.peer, self.wire, request, respond);
                    // Allocation: two a request, for its task. The runtime moves a future about when it takes it up, and
                    // this one is large.
                    crate::runtime::spawn(stream);
                }
                Poll::Ready(Some(Err(error))) => {
                    match flood_of(&error, self.wire) {
                        Some(flood) => self.worker.note_flood(flood, self.peer.address),
                        None => tracing::debug!(%error, "a connection of HTTP/2 has ended"),
                    }
                    return true;
                }
            }
        }
    }

    fn leave(&mut self) {
        self.leaving = true;
        self.connection.graceful_shutdown();
    }

    /// Ready when the time for what the connection waits for is over.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeouts = &self.worker.policy().listeners[self.peer.listener].timeouts;
        let (wait, time) = if self.wire.is_inside_head() {
            (Wait::Head, timeouts.head)
        } else if self.wire.poll_without_streams(cx).is_pending() {
            (Wait::Requests, NOT_SOON)
        } else if self.connection.has_streams() || self.wire.holds_back() {
            (Wait::Reading, timeouts.body)
        } else if self.leaving {
            (Wait::Farewell, FAREWELL)
        } else {
            (Wait::Idle, timeouts.idle)
        };
        let written = self.wire.moved();
        let moves = wait == Wait::Reading && self.written != written;
        if self.waits != Some(wait) || moves {
            self.waits = Some(wait);
            self.written = written;
            self.timer.arm(time);
        }
        // Asked in any case: so that a drain or a stop wakes this task.
        if self.timer.poll_due(cx).is_pending() {
            return Poll::Pending;
        }
        if wait == Wait::Idle {
            self.leave();
            self.waits = None;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

/// Lets the last frames arrive: were the socket closed with bytes unread, the kernel would send a reset and the client
/// might never know why.
async fn farewell(wire: &Wire, timer: &Timer) {
    timer.arm(FAREWELL);
    let end = Instant::now() + FAREWELL;
    let mut left = FAREWELL_BYTES_MAX;
    poll_fn(|cx| {
        if timer.poll_due(cx).is_ready() || Instant::now() > end {
            return Poll::Ready(());
        }
        wire.poll_part(cx, &mut left)
    })
    .await;
}

/// What kind of abuse the library has seen, by the words that it sends with GOAWAY.
fn flood_of(error: &h2::Error, wire: &Wire) -> Option<Flood> {
    const WORDS: [(&str, Flood); 5] = [
        ("too_many_resets", Flood::RapidReset),
        ("too_many_internal_resets", Flood::ProvokedResets),
        ("too_many_continuations", Flood::Continuation),
        ("header_list_way_too_large", Flood::HeaderBomb),
        ("too_many_data_frames", Flood::EmptyData),
    ];
    let is_calm = error.is_library() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
    WORDS.iter().find(|(word, _)| is_calm && wire.said_at_last(word)).map(|(_, flood)| *flood)
}

/// Serves one request. Not all of it is in the future that is returned: the smaller that is, the better, for a connection
/// may have very many.
fn serve(
    worker: Rc<Worker>,
    peer: Peer,
    wire: &Wire,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) -> impl Future<Output = ()> + use<> {
    let open = wire.open_stream();
    let mut active = worker.take_small_active();
    let (parsed, stream) = begin(&worker, peer, wire.clone(), request, respond, &mut active);
    let mut client = Client {
        stream: Stream::Translated(Box::new(stream)),
        timer: worker.wheel.timer(),
        peer: peer.address,
        listener: peer.listener,
        tls: peer.tls,
    };
    async move {
        // What becomes of the stream follows from how far its answer has come; the connection goes on either way.
        match parsed {
            Ok(()) => {
                read_ahead(&mut client.stream, &mut active);
                path::serve(&worker, &mut client, &mut active).await
            }
            Err(error) => {
                // Boxed: rare.
                let error = ProxyError::RequestHead(error);
                Box::pin(path::refuse(&worker, &mut client, &mut active, error)).await
            }
        };
        drop(client);
        drop(open);
        worker.give_active(active);
    }
}

/// Brings a request's head into `active`, and its stream into the form that everything else works on.
fn begin(
    worker: &Worker,
    peer: Peer,
    wire: Wire,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    active: &mut Active,
) -> (Result<(), HeadError>, ClientStream) {
    let bounds = &worker.policy().listeners[peer.listener].bounds;
    let (head, body) = request.into_parts();
    let protocol = head.extensions.get::<h2::ext::Protocol>().map(h2::ext::Protocol::as_str);
    let key = protocol.map_or_else(String::new, |_| websocket_key(worker));
    let asked = Asked { has_body: !body.is_end_stream(), protocol, websocket_key: key.as_bytes() };
    let mut written = wire::h2::write_request(&head, asked, &mut active.input);
    if written == Err(HeadError::TooLarge) {
        active.input.grow(0);
        written = wire::h2::write_request(&head, asked, &mut active.input);
    }
    if written.is_err() {
        // For the log, which shows the start of what cannot be shown as a request.
        active.filled = put_line(&head, &mut active.input);
    }
    let shape = match written {
        Ok(RequestText { chunked: true, .. }) => Shape::Chunked,
        _ => Shape::Plain,
    };
    active.body = BodyState::Unread;
    active.head.reset();
    let limits = HeadLimits { bytes: bounds.head_bytes, fields: bounds.fields };
    let parsed = written.and_then(|text| {
        active.filled = text.length;
        match active.head.parse(&active.input[..text.length], limits)? {
            true => Ok(()),
            false => Err(HeadError::Malformed),
        }
    });
    let method = Method::of(head.method.as_str().as_bytes());
    let tunnel_key = protocol.map(|_| key.as_bytes());
    (parsed, ClientStream::new(wire, respond, body, shape, method, tunnel_key))
}

/// Writes what a head begins with, as far as it fits; returns how many bytes that are.
fn put_line(head: &http::request::Parts, out: &mut [u8]) -> usize {
    let line = format!("{} {} HTTP/2\r\n", head.method, head.uri);
    let length = line.len().min(out.len());
    out[..length].copy_from_slice(&line.as_bytes()[..length]);
    length
}

/// Takes what has come of the body already, as it comes with the head over HTTP/1: such a request can be sent again.
fn read_ahead(stream: &mut Stream, active: &mut Active) {
    let cx = &mut Context::from_waker(Waker::noop());
    // What ends this, an error too, is found again by whoever reads next.
    while stream.poll_readable(cx).is_ready() {
        if active.input.len() - active.filled < READ_AHEAD_MIN {
            active.input.grow(active.filled);
        }
        match stream.poll_read(cx, &mut active.input[active.filled..]) {
            Poll::Ready(Ok(read @ 1..)) => active.filled += read,
            _ => return,
        }
    }
}

/// RFC 6455 section 4.1: sixteen bytes by chance.
fn websocket_key(worker: &Worker) -> String {
    let mut dice = worker.dice.borrow_mut();
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = dice.below(256) as u8;
    }
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
