//! Where a body ends: one reader for every framing of HTTP/1, used in both directions.

use super::exchange::Tally;
use super::{Active, BodyState};
use crate::error::ProxyError;
use policy::model::Bounds;
use std::ops::Range;
use wire::h1::{ChunkDecoder, ChunkError, ChunkMode, Framing};

/// How much of a body is still to come.
#[derive(Clone, Debug)]
pub enum BodyReader {
    /// Nothing, or nothing more.
    Done,
    /// That many bytes.
    Length(u64),
    /// Chunks.
    Chunked(ChunkDecoder),
    /// All until the connection closes.
    Close,
}

/// What a piece of the stream turned out to be.
pub struct Piece {
    /// Bytes at the start of the piece that belong to the body; what follows does not.
    pub consumed: usize,
    /// Bytes at the start of the piece that are to be forwarded (fewer, where framing was taken out).
    pub kept: usize,
    /// Bytes of content among them, without framing.
    pub content: usize,
}

impl BodyReader {
    /// The reader for a message with that framing. `mode` says whether chunks stay chunks;
    /// `trailer_bytes_max` bounds the trailer section.
    pub fn new(framing: Framing, mode: ChunkMode, trailer_bytes_max: u32) -> BodyReader {
        match framing {
            Framing::None | Framing::Length(0) => BodyReader::Done,
            Framing::Length(length) => BodyReader::Length(length),
            Framing::Chunked => BodyReader::Chunked(ChunkDecoder::new(mode, trailer_bytes_max)),
            Framing::Close => BodyReader::Close,
        }
    }

    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        matches!(self, BodyReader::Done)
    }

    /// Bytes that are to come still, unless framing among them says so; `None` where they cannot pass unread.
    pub fn left(&self) -> Option<u64> {
        match self {
            BodyReader::Length(left) => Some(*left),
            BodyReader::Close => Some(u64::MAX),
            BodyReader::Done | BodyReader::Chunked(_) => None,
        }
    }

    /// Takes note of bytes that have passed unread, at most as many as were [left](Self::left).
    pub fn pass(&mut self, count: u64) {
        if let BodyReader::Length(left) = self {
            *left = left.saturating_sub(count);
            if *left == 0 {
                *self = BodyReader::Done;
            }
        }
    }

    /// Takes note of the next bytes, which may be moved within `piece` where framing is taken out.
    ///
    /// # Errors
    /// When chunks are malformed.
    pub fn feed(&mut self, piece: &mut [u8]) -> Result<Piece, ChunkError> {
        match self {
            BodyReader::Done => Ok(Piece { consumed: 0, kept: 0, content: 0 }),
            BodyReader::Close => Ok(Piece { consumed: piece.len(), kept: piece.len(), content: piece.len() }),
            BodyReader::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
                *left -= here as u64;
                if *left == 0 {
                    *self = BodyReader::Done;
                }
                Ok(Piece { consumed: here, kept: here, content: here })
            }
            BodyReader::Chunked(decoder) => {
                let fed = decoder.feed(piece)?;
                if fed.done {
                    *self = BodyReader::Done;
                }
                Ok(Piece { consumed: fed.consumed, kept: fed.kept, content: fed.data })
            }
        }
    }
}

/// The part of a request's body that came with its head, as it is when nothing has been sent yet; every attempt begins
/// with it.
pub struct FirstBody {
    /// What follows.
    pub reader: BodyReader,
    /// Bytes to be forwarded, in the client's buffer.
    pub segment: Range<usize>,
}

impl FirstBody {
    /// Reads what the client's buffer holds of the body; sets `active.next` to what is behind it.
    ///
    /// # Errors
    /// When it is malformed or larger than `bounds` allow.
    pub fn read(active: &mut Active, bounds: &Bounds, tally: &mut Tally) -> Result<FirstBody, ProxyError> {
        let base = active.head.length as usize;
        if let Framing::Length(length) = active.head.framing
            && length > bounds.body_bytes
        {
            return Err(ProxyError::BodyTooLarge);
        }
        active.body = BodyState::Partly;
        let mut reader = BodyReader::new(active.head.framing, ChunkMode::Relay, bounds.head_bytes);
        let piece = reader.feed(&mut active.input[base..active.filled]).map_err(ProxyError::RequestBody)?;
        tally.bytes_in = piece.content as u64;
        if tally.bytes_in > bounds.body_bytes {
            return Err(ProxyError::BodyTooLarge);
        }
        active.next = base + piece.consumed..active.filled;
        if reader.is_done() {
            active.body = BodyState::Whole;
        }
        Ok(FirstBody { reader, segment: base..base + piece.kept })
    }

    /// Whether the request can be sent again from what is at hand.
    pub fn is_whole(&self) -> bool {
        self.reader.is_done()
    }
}
