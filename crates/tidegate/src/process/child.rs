//! The engine's process: takes what the supervisor hands over, runs an engine on it, and follows orders.
//!
//! Its standard input is the channel. It reads no file and binds no socket. It takes orders from the
//! supervisor only: TERM, INT and HUP, which a terminal or a service manager may send to all processes
//! alike, are left to the supervisor, which has got them too. When the channel ends, so has the supervisor,
//! and the engine drains.

use super::channel;
use super::configuration;
use super::handover::{Handover, Opened, Order, Report};
use super::memory;
use crate::engine::{Engine, Setup};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::unix::OwnedReadHalf;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// The whole life of an engine process. Only a supervisor may start it.
///
/// # Errors
/// When the channel does not work; whatever else goes wrong is reported through it.
pub fn run() -> io::Result<ExitCode> {
    let channel = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Started through a link, the process would be listed under that link's name. Cosmetic, so it may fail.
    let _ = std::fs::write("/proc/self/comm", "tidegate-engine");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        leave_signals_to_supervisor()?;
        let started = Handover::receive(&channel)
            .map_err(|error| format!("the handover failed: {error}"))
            .and_then(|(handover, opened)| start(handover, opened));
        memory::give_back();
        channel.set_nonblocking(true)?;
        let (reading, mut writing) = tokio::net::UnixStream::from_std(channel)?.into_split();
        match started {
            Ok((engine, drain)) => {
                channel::send_value(&mut writing, &Report::Ready).await?;
                follow_orders(engine, drain, reading).await
            }
            Err(reason) => {
                channel::send_value(&mut writing, &Report::Failed(reason)).await?;
                Ok(ExitCode::FAILURE)
            }
        }
    })
}

/// Builds the engine out of what was handed over.
fn start(handover: Handover, opened: Opened) -> Result<(Engine, policy::model::Drain), String> {
    let bound =
        bound_addresses(&opened.sockets).map_err(|error| format!("a socket has no address: {error}"))?;
    let prepared = configuration::rebuild(&handover, &bound)?;
    let drain = prepared.policy.drain;
    let (workers, cookie_key) = (handover.workers, handover.cookie_key);
    drop(handover);
    let setup = Setup {
        policy: prepared.policy,
        tls: prepared.tls,
        server_tls: prepared.server_tls,
        sockets: opened.sockets,
        log: opened.log,
        workers,
        cookie_key,
    };
    let engine = Engine::start(setup).map_err(|error| crate::cli::report::chain(&error))?;
    Ok((engine, drain))
}

/// The address of each listener's sockets.
fn bound_addresses(sockets: &[Vec<OwnedFd>]) -> io::Result<Vec<SocketAddr>> {
    let address = |socket: &OwnedFd| {
        let address = socket2::SockRef::from(socket).local_addr()?;
        address.as_socket().ok_or_else(|| io::Error::other("not an internet address"))
    };
    sockets.iter().flat_map(|set| set.first()).map(address).collect()
}

/// Runs the engine until it has ended, on its own account or by order.
async fn follow_orders(
    engine: Engine,
    drain: policy::model::Drain,
    reading: OwnedReadHalf,
) -> io::Result<ExitCode> {
    let engine = Arc::new(engine);
    let (ended, mut end) = oneshot::channel();
    let waited_for = Arc::clone(&engine);
    std::thread::Builder::new().name("wait".to_owned()).spawn(move || {
        waited_for.wait();
        let _ = ended.send(());
    })?;
    let (sender, mut orders) = mpsc::channel(4);
    tokio::spawn(forward_orders(reading, sender));
    let mut code = ExitCode::SUCCESS;
    loop {
        tokio::select! {
            _ = &mut end => return Ok(code),
            Some(order) = orders.recv() => match order {
                Order::Drain => engine.drain(drain),
                Order::Stop => {
                    code = ExitCode::FAILURE;
                    engine.stop();
                }
            }
        }
    }
}

/// Receiving a message cannot be interrupted half-way, so it has a task of its own.
async fn forward_orders(mut reading: OwnedReadHalf, orders: mpsc::Sender<Order>) {
    while let Ok(order) = channel::receive_value(&mut reading).await {
        if orders.send(order).await.is_err() {
            return;
        }
    }
    // The supervisor is gone, and with it the only one who could tell us to end.
    let _ = orders.send(Order::Drain).await;
}

/// Takes note of the signals that usually end a process, and does nothing.
fn leave_signals_to_supervisor() -> io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        // Once registered, the default action stays replaced for the life of the process.
        drop(signal(kind)?);
    }
    Ok(())
}
