//! One client's connection of HTTP/2: its settings, its streams, and the way out.
//!
//! Each request is a task of its own, which sees nothing of the others. The task here moves frames: it accepts
//! streams, writes what all of them have to say at once, and ends the connection when it is idle, drained or abusive.

use super::client_stream::ClientStream;
use super::flood::FrameWatch;
use super::session::{Bounds, Code, Fault, Opened, Session};
use super::source::Shape;
use crate::error::ProxyError;
use crate::http::h1::{Active, BodyState, Client};
use crate::http::stream::Stream;
use crate::path;
use crate::worker::{Buffer, Timer, Worker};
use base64::Engine as _;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use wire::h1::{Framing, HeadError, HeadLimits};
use wire::h2::Refusal;

/// So many bytes are read in one turn, before those who are to have them have theirs.
const TURN_BYTES: usize = 8 * 1024;

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
    let bounds = Bounds { head_bytes: rules.bounds.head_bytes, streams: rules.bounds.streams };
    let session = Session::new(stream, early, FrameWatch::new(Rc::clone(&worker.wheel)), bounds);
    let mut serving = Serving {
        worker: &worker,
        session: &session,
        timer: &timer,
        peer: Peer { address: peer, listener, tls },
        waits: None,
        written: 0,
        last: 0,
        leaving: false,
    };
    poll_fn(|cx| serving.poll(cx)).await;
    let waits = serving.waits;
    session.state().close();
    if waits == Some(Wait::Reading) && session.state().holds_back() {
        // One who does not read hears no farewell.
        session.state().reset_on_close();
    } else {
        farewell(&session, &timer).await;
    }
}

/// What a connection waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Its requests, each of which has its own time.
    Requests,
    /// The rest of a head, or of its greeting.
    Head,
    /// That the client takes what it was given.
    Reading,
    /// The next request.
    Idle,
    /// The client's good-bye.
    Farewell,
}

/// A connection that is served.
struct Serving<'a> {
    worker: &'a Rc<Worker>,
    session: &'a Session,
    timer: &'a Timer,
    peer: Peer,
    /// What the time that is running is for.
    waits: Option<Wait>,
    /// Bytes that the client had been given when it was set.
    written: u64,
    /// The last stream that there was then.
    last: u32,
    /// The client was told that no more requests are taken.
    leaving: bool,
}

