//! Tidegate: a layer 7 load balancer.
//!
//! The modules stand in the order in which a request meets them. `ARCHITECTURE.md` tells the life of a
//! request from accept to access log.

pub mod cli;
pub mod process;
pub mod engine;
pub mod runtime;
pub mod worker;
pub mod listen;
pub mod tls;
pub mod http;
pub mod path;
pub mod filters;
pub mod upstream;
pub mod state;
pub mod observe;
pub mod demo;

mod error;

pub use error::ProxyError;
