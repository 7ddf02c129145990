//! What all workers know of a server: whether it is up, and how many requests it is working on.

use policy::model::{Pool, PoolId};
use std::ops::Deref;
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
    /// From now on it takes traffic.
    pub fn set_up(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// From now on it takes none.
    pub fn set_down(&self) {
        self.0.store(false, Ordering::Relaxed);
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

impl PoolCells {
    /// Cells for a pool's servers. Servers that nobody checks count as up.
    pub fn new(pool: &Pool) -> PoolCells {
        let cell = || {
            let cell = ServerCell::default();
            if pool.health.is_none() {
                cell.health.set_up();
            }
            Arc::new(cell)
        };
        PoolCells { servers: pool.servers.iter().map(|_| cell()).collect(), cursor: Cursor::default() }
    }
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

/// The cells of all pools.
#[derive(Debug)]
pub struct Pools(Vec<PoolCells>);

impl Pools {
    /// Cells for all servers of a configuration.
    pub fn new(pools: &[Pool]) -> Pools {
        Pools(pools.iter().map(PoolCells::new).collect())
    }
}

impl Deref for Pools {
    type Target = [PoolCells];
    fn deref(&self) -> &[PoolCells] {
        &self.0
    }
}

/// The live state that the rules ask for.
impl policy::decide::State for Pools {
    fn is_up(&self, pool: PoolId, server: usize) -> bool {
        self.0[pool.0].servers[server].health.is_up()
    }

    fn in_flight(&self, pool: PoolId, server: usize) -> u32 {
        self.0[pool.0].servers[server].in_flight.load(Ordering::Relaxed)
    }

    fn next(&self, pool: PoolId) -> u64 {
        self.0[pool.0].cursor.next()
    }
}
