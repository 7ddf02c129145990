//! HTTP/2, by the `h2` crate: what its streams carry, translated to the text that everything else works on and back.
//!
//! A stream of a client, or one to a server, looks like a connection of HTTP/1.1 with a single request on it
//! ([`Translated`]). The rules, the relay, tunnels, time-outs and the log are the same for all versions.

pub mod client_stream;
pub mod connection;
pub mod flood;
pub mod io;
pub mod server_stream;
mod sink;
mod source;

pub use source::Shape;

use std::task::{Context, Poll};

/// A message exchange of a later version of HTTP that looks like a connection of HTTP/1.1.
pub trait Translated {
    /// Ready when a read would not wait.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Reads text. `Ok(0)` is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<std::io::Result<usize>>;

    /// Takes text from `first`, then from `second`. Heads are to be whole in `first`.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<std::io::Result<usize>>;

    /// Ready when nothing that was taken is still here.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>>;

    /// Whether something that was taken is still here, because the receiver does not take it.
    fn holds_back(&self) -> bool;

    /// Says that no more will be written.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>>;

    /// Whether more would be taken now. Before that nothing needs to be read for it.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Bytes that are worth reading for it at once.
    fn read_size(&self) -> usize;

    /// Whether it failed in a way that says that the peer has not looked at the request (RFC 9113 section 8.7).
    fn is_unprocessed(&self) -> bool;
}

/// An error of a stream, for those who know of bytes only.
fn into_io(error: h2::Error) -> std::io::Error {
    if error.is_io()
        && let Some(kind) = error.get_io().map(std::io::Error::kind)
    {
        return std::io::Error::new(kind, error);
    }
    std::io::Error::new(std::io::ErrorKind::ConnectionReset, error)
}
