//! Connections to servers: kept ones are used again, the latest first; new ones are made when none is left.
//!
//! The idle connections are a worker's own, one stack per server; those of HTTP/2 are shared by requests. Pool-wide caps
//! will live here too.

mod connect;
pub mod health;
mod idle;
pub mod shared;

pub use connect::connect;
pub use idle::IdleConnections;

use crate::http::stream::Stream;
use crate::state::ServerCell;
use crate::worker::ServerPermit;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A connection to a server, or one of its streams, in use by one request.
pub struct Connection {
    /// Its bytes.
    pub stream: Stream,
    /// Whether a request has been answered on it before.
    pub reused: bool,
    /// Counts its descriptor, where it has one of its own.
    pub permit: Option<ServerPermit>,
}

/// Counts a request as in flight on a server until it is dropped.
pub struct InFlight(Arc<ServerCell>);

impl InFlight {
    /// One more request for that server.
    pub fn new(cell: &Arc<ServerCell>) -> InFlight {
        cell.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(cell))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
