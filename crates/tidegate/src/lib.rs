//! Tidegate: a layer 7 load balancer.
//!
//! The modules stand in the order in which a request meets them. `ARCHITECTURE.md` tells the life of a
//! request from accept to access log.

pub mod engine;
pub mod http;
pub mod listen;
pub mod observe;
pub mod path;
pub mod process;
pub mod state;
pub mod upstream;
pub mod worker;

mod error;

pub use error::ProxyError;
