//! The processes of `tidegate run`: a supervisor that parses no traffic, and the engine that it starts.
//!
//! The supervisor ([`supervisor`]) checks the configuration ([`configuration`], `places`), binds the listening sockets
//! ([`sockets`]) and keeps them for as long as it lives. It starts the engine ([`child`]) as a child process
//! of the same executable and hands it, over a unix socket ([`channel`]), those sockets and the contents of
//! all files that the configuration needs ([`handover`]); the engine itself opens neither. An engine that
//! dies is replaced on the same sockets, so clients wait in the kernel's queue instead of being refused. If
//! the supervisor dies, the engine sees the channel end, drains and ends too.
//!
//! Each start of an engine is a numbered generation: an upgrade is going to start the next one on the same
//! sockets while the old one drains. [`state_dir`] keeps what must survive all of them.

pub mod channel;
pub mod child;
pub mod configuration;
pub mod disk;
pub mod handover;
pub mod limits;
mod memory;
mod places;
pub mod sockets;
pub mod state_dir;
pub mod supervisor;