impl Serving<'_> {
    /// Ready when the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.session.state().begin(cx);
            let ended = self.poll_frames(cx);
            let mut state = self.session.state();
            let lost = matches!(state.poll_drain(cx), Poll::Ready(Err(_)));
            // Requests that are cut off by a stop say so themselves, as long as their connection is there.
            let stopped = self.worker.is_stopping() && self.session.open_streams() == 0;
            if ended || lost || stopped {
                return Poll::Ready(());
            }
            if state.is_over() {
                if !self.leaving {
                    state.say_goodbye(Code::NO_ERROR, "");
                }
                return Poll::Ready(());
            }
            drop(state);
            if !self.leaving && self.worker.closes_idle() {
                self.leave();
                continue;
            }
            return self.poll_idle(cx);
        }
    }

    /// Reads and does what the client says; whether the connection has ended.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> bool {
        let mut buffer = Buffer::take();
        // With the first request nobody else waits for this connection yet: whoever begins with a flood is seen through
        // before anything is done for it.
        let mut left = if self.session.open_streams() == 0 { buffer.len() } else { TURN_BYTES };
        loop {
            let filled = match self.session.poll_read(cx, &mut buffer, left) {
                Poll::Pending => return false,
                Poll::Ready(Ok(filled)) if filled > 0 => filled,
                Poll::Ready(_) => return true,
            };
            if let Err(fault) = self.receive(&buffer[..filled]) {
                self.fail(fault);
                return true;
            }
            left = left.saturating_sub(filled);
            if left == 0 {
                cx.waker().wake_by_ref();
                return false;
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut at = 0;
        loop {
            let (used, opened) = self.session.state().receive(&bytes[at..], self.session.open_streams())?;
            at += used;
            let Some(opened) = opened else { break };
            self.open(opened)?;
        }
        self.session.state().keep(&bytes[at..]);
        Ok(())
    }

    /// Ends the connection for what the client has done.
    fn fail(&self, fault: Fault) {
        let word = match fault.flood {
            Some(flood) => {
                self.worker.note_flood(flood, self.peer.address);
                flood.reason()
            }
            None => {
                tracing::debug!(code = fault.code.0, "a connection of HTTP/2 has ended");
                ""
            }
        };
        self.session.state().say_goodbye(fault.code, word);
    }

    /// Begins to serve the request whose head has come.
    fn open(&self, opened: Opened) -> Result<(), Fault> {
        let Some((request, stream)) = self.begin(opened)? else { return Ok(()) };
        let serving = serve(Rc::clone(self.worker), self.peer, self.session, request, stream);
        // Allocation: for its task.
        crate::runtime::spawn(serving);
        Ok(())
    }

    /// Brings a request's head into storage of its own, and its stream into the form that everything else works on. `None`
    /// where the stream was reset instead.
    fn begin(&self, opened: Opened) -> Result<Option<(Begun, ClientStream)>, Fault> {
        let bounds = &self.worker.policy().listeners[self.peer.listener].bounds;
        let limits = HeadLimits { bytes: bounds.head_bytes, fields: bounds.fields };
        let mut state = self.session.state();
        let key = state.incoming.is_extended().then(|| websocket_key(self.worker));
        let key = key.as_deref().map(str::as_bytes);
        let mut active = self.worker.take_small_active();
        active.body = BodyState::Unread;
        let finished =
            state.incoming.finish(opened.has_body, key.unwrap_or_default(), &mut active.head, limits);
        let mut length = None;
        let mut shape = Shape::Plain;
        let parsed = match finished {
            Ok(text) => {
                put(state.incoming.text(), &mut active);
                if let Framing::Length(bytes) = active.head.framing {
                    length = Some(bytes);
                }
                if text.chunked {
                    shape = Shape::Chunked;
                }
                Ok(())
            }
            Err(Refusal::Head(error)) => {
                // For the log, which shows the start of what cannot be shown as a request.
                let mut start = Vec::new();
                state.incoming.put_start(&mut start);
                put(&start, &mut active);
                Err(error)
            }
            Err(refusal) => {
                self.worker.give_active(active);
                return match refusal {
                    Refusal::Abuse => Err(super::flood::Flood::HeaderBomb.into()),
                    Refusal::Bytes => Err(Code::PROTOCOL_ERROR.into()),
                    _ => state.refuse(opened.stream, Code::PROTOCOL_ERROR).map(|()| None),
                };
            }
        };
        if !opened.has_body && length.is_some_and(|length| length > 0) {
            self.worker.give_active(active);
            return state.refuse(opened.stream, Code::PROTOCOL_ERROR).map(|()| None);
        }
        let cell = state.open(opened.stream, length, opened.has_body);
        let stream = ClientStream::new(self.session.clone(), cell, shape, active.head.method, key);
        Ok(Some((Begun { active, parsed }, stream)))
    }

    fn leave(&mut self) {
        self.leaving = true;
        self.session.state().leave();
    }

    /// Ready when the time for what the connection waits for is over.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeouts = &self.worker.policy().listeners[self.peer.listener].timeouts;
        let state = self.session.state();
        let (wait, time) = if state.is_inside_head() || !state.is_settled() {
            (Wait::Head, timeouts.head)
        } else if self.session.open_streams() > 0 {
            (Wait::Requests, NOT_SOON)
        } else if state.holds_back() {
            (Wait::Reading, timeouts.body)
        } else if self.leaving {
            (Wait::Farewell, FAREWELL)
        } else {
            (Wait::Idle, timeouts.idle)
        };
        // What the client says meanwhile does not show that it reads.
        let (written, last) = (state.written(), state.last());
        drop(state);
        // Each head has a time of its own, also where one follows another without a pause.
        let moves =
            wait == Wait::Reading && self.written != written || wait == Wait::Head && self.last != last;
        if self.waits != Some(wait) || moves {
            self.waits = Some(wait);
            (self.written, self.last) = (written, last);
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

/// A request's storage, and what was made of its head.
struct Begun {
    active: Box<Active>,
    parsed: Result<(), HeadError>,
}

/// Puts a head, or the start of what is none, where heads are.
fn put(text: &[u8], active: &mut Active) {
    if text.len() > active.input.len() {
        active.input.grow(0);
    }
    let length = text.len().min(active.input.len());
    active.input[..length].copy_from_slice(&text[..length]);
    active.filled = length;
}

/// Lets the last frames arrive: were the socket closed with bytes unread, the kernel would send a reset and the client
/// might never know why.
async fn farewell(session: &Session, timer: &Timer) {
    timer.arm(FAREWELL);
    let end = Instant::now() + FAREWELL;
    let mut left = FAREWELL_BYTES_MAX;
    poll_fn(|cx| {
        if timer.poll_due(cx).is_ready() || Instant::now() > end {
            return Poll::Ready(());
        }
        session.poll_part(cx, &mut left)
    })
    .await;
}

/// Serves one request. Not all of it is in the future that is returned: the smaller that is, the better, for a connection
/// may have very many.
fn serve(
    worker: Rc<Worker>,
    peer: Peer,
    session: &Session,
    request: Begun,
    stream: ClientStream,
) -> impl Future<Output = ()> + use<> {
    let open = session.open_stream();
    let cell = Rc::clone(stream.cell());
    let Begun { mut active, parsed } = request;
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
            // Taken back, or found wrong, before its turn came: nobody has seen it, and nothing is done for it.
            _ if cell.cut_code().is_some() => {}
            Ok(()) => {
                read_ahead(&mut client.stream, &mut active);
                path::serve(&worker, &mut client, &mut active).await;
            }
            Err(error) => {
                // Boxed: rare.
                let error = ProxyError::RequestHead(error);
                Box::pin(path::refuse(&worker, &mut client, &mut active, error)).await;
            }
        }
        drop(client);
        drop(open);
        worker.give_active(active);
    }
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
