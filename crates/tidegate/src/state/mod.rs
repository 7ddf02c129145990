//! The few cells that workers share, each with a name, keyed by identity so that they outlive a
//! configuration. Everything else is a worker's own.

mod server;
mod sessions;

pub use server::{HealthCell, PoolCells, Pools, ServerCell};
pub use sessions::Sessions;
