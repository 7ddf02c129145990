//! HTTP/2, by the `h2` crate: what its streams carry, translated to the text that everything else works on and back.
//!
//! A stream of a client, or one to a server, looks like a connection of HTTP/1.1 with a single request on it
//! ([`Translated`]). The rules, the relay, tunnels, time-outs and the log are the same for all versions.

mod answer;
pub mod client_stream;
pub mod connection;
pub mod flood;
pub mod io;
pub mod server_stream;
mod session;
mod sink;
mod source;

pub use source::Shape;

use crate::worker::BUFFER_BYTES;
use base64::Engine as _;
use http::HeaderMap;
use sha1::{Digest, Sha1};
use std::task::{Context, Poll};
use wire::h1::{FIELDS_MAX, Framing, HeadLimits, ResponseHead};

/// What we have written ourselves is as long as it is.
const LIMITS: HeadLimits = HeadLimits { bytes: u32::MAX, fields: FIELDS_MAX as u16 };

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

    /// Takes a head of an answer as it was read from the server; `text` begins with it, `lines` are whole lines to add, and
    /// `framing` is that of the text that follows. Fields for one hop are left out. Where it is not taken so, it is to be
    /// written as text.
    fn give_head(&mut self, head: &ResponseHead, text: &[u8], lines: &[u8], framing: Framing) -> bool {
        let _ = (head, text, lines, framing);
        false
    }

    /// Ready when nothing that was taken is still here.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>>;

    /// Whether something that was taken is still here, because the receiver does not take it.
    fn holds_back(&self) -> bool;

    /// Says that no more will be written.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>>;

    /// Whether more would be taken now. Before that nothing needs to be read for it.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Bytes that are worth reading for it at once.
    fn read_size(&self) -> usize {
        BUFFER_BYTES
    }

    /// From now on, the end of what is written is not where its text ends, but where [`finish`](Self::finish) says so:
    /// trailers may come behind a body whose length was said.
    fn hold_end(&mut self) {}

    /// What was written, or is being written, is all, but for these trailers.
    fn finish(&mut self, trailers: Option<HeaderMap>) {
        let _ = trailers;
    }

    /// Once all that is read of a message as text has been: ready when the message has ended, with the trailers that
    /// text had no place for.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<Option<HeaderMap>>> {
        let _ = cx;
        Poll::Ready(Ok(None))
    }

    /// While nothing is read, because it could not be written on: takes note of what comes all the same.
    ///
    /// # Errors
    /// When the other side has given up.
    fn gather(&mut self, cx: &mut Context<'_>) -> std::io::Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Whether anything that was taken earlier has gone to the other side since this was asked last.
    fn has_moved(&mut self) -> bool {
        false
    }

    /// Whether the other side has asked for a tunnel in a way that takes any answer with 2xx for a yes, and by which
    /// `Sec-WebSocket-Accept` a server has to agree.
    fn wants_tunnel(&self) -> Option<&str> {
        None
    }

    /// Whether what failed was the connection below, and not this request alone.
    fn is_lost(&self) -> bool {
        true
    }

    /// Whether it failed in a way that says that the peer has not looked at the request (RFC 9113 section 8.7).
    fn is_unprocessed(&self) -> bool;
}

/// The key of a handshake, accepted (RFC 6455 section 4.2.2).
fn accept_key(key: &[u8]) -> String {
    /// RFC 6455 section 1.3.
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    base64::engine::general_purpose::STANDARD.encode(digest)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_rfc_6455() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
