//! What tests and the demo talk to and with: origins that behave, peers that do not, clients that see
//! every byte, and a load that counts what failed.
//!
//! Nothing here shares code with the product: the parser of messages is a second, slow and strict one, so
//! that a mistake in ours cannot hide in its own mirror.

pub mod client;
pub mod exchange;
pub mod frames;
pub mod grpc;
pub mod load;
pub mod lockstep;
pub mod message;
pub mod origin;
pub mod peer;
mod stream;
mod tls;
pub mod websocket;
