//! One client's connection: handshake, then request after request, then the way out.
//!
//! Most connections are idle most of the time, so what an idle one holds is small: the state here. What is at work is in
//! a future of its own, made when the first byte arrives and freed soon after the last answer.

use super::burst::{burst, is_told_all};
use super::{Client, burst};
use crate::http::h2;
use crate::http::stream::Stream;
use crate::listen::Arrival;
use crate::path::After;
use crate::runtime::TcpStream;
use crate::worker::{ClientPermit, DRAIN_FIRST_BYTE, Timer, Worker};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// How long a client may go on sending after an early answer, so that it can read that answer.
const LINGER_TOTAL: Duration = Duration::from_secs(10);
/// How long it may pause meanwhile.
const LINGER_IDLE: Duration = Duration::from_secs(2);

/// A client's connection, until it ends.
pub struct Connection {
    worker: Rc<Worker>,
    state: State,
    _permit: ClientPermit,
}

enum State {
    /// Nothing is on its way.
    Idle(Idle),
    /// Something is; gives back what it leaves idle.
    Busy(Pin<Box<dyn Future<Output = Option<Idle>>>>),
    Ended,
}

/// A connection without a request.
struct Idle {
    client: Client,
    phase: Phase,
    /// Accepted in the last moment, it has little time.
    is_late: bool,
}

/// What a connection without a request has behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing; its first request is on the way.
    Fresh,
    /// A request that was answered.
    Kept,
    /// A part of a TLS record, or an empty line: the time for a head is running, and what else comes does not set it
    /// anew.
    Begun,
}

impl Connection {
    /// One that was just accepted.
    pub fn new(worker: Rc<Worker>, tcp: TcpStream, arrival: Arrival) -> Connection {
        let Arrival { peer, listener, permit } = arrival;
        let timer = worker.wheel.timer();
        let state = if worker.policy().listeners[listener].tls {
            State::Busy(Box::pin(begin_tls(Rc::clone(&worker), tcp, timer, peer, listener)))
        } else {
            let client = Client { stream: Stream::Plain(tcp), timer, peer, listener, tls: false };
            // Its first request is likely there already: looked for before the kernel is asked to watch for it.
            State::Busy(Box::pin(serve(Rc::clone(&worker), Idle::new(client))))
        };
        Connection { worker, state, _permit: permit }
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Connection { worker, state, .. } = &mut *self;
        loop {
            match state {
                State::Busy(busy) => match ready!(busy.as_mut().poll(cx)) {
                    Some(idle) => {
                        idle.arm(worker);
                        *state = State::Idle(idle);
                    }
                    None => *state = State::Ended,
                },
                State::Idle(idle) => {
                    let begins = ready!(idle.poll_first_byte(worker, cx));
                    let State::Idle(idle) = std::mem::replace(state, State::Ended) else { continue };
                    if begins {
                        // Allocation: one per burst of requests; in exchange an idle connection does not carry it.
                        *state = State::Busy(Box::pin(serve(Rc::clone(worker), idle)));
                    } else if idle.client.tls {
                        *state = State::Busy(Box::pin(leave(idle.client)));
                    }
                }
                State::Ended => return Poll::Ready(()),
            }
        }
    }
}

impl Idle {
    fn new(client: Client) -> Idle {
        Idle { client, phase: Phase::Fresh, is_late: false }
    }

    /// Sets the time until when the next request is to begin.
    fn arm(&self, worker: &Worker) {
        let idle = worker.policy().listeners[self.client.listener].timeouts.idle;
        match self.phase {
            Phase::Fresh => self.client.timer.arm(idle),
            Phase::Kept => self.client.timer.arm(idle.saturating_sub(burst::SOON)),
            Phase::Begun => {}
        }
    }

    /// Waits for a request to begin, without holding a buffer; `false` when the connection is to end.
    fn poll_first_byte(&mut self, worker: &Worker, cx: &mut Context<'_>) -> Poll<bool> {
        let Idle { client, phase, is_late } = self;
        let fresh = *phase == Phase::Fresh;
        if fresh && worker.closes_idle() && !*is_late {
            // Its request is on the way.
            *is_late = true;
            let idle = worker.policy().listeners[client.listener].timeouts.idle;
            client.timer.arm(idle.min(DRAIN_FIRST_BYTE));
        }
        // Before looking for bytes: one who drips them in would never be late.
        if *phase == Phase::Begun && client.timer.poll_due(cx).is_ready() {
            return Poll::Ready(false);
        }
        if client.stream.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        if client.timer.poll_due(cx).is_ready() || (!fresh && worker.closes_idle()) {
            return Poll::Ready(false);
        }
        Poll::Pending
    }
}

/// Makes the handshake of TLS.
async fn begin_tls(
    worker: Rc<Worker>,
    tcp: TcpStream,
    timer: Timer,
    peer: SocketAddr,
    listener: usize,
) -> Option<Idle> {
    let rules = &worker.policy().listeners[listener];
    timer.arm(rules.timeouts.handshake);
    let stream = handshake(&worker, tcp, listener, &timer).await?;
    let client = Client { stream, timer, peer, listener, tls: true };
    if version_agreed_on(&worker, &client) == Some(Version::Http2) {
        Box::pin(h2::connection::run(worker, client, Vec::new())).await;
        return None;
    }
    Some(Idle::new(client))
}

