//! HTTP/2 messages as HTTP/1.1 text, and back.
//!
//! Inside, every message is HTTP/1.1 text: what an HTTP/2 peer says is written as text, then read by the same strict
//! gate as everything else ([`h1`](crate::h1)). So nothing that the gate refuses can be made out of an HTTP/2 message,
//! and no rule sees a difference between versions. What comes from clients is written and judged in one pass; towards
//! servers, framing, HPACK and flow control are the `h2` crate's.

mod from_text;
mod incoming;
mod outgoing;
mod to_text;

pub use from_text::{TextError, request, trailers};
pub use incoming::{Incoming, Refusal, Trailers};
pub use outgoing::{put_response, put_trailers};
pub use to_text::{RequestText, WEBSOCKET, response_text, switching_text, trailers_passed, trailers_text};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
