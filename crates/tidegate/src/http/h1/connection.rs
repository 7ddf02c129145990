//! One client's connection: handshake, then request after request, then the way out.
//!
//! While nothing is on its way the connection holds no buffer and its task is small; what a request
//! needs is in a future of its own, made when its first byte arrives.

use super::{Active, AddressText, BodyState, Client};
use crate::error::ProxyError;
use crate::http::h2;
use crate::http::stream::Stream;
use crate::listen::Arrival;
use crate::path::{self, After};
use crate::runtime::TcpStream;
use crate::tls::TlsStream;
use crate::worker::{DRAIN_FIRST_BYTE, Timer, Worker};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use wire::h1::HeadLimits;

/// How long a client may go on sending after an early answer, so that it can read that answer.
const LINGER_TOTAL: Duration = Duration::from_secs(10);
/// How long it may pause meanwhile.
const LINGER_IDLE: Duration = Duration::from_secs(2);

/// Serves one connection until it ends.
pub async fn run(worker: Rc<Worker>, tcp: TcpStream, arrival: Arrival) {
    let timer = worker.wheel.timer();
    let Arrival { peer, listener, permit: _permit } = arrival;
    let policy = worker.policy();
    let rules = &policy.listeners[listener];
    let stream = if rules.tls {
        timer.arm(rules.timeouts.handshake);
        match handshake(&worker, tcp, listener, &timer).await {
            Some(stream) => stream,
            None => return,
        }
    } else {
        Stream::Plain(tcp)
    };
    let tls = rules.tls;
    let mut client = Client { stream, timer, peer, peer_text: AddressText::new(peer.ip()), listener, tls };
    let mut early = Vec::new();
    if rules.protocols.h2 {
        let version = match client.stream.agreed_on_h2() {
            Some(true) => Version::Http2,
            Some(false) if rules.protocols.h1 => Version::Http1,
            None if rules.protocols.h1 => match by_preface(&worker, &mut client, &mut early).await {
                Some(version) => version,
                None => return,
            },
            // Known beforehand, for there is nothing else to speak.
            _ => Version::Http2,
        };
        if version == Version::Http2 {
            // Boxed, so that connections of HTTP/1 do not carry what HTTP/2 needs.
            return Box::pin(h2::connection::run(worker, client, early)).await;
        }
    }
    let mut phase = Phase::Fresh;
    loop {
        if early.is_empty() && !first_byte(&worker, &mut client, phase).await {
            // Best effort: TLS says that nothing is missing.
            if client.tls {
                close(&mut client).await;
            }
            break;
        }
        // Allocation: one per burst of requests; in exchange an idle connection does not carry it.
        match Box::pin(burst(&worker, &mut client, std::mem::take(&mut early))).await {
            After::KeepAlive => phase = Phase::Kept,
            After::Waiting if phase == Phase::Begun => {}
            After::Waiting => {
                phase = Phase::Begun;
                client.timer.arm(rules.timeouts.head);
            }
            After::Close => {
                close(&mut client).await;
                break;
            }
            After::Linger => {
                linger(&mut client).await;
                break;
            }
            After::Reset => {
                client.stream.reset_on_close();
                break;
            }
        }
    }
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

async fn handshake(worker: &Worker, tcp: TcpStream, listener: usize, timer: &Timer) -> Option<Stream> {
    let config = worker.tls.get(listener).cloned()?;
    // Boxed, so that connections do not carry what only their handshake needs.
    let mut accept = Box::pin(TlsStream::accept(config, tcp));
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
        Some(Ok(stream)) => Some(Stream::Tls(stream)),
        Some(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        None => None,
    }
}

/// Waits for a request to begin, without holding a buffer; `false` when the connection is to end.
async fn first_byte(worker: &Worker, client: &mut Client, phase: Phase) -> bool {
    let idle = worker.policy().listeners[client.listener].timeouts.idle;
    let mut draining = false;
    if phase != Phase::Begun {
        client.timer.arm(idle);
    }
    let fresh = phase == Phase::Fresh;
    poll_fn(|cx| {
        if fresh && worker.closes_idle() && !draining {
            // Accepted in the last moment; its request is on the way.
            draining = true;
            client.timer.arm(idle.min(DRAIN_FIRST_BYTE));
        }
        // Before looking for bytes: one who drips them in would never be late.
        if phase == Phase::Begun && client.timer.poll_due(cx).is_ready() {
            return Poll::Ready(false);
        }
        if client.stream.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        if client.timer.poll_due(cx).is_ready() || (!fresh && worker.closes_idle()) {
            return Poll::Ready(false);
        }
        Poll::Pending
    })
    .await
}

/// What a client speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// Reads as much as it takes to tell the preface of HTTP/2 (RFC 9113 section 3.4) from a request of HTTP/1, into `early`;
/// `None` when the connection is to end.
async fn by_preface(worker: &Worker, client: &mut Client, early: &mut Vec<u8>) -> Option<Version> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if !first_byte(worker, client, Phase::Fresh).await {
        return None;
    }
    client.timer.arm(worker.policy().listeners[client.listener].timeouts.head);
    poll_fn(|cx| {
        loop {
            let known = early.len().min(PREFACE.len());
            if early[..known] != PREFACE[..known] {
                return Poll::Ready(Some(Version::Http1));
            }
            if known == PREFACE.len() {
                return Poll::Ready(Some(Version::Http2));
            }
            let mut piece = [0; PREFACE.len()];
            match client.stream.poll_read(cx, &mut piece[known..]) {
                Poll::Ready(Ok(read)) if read > 0 => early.extend_from_slice(&piece[known..known + read]),
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending if worker.is_stopping() || client.timer.poll_due(cx).is_ready() => {
                    return Poll::Ready(None);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// Serves requests until none is waiting.
async fn burst(worker: &Rc<Worker>, client: &mut Client, early: Vec<u8>) -> After {
    let mut active = worker.take_active();
    active.input[..early.len()].copy_from_slice(&early);
    active.filled = early.len();
    let mut served = false;
    let after = loop {
        match read_head(worker, client, &mut active).await {
            Head::Complete => {}
            Head::Nothing => break After::Close,
            Head::NotYet if served => break After::KeepAlive,
            Head::NotYet => break After::Waiting,
            Head::Bad(error) => break path::refuse(worker, client, &mut active, error).await,
        }
        served = true;
        match path::serve(worker, client, &mut active).await {
            After::KeepAlive if active.advance() => {}
            After::Close if may_send_more(client, &active) => break After::Linger,
            after => break after,
        }
    };
    worker.give_active(active);
    after
}

/// Whether the client may be sending still: it does not know yet that the connection ends here, or has more on the way.
fn may_send_more(client: &mut Client, active: &Active) -> bool {
    active.head.keep_alive
        || !active.next.is_empty()
        || client.stream.poll_readable(&mut Context::from_waker(Waker::noop())).is_ready()
}

enum Head {
    Complete,
    /// The client closed between two requests.
    Nothing,
    /// Readable, but without a byte for us (a part of a TLS record, or one of another kind; an empty line).
    NotYet,
    Bad(ProxyError),
}

/// Reads until a head is whole.
async fn read_head(worker: &Worker, client: &mut Client, active: &mut Active) -> Head {
    let rules = &worker.policy().listeners[client.listener];
    let limits = HeadLimits { bytes: rules.bounds.head_bytes, fields: rules.bounds.fields };
    active.head.reset();
    active.body = BodyState::Unread;
    let mut armed = false;
    poll_fn(|cx| {
        loop {
            if active.input[..active.filled] == *b"\r\n" {
                // RFC 9112 section 2.2: some clients end a body so.
                active.filled = 0;
            }
            if active.filled > 0 {
                match active.head.parse(&active.input[..active.filled], limits) {
                    Ok(true) => return Poll::Ready(Head::Complete),
                    Ok(false) => {}
                    Err(error) => return Poll::Ready(Head::Bad(ProxyError::RequestHead(error))),
                }
                if !armed {
                    client.timer.arm(rules.timeouts.head);
                    armed = true;
                }
            }
            match client.stream.poll_read(cx, &mut active.input[active.filled..]) {
                Poll::Ready(Ok(read)) if read > 0 => active.filled += read,
                Poll::Ready(_) if active.filled == 0 => return Poll::Ready(Head::Nothing),
                Poll::Ready(_) => return Poll::Ready(Head::Bad(ProxyError::ClientGone)),
                Poll::Pending if active.filled == 0 => return Poll::Ready(Head::NotYet),
                Poll::Pending if client.timer.poll_due(cx).is_ready() => {
                    return Poll::Ready(Head::Bad(ProxyError::HeadTimeout));
                }
                Poll::Pending if worker.is_stopping() => return Poll::Ready(Head::Bad(ProxyError::Stopped)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
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
