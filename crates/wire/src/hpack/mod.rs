//! HPACK: heads of HTTP/2, compressed (RFC 7541).
//!
//! Names and values are bytes here; what they may be is for those who read them.

mod decode;
mod encode;
mod huffman;
mod table;

pub use decode::{Decoder, HpackError};
pub use encode::Encoder;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

/// Bytes of the dynamic table until a peer says otherwise (RFC 9113 section 6.5.2).
pub const TABLE_BYTES: usize = 4096;

/// What an entry counts besides its bytes (RFC 7541 section 4.1); so do fields where lists of them are bounded.
pub const ENTRY_OVERHEAD: usize = 32;

/// A field that came before.
struct Entry {
    /// The name, then the value.
    bytes: Box<[u8]>,
    name: usize,
}

impl Entry {
    fn new(name: &[u8], value: &[u8]) -> Entry {
        // Allocation: one for a field that is to come again.
        Entry { bytes: [name, value].concat().into(), name: name.len() }
    }

    fn field(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.name)
    }

    fn size(&self) -> usize {
        self.bytes.len() + ENTRY_OVERHEAD
    }
}
