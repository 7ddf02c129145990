//! Connections to servers: kept ones are used again, the latest first; new ones are made when none is left.
//!
//! The idle connections are a worker's own, one stack per server. TLS to servers, HTTP/2 and pool-wide
//! caps will live here too.

mod connect;
pub mod health;
mod idle;

pub use connect::connect;
pub use idle::IdleConnections;

use crate::state::ServerCell;
use crate::worker::ServerPermit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;

/// A connection to a server, in use by one request.
pub struct Connection {
    /// Its bytes.
    pub stream: TcpStream,
    /// Whether a request has been answered on it before.
    pub reused: bool,
    /// Counts its descriptor.
    pub permit: ServerPermit,
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
