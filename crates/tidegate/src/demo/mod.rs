//! `tidegate demo`: origin servers and a balancer in one process, on free loopback ports, with commands to
//! try printed beside them.
//!
//! It is the real thing: a real configuration file goes through the same checks as with `run`, and the same
//! engine serves it. Only the supervisor is missing, since nothing here has to survive anything. All of it
//! lives in a temporary folder that goes away at the end.

mod control;
mod files;
mod guide;
mod origins;

use crate::engine::{Engine, EngineError, Setup};
use crate::observe::access_log;
use crate::process::configuration::{self, Checked};
use crate::process::sockets::{self, BindError};
use crate::process::state_dir::{StateError, random_key};
use crate::process::{limits, supervisor};
use control::Control;
use files::Folder;
use origins::Origins;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why the demo could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file, a thread or a port of its own cannot be had.
    #[error("cannot set up the demo")]
    Io(#[from] io::Error),
    /// The demo's own configuration is refused, for these reasons.
    #[error("the demo's configuration is refused:\n{0}")]
    Configuration(String),
    /// A port that was free a moment ago is not any more.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// No key could be drawn.
    #[error(transparent)]
    State(#[from] StateError),
    /// The engine did not start.
    #[error("cannot start the engine")]
    Engine(#[from] EngineError),
}

/// Shows the demo until TERM or INT; then drains and stops. A second signal stops at once.
///
/// # Errors
/// When ports, files or threads cannot be had.
pub fn run() -> Result<(), DemoError> {
    limits::raise_open_files();
    // Before anything is made that a signal would leave behind.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let origins = Arc::new(Origins::start()?);
    let folder = Folder::create(&origins)?;
    let engine = start_engine(&folder)?;
    let control = Control::start(&origins)?;
    // Nobody may be reading; the servers work all the same.
    let _ = io::stdout().write_all(guide::text(&folder, &origins, control.address()).as_bytes());
    let _ = io::stdout().flush();
    end_by_signal(&engine, folder.drain, &runtime, &mut signals);
    Ok(())
}

/// Checks the demo's configuration, binds its listeners and serves it.
fn start_engine(folder: &Folder) -> Result<Engine, DemoError> {
    let checked = configuration::check(&folder.configuration);
    let refused = |checked: &Checked| DemoError::Configuration(checked.rendered(false));
    let configuration = checked.accepted().ok_or_else(|| refused(&checked))?;
    let prepared = configuration.prepare().map_err(DemoError::Configuration)?;
    let workers = supervisor::default_workers();
    let bound = sockets::bind_all(&configuration.policy.listeners, workers)?;
    let setup = Setup {
        policy: prepared.policy,
        tls: prepared.tls,
        server_tls: prepared.server_tls,
        sockets: bound.into_iter().map(|listener| listener.sockets).collect(),
        log: configuration.policy.access_log.as_ref().map(access_log::open).transpose()?,
        workers,
        cookie_key: random_key()?,
    };
    Ok(Engine::start(setup)?)
}

/// Waits for a signal, then for the end of what runs.
fn end_by_signal(engine: &Engine, drain: policy::model::Drain, runtime: &Runtime, signals: &mut Signals) {
    runtime.block_on(signals.next());
    engine.drain(drain);
    std::thread::scope(|scope| {
        let ended = Arc::new(tokio::sync::Notify::new());
        let waiting = Arc::clone(&ended);
        scope.spawn(move || {
            engine.wait();
            waiting.notify_one();
        });
        runtime.block_on(async {
            tokio::select! {
                () = ended.notified() => {}
                () = signals.next() => engine.stop(),
            }
        });
    });
}

/// TERM and INT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
