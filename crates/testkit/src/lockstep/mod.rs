//! Load and origin for counting what a request costs: the same bytes at the same moments, whenever they run.
//!
//! A client sends the next request, or the next group of them, when the last one is answered, so that the program in
//! between handles the same work in the same steps each time. Nothing is measured here.

mod client;
mod http1;
mod http2;
mod origin;
mod tls;

pub use client::{WORKLOADS, Workload, run};
pub use origin::{KINDS, Kind, serve};

use std::io::{self, Read, Write};

/// Streams that are open at the same time where many are, and requests that the origin then answers at the same time.
const TOGETHER: usize = 10;

/// A connection that both sides of a conversation can be had on.
trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

/// What is wrong with what came.
fn bad(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}