async fn handshake(worker: &Worker, tcp: TcpStream, listener: usize, timer: &Timer) -> Option<Stream> {
    let config = worker.tls.get(listener).cloned()?;
    let mut accept = Box::pin(tokio_rustls::TlsAcceptor::from(config).accept(tcp));
    let result = poll_fn(|cx| {
        if let Poll::Ready(result) = accept.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        if worker.is_stopping() || timer.poll_due(cx).is_ready() {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await;
    match result {
        Some(Ok(stream)) => Some(Stream::Tls(Box::new(stream.into()))),
        Some(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        None => None,
    }
}

/// What a client speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// The version that is known before the client's first byte; `None` where that byte tells.
fn version_agreed_on(worker: &Worker, client: &Client) -> Option<Version> {
    let protocols = &worker.policy().listeners[client.listener].protocols;
    match client.stream.agreed_on_h2() {
        _ if !protocols.h2 => Some(Version::Http1),
        Some(true) => Some(Version::Http2),
        _ if !protocols.h1 => Some(Version::Http2),
        Some(false) => Some(Version::Http1),
        None => None,
    }
}

/// Serves what comes, until nothing does for a while; gives the connection back if it lives on.
async fn serve(worker: Rc<Worker>, idle: Idle) -> Option<Idle> {
    let Idle { mut client, phase, is_late } = idle;
    let mut early = Vec::new();
    if phase == Phase::Fresh {
        let version = match version_agreed_on(&worker, &client) {
            Some(version) => version,
            None => match by_preface(&worker, &mut client, &mut early).await {
                Preface::Of(version) => version,
                Preface::NotYet => return Some(Idle { client, phase, is_late }),
                Preface::Never => return None,
            },
        };
        if version == Version::Http2 {
            // Boxed, so that connections of HTTP/1 do not carry what HTTP/2 needs.
            Box::pin(h2::connection::run(worker, client, early)).await;
            return None;
        }
    }
    let phase = match burst(&worker, &mut client, early).await {
        After::KeepAlive => Phase::Kept,
        After::Waiting { heard: false } => phase,
        After::Waiting { heard: true } => {
            if phase != Phase::Begun {
                client.timer.arm(worker.policy().listeners[client.listener].timeouts.head);
            }
            Phase::Begun
        }
        After::Close => {
            // All that it has sent was read, so that a plain close is FIN and no reset.
            if client.tls {
                close(&mut client).await;
            }
            return None;
        }
        After::Linger => {
            linger(&mut client).await;
            return None;
        }
        After::Reset => {
            client.stream.reset_on_close();
            return None;
        }
    };
    Some(Idle { client, phase, is_late })
}

/// What a client's first bytes say.
enum Preface {
    Of(Version),
    /// None has come.
    NotYet,
    /// The connection is to end.
    Never,
}

/// Reads as much as it takes to tell the preface of HTTP/2 (RFC 9113 section 3.4) from a request of HTTP/1, into `early`.
async fn by_preface(worker: &Worker, client: &mut Client, early: &mut Vec<u8>) -> Preface {
    // A usual request is read whole.
    const EARLY_BYTES: usize = 2048;
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let head = worker.policy().listeners[client.listener].timeouts.head;
    let mut is_armed = false;
    poll_fn(|cx| {
        loop {
            let known = early.len().min(PREFACE.len());
            if early[..known] != PREFACE[..known] {
                return Poll::Ready(Preface::Of(Version::Http1));
            }
            if known == PREFACE.len() {
                return Poll::Ready(Preface::Of(Version::Http2));
            }
            let mut piece = [0; EARLY_BYTES];
            match client.stream.poll_read(cx, &mut piece) {
                Poll::Ready(Ok(read)) if read > 0 => early.extend_from_slice(&piece[..read]),
                Poll::Ready(_) => return Poll::Ready(Preface::Never),
                Poll::Pending if early.is_empty() && is_told_all(client) => {
                    return Poll::Ready(Preface::NotYet);
                }
                Poll::Pending => {
                    if !std::mem::replace(&mut is_armed, true) {
                        client.timer.arm(head);
                    }
                    if worker.is_stopping() || client.timer.poll_due(cx).is_ready() {
                        return Poll::Ready(Preface::Never);
                    }
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

/// Says farewell: TLS says that nothing is missing. Best effort.
async fn leave(mut client: Client) -> Option<Idle> {
    close(&mut client).await;
    None
}

/// Says farewell properly: what was written arrives, and TLS gets its `close_notify`.
async fn close(client: &mut Client) {
    client.timer.arm(LINGER_IDLE);
    poll_fn(|cx| {
        if client.stream.poll_shutdown(cx).is_ready() || client.timer.poll_due(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

/// Closes our side and reads on for a while: were the socket closed with bytes unread, the kernel would
/// send a reset and the client might lose the answer (RFC 9112 section 9.6).
async fn linger(client: &mut Client) {
    close(client).await;
    let end = Instant::now() + LINGER_TOTAL;
    let mut waste = crate::worker::Buffer::take();
    client.timer.arm(LINGER_IDLE);
    poll_fn(|cx| {
        loop {
            match client.stream.poll_read(cx, &mut waste) {
                Poll::Ready(Ok(read)) if read > 0 && Instant::now() < end => {
                    client.timer.arm(LINGER_IDLE);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        client.timer.poll_due(cx)
    })
    .await;
}
