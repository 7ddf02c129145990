//! What the bench runs beside the programs that it compares: an origin, a relay that understands nothing, and loads. Each
//! is one thread that waits for events, so that little of what is measured is theirs.

mod body;
pub mod load;
mod local;
pub mod origin;
mod output;
pub mod relay;

/// Bytes that are read at once. One buffer does for a whole thread: what is read is used before the next read.
pub(crate) const READ_BYTES: usize = 64 * 1024;
