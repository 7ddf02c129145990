//! Getting a connection to a server: a kept one, or a new one in time.

use super::{Connection, shared};
use crate::error::ProxyError;
use crate::http::h2::server_stream::ServerStream;
use crate::http::stream::Stream;
use crate::runtime::{TcpStream, sleep};
use crate::tls::client::agreed_on_h2;
use crate::worker::{ServerPermit, Timer, Worker};
use http::uri::Scheme;
use policy::decide::Pick;
use policy::model::Protocol;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio_rustls::TlsConnector;

/// How long to wait for a descriptor before trying again.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(10);

/// A connection, or a stream of one, to the picked server.
///
/// With `certain`, a kept connection is asked once more whether the server has closed it: for requests that
/// could not be sent a second time.
///
/// # Errors
/// [`ProxyError::Connect`], [`ProxyError::ServerTls`], [`ProxyError::ServerWithoutH2`], [`ProxyError::ConnectTimeout`],
/// [`ProxyError::Exhausted`], or [`ProxyError::Stopped`].
pub async fn connect(
    worker: &Rc<Worker>,
    timer: &Timer,
    pick: Pick,
    timeout: Duration,
    certain: bool,
) -> Result<Connection, ProxyError> {
    let server = worker.server_number(pick);
    let pool = &worker.policy().pools[pick.pool.0];
    // Most requests find a connection, and do not carry what it takes to make one: the clock is not read, and the rest is
    // boxed.
    if pool.protocol == Protocol::H2 {
        let (lease, reused) = match worker.shared.take(server) {
            Some(lease) => (lease, true),
            None => {
                let end = Instant::now() + timeout;
                let open = || open_in_time(worker, timer, pick, end);
                Box::pin(shared::stream(worker, timer, server, end, open)).await?
            }
        };
        let scheme = if pool.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let stream = Stream::Translated(Box::new(ServerStream::new(lease, scheme)));
        return Ok(Connection { stream, reused, permit: None });
    }
    while let Some(mut kept) = worker.idle.take(server) {
        if !certain || is_open(&mut kept.stream) {
            return Ok(kept);
        }
    }
    let end = Instant::now() + timeout;
    let (stream, permit) = Box::pin(open_in_time(worker, timer, pick, end)).await?;
    Ok(Connection { stream, reused: false, permit: Some(permit) })
}

/// A new connection, once there is a descriptor for it.
async fn open_in_time(
    worker: &Worker,
    timer: &Timer,
    pick: Pick,
    end: Instant,
) -> Result<(Stream, ServerPermit), ProxyError> {
    timer.arm(end.saturating_duration_since(Instant::now()));
    loop {
        let mut opening = std::pin::pin!(open(worker, pick));
        let opened = poll_fn(|cx| {
            if let Poll::Ready(result) = opening.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            if worker.is_stopping() {
                return Poll::Ready(Err(ProxyError::Stopped));
            }
            timer.poll_due(cx).map(|()| Err(ProxyError::ConnectTimeout))
        });
        match opened.await {
            Ok(stream) => return Ok((stream, worker.descriptors.server_permit())),
            Err(ProxyError::Connect(error)) if is_exhausted(&error) => {
                if !worker.evict_one() {
                    sleep(DESCRIPTOR_WAIT).await;
                }
                if Instant::now() >= end {
                    return Err(ProxyError::Exhausted);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Over TCP, then TLS where the pool has it.
async fn open(worker: &Worker, pick: Pick) -> Result<Stream, ProxyError> {
    let pool = &worker.policy().pools[pick.pool.0];
    let tcp = TcpStream::connect(pool.servers[pick.server].address).await.map_err(ProxyError::Connect)?;
    let Some(tls) = worker.server_tls.get(pick.pool) else { return Ok(Stream::Plain(tcp)) };
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    let stream =
        connector.connect(tls.names[pick.server].clone(), tcp).await.map_err(ProxyError::ServerTls)?;
    if pool.protocol == Protocol::H2 && !agreed_on_h2(stream.get_ref().1) {
        return Err(ProxyError::ServerWithoutH2);
    }
    Ok(Stream::Tls(Box::new(stream.into())))
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
fn is_open(stream: &mut Stream) -> bool {
    use rustix::net::{RecvFlags, recv};
    let Stream::Plain(stream) = stream else { return stream.is_quiet() };
    let mut byte = [0; 1];
    recv(stream.as_fd(), &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT)
        == Err(rustix::io::Errno::AGAIN)
}
