//! HTTP/1 messages: strict heads, strict chunks (RFC 9112).

mod chunked;
mod error;
mod field;
mod lines;
mod request;
mod request_line;
mod response;
mod scan;

#[cfg(test)]
mod tests;

pub use chunked::{ChunkDecoder, ChunkError, ChunkMode, Fed, LAST_CHUNK, may_trail, write_chunk_header};
pub use error::HeadError;
pub use field::{Field, Known, Span};
pub use request::{Method, RequestHead, Scheme, TargetForm};
pub use response::ResponseHead;

/// The version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the end of a body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// It has that many bytes.
    Length(u64),
    /// It comes in chunks.
    Chunked,
    /// It ends when the connection does.
    Close,
}

/// Sizes that a head may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes from the first of the start line to the last of the empty line.
    pub bytes: u32,
    /// Number of field lines; at most [`FIELDS_MAX`].
    pub fields: u16,
}

/// No head may have more field lines than this, whatever its limits say.
pub const FIELDS_MAX: usize = 256;
