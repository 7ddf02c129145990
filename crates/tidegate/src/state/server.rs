//! What all workers know of a server: whether it is up, and how many requests it is working on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The shared state of one server. Its identity is (pool name, address).
///
/// Aligned to two cache lines (adjacent lines are fetched in pairs), so that counting on one server does
/// not slow its neighbours.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ServerCell {
    /// Requests that were sent to it and are not answered in full yet.
    pub in_flight: AtomicU32,
    /// Whether it takes traffic.
    pub health: HealthCell,
}

/// Whether a server takes traffic. Starts as failed-unknown.
#[derive(Debug, Default)]
pub struct HealthCell(AtomicBool);

impl HealthCell {
    /// From now on it takes traffic. Returns whether that is news.
    pub fn set_up(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// From now on it takes none. Returns whether that is news.
    pub fn set_down(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    /// Whether it takes traffic.
    pub fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The shared state of one pool.
#[derive(Debug, Default)]
pub struct PoolCells {
    /// Its servers, in the order of the configuration.
    pub servers: Vec<Arc<ServerCell>>,
    /// The round robin cursor, on a line of its own.
    pub cursor: Cursor,
}

/// A counter on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Cursor(AtomicU64);

impl Cursor {
    /// The present value; the next call gives one more.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
