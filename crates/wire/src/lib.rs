//! Bytes to values and back, without IO.
//!
//! What the protocols say on the wire: HTTP/1 heads and chunks, HTTP/2 messages as such, URIs, cookies, forwarding fields. No runtime,
//! no clock, no sockets, so that all of it is tested in memory and fuzzed.
//!
//! Invariants:
//! - No input makes it panic.
//! - What could be read in two ways is refused with an error that names the rule.
//! - The result does not depend on how the input was cut into pieces.

pub mod cookie;
pub mod field;
pub mod forwarded;
pub mod grpc;
pub mod grpc_web;
pub mod h1;
pub mod h2;
pub mod hpack;
pub mod uri;
