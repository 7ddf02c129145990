//! Holds the listening sockets and keeps an engine running on them.
//!
//! It parses no traffic and does next to nothing, so that it can be trusted to stay: everything that may
//! fail on what the network sends happens in the engine. Invariants: the sockets are open from the first
//! engine's start to the supervisor's end; an engine that had served and then dies is replaced; one that
//! never served ends the start with its reason.

use super::channel;
use super::configuration::{Configuration, PrepareError};
use super::handover::{Handover, Order, Report};
use super::limits;
use super::memory;
use super::sockets::{self, BindError, Bound};
use super::state_dir::{StateDir, StateError};
use crate::observe::access_log;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// The subcommand that makes the executable an engine.
pub const ENGINE_COMMAND: &str = "engine";

/// The shortest and the longest wait before a dead engine is replaced.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// An engine that served this long before it died is replaced without the waits of earlier failures.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// How long a new engine may take to read what it is handed.
const HANDOVER_LIMIT: Duration = Duration::from_secs(30);

/// How long an engine that was told to stop at once may take before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Why a start failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A listening socket cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The internal CA cannot be had.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The access log cannot be written.
    #[error("cannot write the access log")]
    AccessLog(#[source] io::Error),
    /// The supervisor itself cannot work: no runtime, no child process.
    #[error("cannot start")]
    System(#[from] io::Error),
    /// The first engine ended before it served.
    #[error("the engine did not start: {0}")]
    Engine(String),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Asked to, after requests that were running had their time.
    Drained,
    /// At once, because it was asked to twice or because the engine failed while it drained: requests may
    /// have been cut.
    Cut,
}

/// Serves `configuration` until a signal ends it.
///
/// TERM and INT drain; a second one stops at once. HUP is ignored with a line in the log: it must not end a
/// server whose operator expects a reload from it.
///
/// # Errors
/// When sockets, state or the first engine cannot be had.
pub fn run(configuration: Configuration) -> Result<Ended, RunError> {
    limits::raise_open_files();
    let policy = &configuration.policy;
    let cookie_key = StateDir::open(&policy.state_dir)?.cookie_key()?;
    let workers = policy.workers.unwrap_or_else(default_workers);
    let listeners = sockets::bind_all(&policy.listeners, workers)?;
    let log = policy.access_log.as_ref().map(access_log::open).transpose().map_err(RunError::AccessLog)?;
    let handover = Handover {
        generation: 0,
        configuration: configuration.path.clone(),
        bundle: configuration.with_authority()?,
        workers,
        cookie_key,
    };
    // Engines read what it means for themselves.
    drop(configuration);
    memory::give_back();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let signals = Signals::new()?;
        Supervisor { handover, listeners, log, signals, served: false }.supervise().await
    })
}

/// One worker per core that this process may use: affinity and quota are respected.
pub fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

struct Supervisor {
    handover: Handover,
    listeners: Vec<Bound>,
    /// What the access log is written to.
    log: Option<OwnedFd>,
    signals: Signals,
    /// Whether any engine has ever served.
    served: bool,
}

/// Where an engine is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Serving,
    Draining,
    Stopping,
    /// Asked to end before it served anybody.
    Forgone,
}

/// How one engine ended.
struct Outcome {
    phase: Phase,
    status: ExitStatus,
    /// What it said before.
    failure: Option<String>,
    /// Since it was started.
    lived: Duration,
}

