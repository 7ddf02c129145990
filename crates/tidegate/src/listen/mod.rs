//! Accepting connections, and giving each to the worker that has least to do.
//!
//! The kernel spreads connections blindly over the workers' sockets. A worker that has clearly more than another hands a
//! new connection on before it reads a byte of it, so a connection begins from its socket alone.

use crate::runtime::{TcpListener, TcpStream, sleep, yield_now};
use crate::worker::{ClientPermit, Worker};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

/// How long accepting pauses when descriptors have run out.
const PAUSE: Duration = Duration::from_millis(20);

/// A worker hands on what it has more than another by this many connections.
const IMBALANCE: usize = 16;

/// Connections that are accepted before those that are there have their turn.
const AT_ONCE: u32 = 32;

/// How a connection came in.
pub struct Arrival {
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// Index of the listener.
    pub listener: usize,
    /// Counts its descriptor.
    pub permit: ClientPermit,
}

/// Has the kernel refuse connections from now on, for everybody who holds the socket: a client that is refused goes
/// elsewhere at once, one that waits in a queue which nobody empties does not.
pub fn refuse(socket: &TcpListener) {
    // Should this fail, the socket is none that listens.
    let _ = rustix::net::shutdown(socket.as_fd(), rustix::net::Shutdown::Read);
}

/// Accepts from one socket, for ever.
pub async fn accept_loop(worker: Rc<Worker>, listener: usize, socket: Rc<TcpListener>) {
    let mut in_a_row = 0;
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => {
                let permit = permit(&worker).await;
                place(&worker, stream, Arrival { peer, listener, permit });
                in_a_row += 1;
                if in_a_row == AT_ONCE {
                    in_a_row = 0;
                    yield_now().await;
                }
            }
            Err(error) if is_exhausted(&error) => {
                worker.note_pause();
                sleep(PAUSE).await;
            }
            // The client was gone before it was accepted, and the like: the next one may be well.
            Err(error) => tracing::debug!(%error, "a connection was not accepted"),
        }
    }
}

/// Waits until there is a descriptor for one more client. What was accepted before goes on; the kernel's queue holds the
/// rest.
async fn permit(worker: &Worker) -> ClientPermit {
    loop {
        if let Some(permit) = worker.descriptors.client_permit() {
            return permit;
        }
        // A client that is there is worth more than a connection that is kept for one.
        if !worker.evict_one() {
            worker.note_pause();
            sleep(PAUSE).await;
        }
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|known| Some(known.raw_os_error()) == error.raw_os_error())
}

/// Serves the connection here, or hands it to the worker with the fewest.
fn place(worker: &Rc<Worker>, stream: TcpStream, arrival: Arrival) {
    let peers = &worker.mailboxes;
    let least = peers.least_loaded();
    if least == worker.index || worker.wheel.alive() <= peers.load(least) + IMBALANCE {
        return worker.serve(stream, arrival);
    }
    if let Err(given) = peers.give(least, (stream.into_fd(), arrival)) {
        worker.take_over(given);
    }
}
