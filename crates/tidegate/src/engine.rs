//! The engine: workers, health checks and the access log's writer, started from a resolved configuration
//! and listening sockets that somebody else has bound.
//!
//! It opens no listening socket and reads no file, so that it can be sandboxed and replaced by a new
//! generation on the same sockets.

use crate::observe::access_log::LogSink;
use crate::state::{Pools, Sessions};
use crate::tls::ListenerConfigs;
use crate::tls::client::ClientConfigs;
use crate::upstream::health::Checker;
use crate::worker::{self, Descriptors, Mailboxes, Order, WorkerSetup};
use policy::decide::{CookieKeys, Rules};
use policy::model::{Drain, Policy};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// All that an engine needs.
pub struct Setup {
    /// The resolved configuration.
    pub policy: Arc<Policy>,
    /// How TLS listeners end TLS.
    pub tls: ListenerConfigs,
    /// How TLS is begun with the servers of pools.
    pub server_tls: ClientConfigs,
    /// For each listener of the policy, in its order: bound listening sockets, one per worker.
    pub sockets: Vec<Vec<OwnedFd>>,
    /// Number of workers, at least 1.
    pub workers: usize,
    /// What the access log is written to, if the configuration has one (see [`open`](crate::observe::access_log::open)).
    pub log: Option<OwnedFd>,
    /// Signs the cookies of sessions.
    pub cookie_key: [u8; 32],
}

/// Why an engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A thread or its runtime could not be made.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// There are fewer sockets than workers, or listeners.
    #[error("{listener} has {given} listening sockets for {workers} workers")]
    Sockets {
        /// The listener's name.
        listener: String,
        /// How many sockets were handed over.
        given: usize,
        /// How many are needed.
        workers: usize,
    },
}

/// A running engine.
pub struct Engine {
    mailboxes: Arc<Mailboxes>,
    threads: Mutex<Threads>,
}

/// What `wait` takes apart.
#[derive(Default)]
struct Threads {
    workers: Vec<JoinHandle<()>>,
    checker: Option<Checker>,
    log: Option<LogSink>,
}

impl Engine {
    /// Starts health checks, waits for their first round, then starts the workers.
    ///
    /// # Errors
    /// When a thread or a socket cannot be had.
    pub fn start(setup: Setup) -> Result<Engine, EngineError> {
        let sockets = per_worker(&setup.policy, setup.sockets, setup.workers)?;
        let policy = &setup.policy;
        let log = setup.log.map(LogSink::start).transpose().map_err(EngineError::Thread)?;
        let pools = Arc::new(Pools::new(&policy.pools));
        let checker =
            Checker::start(policy, &pools, &setup.server_tls, seed()).map_err(EngineError::Thread)?;
        if let Some(checker) = &checker {
            checker.first_round();
        }
        let keys = CookieKeys { current: setup.cookie_key, previous: None };
        let rules = Arc::new(Rules::new(Arc::clone(policy), keys));
        let sessions = Arc::new(Sessions::new(policy));
        let descriptors = Descriptors::of_this_process();
        let (mailboxes, receivers) = Mailboxes::new(setup.workers);
        let mailboxes = Arc::new(mailboxes);
        let mut workers = Vec::with_capacity(setup.workers);
        for ((index, given), sockets) in receivers.into_iter().enumerate().zip(sockets) {
            let setup = WorkerSetup {
                index,
                rules: Arc::clone(&rules),
                tls: setup.tls.clone(),
                server_tls: setup.server_tls.clone(),
                sockets,
                log: log.as_ref().map(LogSink::worker),
                pools: Arc::clone(&pools),
                sessions: Arc::clone(&sessions),
                descriptors: Arc::clone(&descriptors),
                mailboxes: Arc::clone(&mailboxes),
                given,
                seed: seed(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    if let Err(error) = worker::run(setup) {
                        tracing::error!(%error, "a worker could not start");
                    }
                })
                .map_err(EngineError::Thread)?;
            workers.push(thread);
        }
        Ok(Engine { mailboxes, threads: Mutex::new(Threads { workers, checker, log }) })
    }

    /// Stops accepting after `drain.grace`, lets running requests finish, ends what is left after
    /// `drain.limit`. Returns at once.
    pub fn drain(&self, drain: Drain) {
        self.mailboxes.command(Order::Drain(drain));
    }

    /// Ends everything at once.
    pub fn stop(&self) {
        self.mailboxes.command(Order::Stop);
    }

    /// Returns when all workers have ended and the access log is written; at once when called again.
    ///
    /// Borrows, so that another thread can meanwhile [`stop`](Self::stop) a drain.
    pub fn wait(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in threads.workers {
            if worker.join().is_err() {
                tracing::error!("a worker has panicked");
            }
        }
        if let Some(checker) = threads.checker {
            checker.stop();
        }
        if let Some(log) = threads.log {
            log.stop();
        }
    }
}

/// Turns "for each listener a socket per worker" round.
fn per_worker(
    policy: &Policy,
    given: Vec<Vec<OwnedFd>>,
    workers: usize,
) -> Result<Vec<Vec<OwnedFd>>, EngineError> {
    let mut sockets: Vec<Vec<OwnedFd>> = (0..workers).map(|_| Vec::new()).collect();
    for (listener, given) in policy.listeners.iter().zip(given) {
        if given.len() != workers {
            let listener = listener.name.clone();
            return Err(EngineError::Sockets { listener, given: given.len(), workers });
        }
        for (worker, socket) in sockets.iter_mut().zip(given) {
            worker.push(socket);
        }
    }
    Ok(sockets)
}

/// A number that nobody can foretell (the standard library seeds its hasher from the system).
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