impl Supervisor {
    async fn supervise(mut self) -> Result<Ended, RunError> {
        let mut back_off = BackOff::default();
        loop {
            self.handover.generation += 1;
            let outcome = self.one_generation().await?;
            match outcome.phase {
                Phase::Draining if outcome.status.success() => return Ok(Ended::Drained),
                Phase::Forgone => return Ok(Ended::Drained),
                Phase::Draining | Phase::Stopping => return Ok(Ended::Cut),
                Phase::Starting | Phase::Serving => {}
            }
            let reason = outcome.failure.unwrap_or_else(|| format!("it ended with {}", outcome.status));
            if !self.served {
                return Err(RunError::Engine(reason));
            }
            let wait = back_off.after(outcome.lived);
            tracing::error!(generation = self.handover.generation, ?wait, "the engine died: {reason}");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.signals.stop() => return Ok(Ended::Drained),
            }
        }
    }

    /// Starts an engine and accompanies it to its end.
    async fn one_generation(&mut self) -> Result<Outcome, RunError> {
        let mut engine = Generation::start(&self.handover, &self.listeners, self.log.as_ref())?;
        let mut phase = Phase::Starting;
        let mut failure = None;
        loop {
            tokio::select! {
                report = engine.reports.recv() => match report {
                    Some(Report::Ready) => {
                        if phase == Phase::Starting {
                            phase = Phase::Serving;
                        }
                        self.announce();
                    }
                    Some(Report::Failed(text)) => failure = Some(text),
                    None => break,
                },
                () = self.signals.stop() => phase = engine.end(phase).await?,
                () = tokio::time::sleep(STOP_LIMIT), if phase == Phase::Stopping => engine.child.kill()?,
            }
        }
        let lived = engine.started.elapsed();
        Ok(Outcome { phase, status: engine.child.wait()?, failure, lived })
    }

    /// Says that an engine serves: to people and tests at the first one, to the log at those after it.
    fn announce(&mut self) {
        if self.served {
            tracing::info!(generation = self.handover.generation, "a new engine serves");
            return;
        }
        self.served = true;
        let mut text = String::new();
        for listener in &self.listeners {
            text.push_str(&format!("tidegate: listening on {} {}\n", listener.name, listener.address));
        }
        text.push_str("tidegate: ready\n");
        // A closed standard error is no reason not to serve.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// A running engine.
struct Generation {
    child: Child,
    orders: OwnedWriteHalf,
    reports: mpsc::Receiver<Report>,
    started: Instant,
}

impl Generation {
    /// Starts the executable again, as an engine, and hands everything over.
    fn start(handover: &Handover, listeners: &[Bound], log: Option<&OwnedFd>) -> io::Result<Generation> {
        let (ours, theirs) = UnixStream::pair()?;
        // The link leads to the very program that is running, even if another one lies at its path by now.
        let child = Command::new("/proc/self/exe")
            .arg0("tidegate")
            .arg(ENGINE_COMMAND)
            // A buffer of which a few bytes are in use would hold all its memory: for 10,000 clients that dawdle over
            // their heads, 740 MB instead of 120 MB.
            .env("MIMALLOC_ALLOW_THP", "0")
            // In KiB. What is larger is given back as soon as it is freed: the allocator forgets to look at some of it among
            // its pages. Only reading a large configuration needs such pieces.
            .env("MIMALLOC_ARENA_MAX_OBJECT_SIZE", "2048")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        ours.set_write_timeout(Some(HANDOVER_LIMIT))?;
        // If the engine is gone already, its last words are in the channel or in its exit status.
        if let Err(error) = handover.send(&ours, listeners, log) {
            tracing::debug!(%error, "the engine did not take the handover");
        }
        ours.set_nonblocking(true)?;
        let (reading, orders) = tokio::net::UnixStream::from_std(ours)?.into_split();
        let (sender, reports) = mpsc::channel(4);
        tokio::spawn(forward_reports(reading, sender));
        Ok(Generation { child, orders, reports, started: Instant::now() })
    }

    /// A signal came in `phase`: goes one step further towards the end.
    async fn end(&mut self, phase: Phase) -> io::Result<Phase> {
        match phase {
            // Nothing was accepted yet, so there is nothing to drain.
            Phase::Starting => {
                self.child.kill()?;
                Ok(Phase::Forgone)
            }
            Phase::Serving => {
                tracing::info!("draining; a second signal stops at once");
                self.order(Order::Drain).await;
                Ok(Phase::Draining)
            }
            Phase::Draining | Phase::Stopping | Phase::Forgone => {
                tracing::info!("stopping at once");
                self.order(Order::Stop).await;
                Ok(if phase == Phase::Forgone { phase } else { Phase::Stopping })
            }
        }
    }

    /// An engine that is gone shows in the end of its reports.
    async fn order(&mut self, order: Order) {
        let _ = channel::send_value(&mut self.orders, &order).await;
    }
}

/// Receiving a message cannot be interrupted half-way, so it has a task of its own.
async fn forward_reports(mut reading: OwnedReadHalf, reports: mpsc::Sender<Report>) {
    while let Ok(report) = channel::receive_value(&mut reading).await {
        if reports.send(report).await.is_err() {
            return;
        }
    }
}

/// The signals that a server listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Returns at the next TERM or INT.
    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP ignored: a new configuration needs a restart");
                }
            }
        }
    }
}

/// How long to wait before an engine is replaced: twice as long each time, until one stays healthy.
#[derive(Default)]
struct BackOff {
    last: Option<Duration>,
}

impl BackOff {
    /// The wait after an engine that lived for `lived`.
    fn after(&mut self, lived: Duration) -> Duration {
        let wait = match self.last {
            Some(last) if lived < HEALTHY_AFTER => (last * 2).min(BACK_OFF.1),
            _ => BACK_OFF.0,
        };
        self.last = Some(wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_forget_old_failures() {
        let mut back_off = BackOff::default();
        let waits: Vec<u64> = (0..7).map(|_| back_off.after(Duration::from_secs(5)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(back_off.after(HEALTHY_AFTER).as_secs(), 1);
    }
}
