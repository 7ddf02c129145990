//! Active health checks, on a thread of their own, so that no busy worker delays one.
//!
//! Servers start as failed-unknown. The first result decides at once, and the engine waits for it before it takes traffic;
//! afterwards `rise` successes or `fall` failures in a row change a server's state.
//!
//! A check speaks what its pool speaks, over TLS where the pool has TLS, on a connection of its own.

mod grpc;
mod http1;
mod http2;
mod probe;
mod reason;
mod target;

use crate::state::PoolCells;
use crate::tls::client::ClientConfigs;
use policy::decide::Dice;
use policy::model::{Health, Policy, PoolId};
use probe::{Verdict, probe};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use target::Target;
use tokio::sync::oneshot;

/// The thread that checks.
pub struct Checker {
    thread: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    /// Says so once for each server whose first check is over.
    first: Receiver<()>,
    servers: usize,
    slowest: Duration,
}

/// One server that is checked.
struct Checked {
    pool: String,
    server: String,
    target: Target,
    health: Health,
    cell: Arc<crate::state::ServerCell>,
}

/// How a server has been doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Streak {
    known: bool,
    up: bool,
    /// Results in a row that speak against the present state.
    against: u32,
}

impl Streak {
    /// Takes a result in; says whether the state changes.
    fn note(&mut self, success: bool, health: &Health) -> bool {
        if !self.known {
            *self = Streak { known: true, up: success, against: 0 };
            return true;
        }
        if success == self.up {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let needed = if success { health.rise } else { health.fall };
        if self.against < needed {
            return false;
        }
        *self = Streak { known: true, up: success, against: 0 };
        true
    }
}

impl Checker {
    /// Starts checking all servers of pools with health checks; `None` when there are none.
    ///
    /// # Errors
    /// When no thread or runtime can be had.
    pub fn start(
        policy: &Policy,
        cells: &[PoolCells],
        server_tls: &ClientConfigs,
        seed: u64,
    ) -> io::Result<Option<Checker>> {
        let checked = checked(policy, cells, server_tls);
        if checked.is_empty() {
            return Ok(None);
        }
        let servers = checked.len();
        let slowest = checked.iter().map(|checked| checked.health.timeout).max().unwrap_or_default();
        let (first_sender, first) = sync_channel(servers);
        let (stop, stopped) = oneshot::channel();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build()?;
        let thread = std::thread::Builder::new().name("health".into()).spawn(move || {
            let local = tokio::task::LocalSet::new();
            for (number, checked) in checked.into_iter().enumerate() {
                local.spawn_local(watch(checked, seed ^ number as u64, first_sender.clone()));
            }
            // Either way it is time to stop.
            let _ = local.block_on(&runtime, stopped);
        })?;
        Ok(Some(Checker { thread, stop, first, servers, slowest }))
    }

    /// Waits until each server has had its first check; not longer than the slowest check may take.
    pub fn first_round(&self) {
        let end = std::time::Instant::now() + self.slowest + Duration::from_millis(500);
        for _ in 0..self.servers {
            let left = end.saturating_duration_since(std::time::Instant::now());
            if self.first.recv_timeout(left).is_err() {
                return;
            }
        }
    }

    /// Ends the checks.
    pub fn stop(self) {
        // An error means that it has ended already.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the health checks have panicked");
        }
    }
}

/// All servers that are to be checked.
fn checked(policy: &Policy, cells: &[PoolCells], server_tls: &ClientConfigs) -> Vec<Checked> {
    let mut all = Vec::new();
    for (number, (pool, cells)) in policy.pools.iter().zip(cells).enumerate() {
        let Some(health) = &pool.health else { continue };
        let tls = server_tls.get(PoolId(number));
        for (index, (server, cell)) in pool.servers.iter().zip(&cells.servers).enumerate() {
            all.push(Checked {
                pool: pool.name.clone(),
                server: server.name.clone(),
                target: Target::new(pool, index, health, tls),
                health: health.clone(),
                cell: Arc::clone(cell),
            });
        }
    }
    all
}

/// Checks one server for ever.
async fn watch(checked: Checked, seed: u64, first: SyncSender<()>) {
    let mut dice = Dice::new(seed);
    let mut streak = Streak::default();
    let mut first = Some(first);
    loop {
        let verdict = probe(&checked.target, &checked.health).await;
        apply(&checked, &mut streak, &verdict);
        if let Some(first) = first.take() {
            // Nobody may be waiting any more.
            let _ = first.send(());
            // All began at once; from here on, servers are checked at different times.
            tokio::time::sleep(checked.health.every.mul_f64(share(&mut dice, 0.0, 1.0))).await;
        } else {
            // So that the checks of many nodes do not fall together.
            tokio::time::sleep(checked.health.every.mul_f64(share(&mut dice, 0.9, 1.1))).await;
        }
    }
}

/// A number between two others, by chance.
fn share(dice: &mut Dice, from: f64, to: f64) -> f64 {
    from + (to - from) * f64::from(dice.below(1001)) / 1000.0
}

fn apply(checked: &Checked, streak: &mut Streak, verdict: &Verdict) {
    let success = verdict.is_ok();
    let was_known = streak.known;
    if !streak.note(success, &checked.health) {
        return;
    }
    let (pool, server) = (&checked.pool, &checked.server);
    match verdict {
        Ok(()) => {
            checked.cell.health.set_up();
            if was_known {
                tracing::info!(pool, server, "server is up");
            }
        }
        Err(reason) => {
            checked.cell.health.set_down();
            tracing::warn!(pool, server, %reason, "server is down");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
