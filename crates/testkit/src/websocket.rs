//! The handshake of WebSockets (RFC 6455 section 1.3), by which a server shows that it understood the request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// A key that a client may offer: that of the RFC's example.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What a server answers to a `Sec-WebSocket-Key` in `Sec-WebSocket-Accept`.
pub fn accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

/// The protocol that a server of ours chooses of those that a client offers in `Sec-WebSocket-Protocol`.
pub fn first(protocols: &str) -> &str {
    protocols.split(',').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(super::accept(super::KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
