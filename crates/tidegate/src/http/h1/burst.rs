//! Requests in a row on one connection: their heads, and what follows from each.

use super::{Active, BodyState, Client};
use crate::error::ProxyError;
use crate::http::stream::Stream;
use crate::path::{self, After};
use crate::worker::{TICK, Worker};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use wire::h1::HeadLimits;

/// A request that begins so soon after the last answer belongs to the burst: while clients are busy nothing is made and
/// freed for each of their requests.
pub const SOON: Duration = TICK;

/// Serves requests until none is waiting, nor comes soon. The first begins with `early`.
pub async fn burst(worker: &Rc<Worker>, client: &mut Client, early: Vec<u8>) -> After {
    let mut early = early;
    loop {
        let mut active = worker.take_active();
        active.input[..early.len()].copy_from_slice(&early);
        active.filled = early.len();
        early = Vec::new();
        let after = requests(worker, client, &mut active).await;
        // Not held while nothing is on its way.
        worker.give_active(active);
        if after != After::KeepAlive || !comes_soon(worker, client).await {
            return after;
        }
    }
}

/// Serves those that are there.
async fn requests(worker: &Rc<Worker>, client: &mut Client, active: &mut Active) -> After {
    let mut served = false;
    loop {
        match read_head(worker, client, active).await {
            Head::Complete => {}
            Head::Nothing => return After::Close,
            Head::NotYet { .. } if served => return After::KeepAlive,
            Head::NotYet { heard } => return After::Waiting { heard },
            Head::Bad(error) => return path::refuse(worker, client, active, error).await,
        }
        served = true;
        match path::serve(worker, client, active).await {
            After::KeepAlive if active.advance() => {}
            After::Close if may_send_more(client, active) => return After::Linger,
            after => return after,
        }
    }
}

/// Waits a little for the next request; whether it begins.
async fn comes_soon(worker: &Worker, client: &mut Client) -> bool {
    let idle = worker.policy().listeners[client.listener].timeouts.idle;
    client.timer.arm(idle.min(SOON));
    poll_fn(|cx| {
        if client.stream.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        if worker.closes_idle() || client.timer.poll_due(cx).is_ready() {
            return Poll::Ready(false);
        }
        Poll::Pending
    })
    .await
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
    /// Without a byte for us.
    NotYet {
        /// Yet something has come: a part of a TLS record, or one of another kind; an empty line.
        heard: bool,
    },
    Bad(ProxyError),
}

/// Whether a read that gave nothing means that nothing has come. In TLS a part of a record may have.
pub fn is_told_all(client: &Client) -> bool {
    matches!(client.stream, Stream::Plain(_))
}

/// Reads until a head is whole.
async fn read_head(worker: &Worker, client: &mut Client, active: &mut Active) -> Head {
    let rules = &worker.policy().listeners[client.listener];
    let limits = HeadLimits { bytes: rules.bounds.head_bytes, fields: rules.bounds.fields };
    active.head.reset();
    active.body = BodyState::Unread;
    let mut armed = false;
    let mut heard = !is_told_all(client);
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
                Poll::Ready(Ok(read)) if read > 0 => {
                    active.filled += read;
                    heard = true;
                }
                Poll::Ready(_) if active.filled == 0 => return Poll::Ready(Head::Nothing),
                Poll::Ready(_) => return Poll::Ready(Head::Bad(ProxyError::ClientGone)),
                Poll::Pending if active.filled == 0 => return Poll::Ready(Head::NotYet { heard }),
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
