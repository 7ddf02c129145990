//! After `101 Switching Protocols`: bytes both ways, whatever they mean, until both sides have finished.

use super::{Active, Client};
use crate::error::ProxyError;
use crate::http::stream::Stream;
use crate::worker::{Buffer, Worker};
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::task::{Context, Poll};
use std::time::Duration;

/// After so many bytes in one direction it is the others' turn, however fast both sides are.
const TURN_BYTES: usize = 256 * 1024;

/// One direction: what was read and not yet written, and how far its end is known.
#[derive(Default)]
struct Lane {
    buffer: Option<Buffer>,
    pending: Range<usize>,
    /// The reading side has ended.
    ended: bool,
    /// The writing side has been told.
    told: bool,
    /// Bytes written.
    bytes: u64,
    /// Bytes read in this turn.
    turn: usize,
}

/// Bytes that went through a tunnel.
#[derive(Clone, Copy, Default)]
pub struct Moved {
    /// From the client to the server.
    pub up: u64,
    /// From the server to the client.
    pub down: u64,
}

/// Relays until both sides have finished, one is gone, or nothing moves for `idle`.
///
/// `active.answer` holds the 101 head, `early` what the server said behind it, and the client's buffer
/// what the client said behind its request.
///
/// # Errors
/// Why it ended otherwise than by both sides finishing.
pub async fn run(
    worker: &Worker,
    client: &mut Client,
    active: &mut Active,
    server: &mut Stream,
    early: (Option<Buffer>, Range<usize>),
    idle: Duration,
    moved: &mut Moved,
) -> Result<(), ProxyError> {
    let mut down = Lane { buffer: early.0, pending: early.1, ..Lane::default() };
    let mut up = Lane::default();
    let next = std::mem::take(&mut active.next);
    if !next.is_empty() {
        let mut buffer = Buffer::take();
        buffer[..next.len()].copy_from_slice(&active.input[next.clone()]);
        up = Lane { buffer: Some(buffer), pending: 0..next.len(), ..Lane::default() };
    }
    let mut head_sent = 0;
    client.timer.arm(idle);
    let result = poll_fn(|cx| {
        let before = up.bytes + down.bytes;
        while head_sent < active.answer.len() {
            match client.stream.poll_write(cx, &active.answer[head_sent..], &[]) {
                Poll::Ready(Ok(written)) if written > 0 => head_sent += written,
                Poll::Ready(_) => return Poll::Ready(Err(ProxyError::ClientGone)),
                Poll::Pending => break,
            }
        }
        if let Err(error) = pump(cx, &mut up, (&mut client.stream, client_gone), (server, server_gone)) {
            return Poll::Ready(Err(error));
        }
        if head_sent == active.answer.len()
            && let Err(error) = pump(cx, &mut down, (server, server_gone), (&mut client.stream, client_gone))
        {
            return Poll::Ready(Err(error));
        }
        if up.told && down.told {
            return Poll::Ready(Ok(()));
        }
        let handed_on = client.stream.has_moved() | server.has_moved();
        if handed_on || up.bytes + down.bytes != before {
            client.timer.arm(idle);
        }
        if worker.is_stopping() {
            return Poll::Ready(Err(ProxyError::Stopped));
        }
        client.timer.poll_due(cx).map(|()| Err(ProxyError::TunnelIdle))
    })
    .await;
    *moved = Moved { up: up.bytes, down: down.bytes };
    result
}

/// What it means that a side is gone.
type Gone = fn(io::Error) -> ProxyError;

fn client_gone(_: io::Error) -> ProxyError {
    ProxyError::ClientGone
}

fn server_gone(_: io::Error) -> ProxyError {
    ProxyError::ServerCut
}

/// Moves what one side says to the other, and then its end.
fn pump(
    cx: &mut Context<'_>,
    lane: &mut Lane,
    from: (&mut Stream, Gone),
    to: (&mut Stream, Gone),
) -> Result<(), ProxyError> {
    let ((from, from_gone), (to, to_gone)) = (from, to);
    lane.turn = 0;
    loop {
        while let (false, Some(buffer)) = (lane.pending.is_empty(), &lane.buffer) {
            match to.poll_write(cx, &buffer[lane.pending.clone()], &[]) {
                Poll::Ready(written) => written.and_then(|written| lane.wrote(written)).map_err(to_gone)?,
                Poll::Pending => return Ok(()),
            }
        }
        if to.poll_flush(cx).map_err(to_gone)?.is_pending() {
            return Ok(());
        }
        if lane.ended {
            if !lane.told {
                lane.told = to.poll_shutdown(cx).map_err(to_gone)?.is_ready();
            }
            return Ok(());
        }
        if lane.buffer.is_none() && from.poll_readable(cx).is_pending() {
            return Ok(());
        }
        if lane.turn >= TURN_BYTES {
            lane.buffer = None;
            cx.waker().wake_by_ref();
            return Ok(());
        }
        let buffer = lane.buffer.get_or_insert_with(Buffer::take);
        match from.poll_read(cx, buffer) {
            Poll::Ready(read) => lane.read(read.map_err(from_gone)?),
            Poll::Pending => {
                lane.buffer = None;
                return Ok(());
            }
        }
    }
}

impl Lane {
    fn wrote(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.pending.start += written;
        self.bytes += written as u64;
        Ok(())
    }

    fn read(&mut self, read: usize) {
        self.turn += read;
        self.pending = 0..read;
        self.ended = read == 0;
    }
}
