//! Getting a connection to a server: a kept one, or a new one in time.

use super::Connection;
use crate::error::ProxyError;
use crate::worker::{Timer, Worker};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How long to wait for a descriptor before trying again.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(10);

/// A connection to `address`, the server with that index on this worker.
///
/// With `certain`, a kept connection is asked once more whether the server has closed it: for requests that
/// could not be sent a second time.
///
/// # Errors
/// [`ProxyError::Connect`], [`ProxyError::ConnectTimeout`], [`ProxyError::Exhausted`], or [`ProxyError::Stopped`].
pub async fn connect(
    worker: &Worker,
    timer: &Timer,
    server: usize,
    address: SocketAddr,
    timeout: Duration,
    certain: bool,
) -> Result<Connection, ProxyError> {
    while let Some(kept) = worker.idle.take(server) {
        if !certain || is_open(&kept.stream) {
            return Ok(kept);
        }
    }
    let end = Instant::now() + timeout;
    loop {
        match open(worker, timer, address, end).await {
            Ok(stream) => {
                // A connection without it works too, only slower.
                let _ = stream.set_nodelay(true);
                let permit = worker.descriptors.server_permit();
                return Ok(Connection { stream, reused: false, permit });
            }
            Err(ProxyError::Connect(error)) if is_exhausted(&error) => {
                if !worker.idle.evict_one() {
                    tokio::time::sleep(DESCRIPTOR_WAIT).await;
                }
                if Instant::now() >= end {
                    return Err(ProxyError::Exhausted);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

async fn open(
    worker: &Worker,
    timer: &Timer,
    address: SocketAddr,
    end: Instant,
) -> Result<TcpStream, ProxyError> {
    timer.arm(end.saturating_duration_since(Instant::now()));
    let mut connecting = std::pin::pin!(TcpStream::connect(address));
    poll_fn(|cx| {
        if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
            return Poll::Ready(result.map_err(ProxyError::Connect));
        }
        if worker.is_stopping() {
            return Poll::Ready(Err(ProxyError::Stopped));
        }
        timer.poll_due(cx).map(|()| Err(ProxyError::ConnectTimeout))
    })
    .await
}

/// Out of descriptors or of local ports; not the server's fault.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS]
        .iter()
        .any(|known| Some(known.raw_os_error()) == errno)
}

/// Asks the kernel, which may know of a FIN that the event loop has not seen yet.
fn is_open(stream: &TcpStream) -> bool {
    use rustix::net::{RecvFlags, recv};
    let mut byte = [0; 1];
    recv(stream.as_fd(), &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT)
        == Err(rustix::io::Errno::AGAIN)
}
