//! Chunked bodies, decoded strictly (RFC 9112 section 7.1).
//!
//! Known attacks read the end of a chunk's line in two ways: a bare LF, white space around the size, a line
//! feed inside an extension. None of these passes here, and extensions, which nobody may rely on, are not
//! forwarded at all.

use super::Known;

/// Bytes of extensions that a message may have beyond what its chunks may have each.
const EXTENSION_BYTES_MAX: u32 = 4096;

/// What each chunk may have: signatures of uploads take some ninety bytes.
const EXTENSION_BYTES_PER_CHUNK: u32 = 128;

/// Authentication and the form of the content, besides what the proxy itself looks at (RFC 9110 section 6.5.1).
const TRAILERS_FORBIDDEN: [&[u8]; 6] = [
    b"authorization",
    b"content-encoding",
    b"content-range",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"www-authenticate",
];

/// What is written after the last chunk of a body that we chunk ourselves.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Why a chunked body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A size that is none, or too large to be one.
    #[error("invalid chunk size (RFC 9112 section 7.1)")]
    Size,
    /// Something else than CRLF after a size, an extension or a chunk's data.
    #[error("chunk line without CRLF (RFC 9112 section 7.1)")]
    LineEnd,
    /// An extension that breaks its syntax, or too many of them.
    #[error("invalid chunk extension (RFC 9112 section 7.1.1)")]
    Extension,
    /// A trailer line that is no field.
    #[error("invalid trailer field (RFC 9112 section 7.1.2)")]
    Trailer,
    /// A trailer field that would change framing, routing or the connection.
    #[error("forbidden trailer field (RFC 9110 section 6.5.1)")]
    TrailerForbidden,
    /// A trailer section larger than its bound.
    #[error("trailer section too large")]
    TrailerTooLarge,
}

impl ChunkError {
    /// A word for the access log.
    pub fn reason(self) -> &'static str {
        match self {
            ChunkError::Size => "chunk_size_invalid",
            ChunkError::LineEnd => "chunk_line_end",
            ChunkError::Extension => "chunk_extension_invalid",
            ChunkError::Trailer => "trailer_invalid",
            ChunkError::TrailerForbidden => "trailer_forbidden",
            ChunkError::TrailerTooLarge => "trailer_too_large",
        }
    }
}

/// What is kept of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkMode {
    /// The framing too, without extensions: for a peer that reads chunks.
    Relay,
    /// The data alone: for a peer that does not. The trailer section is kept apart: [`ChunkDecoder::trailers`].
    Decode,
}

/// What a piece of the stream turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// Bytes that belong to this message.
    pub consumed: usize,
    /// Bytes at the start of the buffer that are to be forwarded; fewer than `consumed` where some were
    /// dropped and the others moved up.
    pub kept: usize,
    /// Bytes of data among them.
    pub data: usize,
    /// Whether the message has ended.
    pub done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size; whether a digit has been seen.
    Size {
        digits: u8,
    },
    /// In an extension, outside or inside quotes.
    Extension,
    Quoted,
    QuotedPair,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line.
    TrailerStart,
    TrailerLine,
    TrailerLf,
    EndLf,
    Done,
}

/// Decodes one chunked body, in pieces of any size.
#[derive(Clone, Debug)]
pub struct ChunkDecoder {
    state: State,
    mode: ChunkMode,
    /// Of the size while it is read, then of the data that is to come.
    left: u64,
    extension_bytes: u32,
    trailer_bytes: u32,
    trailer_bytes_max: u32,
    /// The trailer line that is being read. Allocated only for messages that have trailers.
    line: Vec<u8>,
    /// Whole trailer lines, where chunks are decoded.
    trailers: Vec<u8>,
}

/// Which bytes of a piece stay; moves bytes only once some before them were dropped.
struct Keeper {
    kept: usize,
    /// Start of the present run; `None` while bytes are dropped.
    run: Option<usize>,
}

impl Keeper {
    fn stop(&mut self, buffer: &mut [u8], at: usize) {
        if let Some(start) = self.run.take() {
            if start != self.kept {
                buffer.copy_within(start..at, self.kept);
            }
            self.kept += at - start;
        }
    }

    fn start(&mut self, at: usize) {
        self.run.get_or_insert(at);
    }
}

impl ChunkDecoder {
    /// For a body of which nothing has been read. The trailer section may have `trailer_bytes_max` bytes.
    pub fn new(mode: ChunkMode, trailer_bytes_max: u32) -> ChunkDecoder {
        ChunkDecoder {
            state: State::Size { digits: 0 },
            mode,
            left: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
            trailer_bytes_max,
            line: Vec::new(),
            trailers: Vec::new(),
        }
    }

    /// The trailer lines that were read, in the mode that takes them out; each with its CRLF.
    pub fn trailers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.trailers)
    }

    /// Takes the next bytes; those to be forwarded are at the front of `buffer` afterwards.
    ///
    /// # Errors
    /// When a byte cannot stand where it does. The decoder is of no use afterwards.
    pub fn feed(&mut self, buffer: &mut [u8]) -> Result<Fed, ChunkError> {
        let relays = self.mode == ChunkMode::Relay;
        let dropping = !relays || matches!(self.state, State::Extension | State::Quoted | State::QuotedPair);
        let mut keeper = Keeper { kept: 0, run: (!dropping).then_some(0) };
        let mut at = 0;
        let mut data = 0;
        while at < buffer.len() && self.state != State::Done {
            if self.state == State::Data {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len() - at);
                keeper.start(at);
                at += here;
                data += here;
                self.left -= here as u64;
                if !relays {
                    keeper.stop(buffer, at);
                }
                if self.left == 0 {
                    self.state = State::DataCr;
                    self.extension_bytes = self.extension_bytes.saturating_sub(EXTENSION_BYTES_PER_CHUNK);
                }
                continue;
            }
            let before = self.state;
            self.state = self.step(buffer[at])?;
            if relays {
                if self.state == State::Extension && matches!(before, State::Size { .. }) {
                    keeper.stop(buffer, at);
                } else if self.state == State::SizeLf {
                    keeper.start(at);
                }
            }
            at += 1;
        }
        keeper.stop(buffer, at);
        Ok(Fed { consumed: at, kept: keeper.kept, data, done: self.state == State::Done })
    }

    /// The state after `byte`.
    fn step(&mut self, byte: u8) -> Result<State, ChunkError> {
        Ok(match (self.state, byte) {
            (State::Size { digits }, _) => self.size(digits, byte)?,
            (State::Extension | State::Quoted | State::QuotedPair, _) => self.extension(byte)?,
            (State::SizeLf, b'\n') if self.left == 0 => State::TrailerStart,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0 },
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart | State::TrailerLine, _) => self.trailer(byte)?,
            (State::TrailerLf, b'\n') => self.end_trailer_line()?,
            (State::EndLf, b'\n') => State::Done,
            (State::TrailerLf | State::EndLf, _) => return Err(ChunkError::Trailer),
            _ => return Err(ChunkError::LineEnd),
        })
    }

    fn size(&mut self, digits: u8, byte: u8) -> Result<State, ChunkError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if digits > 0 => return Ok(State::SizeLf),
            b';' if digits > 0 => return Ok(State::Extension),
            b'\n' => return Err(ChunkError::LineEnd),
            _ => return Err(ChunkError::Size),
        };
        // 15 hexadecimal digits are more than any body, and cannot overflow anybody's 64 bits.
        if digits == 15 {
            return Err(ChunkError::Size);
        }
        self.left = self.left << 4 | u64::from(digit);
        Ok(State::Size { digits: digits + 1 })
    }

    fn extension(&mut self, byte: u8) -> Result<State, ChunkError> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX {
            return Err(ChunkError::Extension);
        }
        Ok(match (self.state, byte) {
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, b'"') => State::Quoted,
            (State::Extension, b';' | b'=') => State::Extension,
            (State::Extension, _) if crate::field::is_token_byte(byte) => State::Extension,
            (State::Quoted, b'"') => State::Extension,
            (State::Quoted, b'\\') => State::QuotedPair,
            (State::Quoted | State::QuotedPair, b'\t' | b' '..=b'~' | 0x80..) => State::Quoted,
            (_, b'\n') => return Err(ChunkError::LineEnd),
            _ => return Err(ChunkError::Extension),
        })
    }

    fn trailer(&mut self, byte: u8) -> Result<State, ChunkError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > self.trailer_bytes_max {
            return Err(ChunkError::TrailerTooLarge);
        }
        match byte {
            b'\r' => Ok(State::TrailerLf),
            b'\t' | b' '..=b'~' | 0x80.. => {
                self.line.push(byte);
                Ok(State::TrailerLine)
            }
            _ => Err(ChunkError::Trailer),
        }
    }

    fn end_trailer_line(&mut self) -> Result<State, ChunkError> {
        let colon = memchr::memchr(b':', &self.line).ok_or(ChunkError::Trailer)?;
        let name = &self.line[..colon];
        if !crate::field::is_token(name) {
            return Err(ChunkError::Trailer);
        }
        if !may_trail(name) {
            return Err(ChunkError::TrailerForbidden);
        }
        if self.mode == ChunkMode::Decode {
            self.trailers.extend_from_slice(&self.line);
            self.trailers.extend_from_slice(b"\r\n");
        }
        self.line.clear();
        Ok(State::TrailerStart)
    }
}

/// Whether a field may stand in a trailer section (RFC 9110 section 6.5.1): none of framing, routing, identity and the
/// connection, which a peer that merges trailers would believe.
pub fn may_trail(name: &[u8]) -> bool {
    matches!(Known::of(name), Known::Other | Known::Date)
        && !TRAILERS_FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}

/// Appends the line that begins a chunk of `length` bytes, which is not 0.
pub fn write_chunk_header(out: &mut Vec<u8>, length: usize) {
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut rest = length;
    while rest > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `input` in pieces of `piece` bytes; gives what is kept and what is left over.
    fn decode(input: &[u8], mode: ChunkMode, piece: usize) -> Result<(Vec<u8>, usize, bool), ChunkError> {
        let mut decoder = ChunkDecoder::new(mode, 256);
        let mut kept = Vec::new();
        let mut consumed = 0;
        let mut done = false;
        for part in input.chunks(piece.max(1)) {
            let mut part = part.to_vec();
            let fed = decoder.feed(&mut part)?;
            kept.extend_from_slice(&part[..fed.kept]);
            consumed += fed.consumed;
            done = fed.done;
            if done {
                break;
            }
        }
        Ok((kept, consumed, done))
    }

    #[track_caller]
    fn check(input: &str, relayed: &str, decoded: &str) {
        for piece in [1, 2, 3, 7, 4096] {
            let (kept, consumed, done) = decode(input.as_bytes(), ChunkMode::Relay, piece).unwrap();
            assert_eq!(String::from_utf8(kept).unwrap(), relayed, "relay, pieces of {piece}");
            assert!(done);
            assert_eq!(consumed, input.len());
            let (kept, ..) = decode(input.as_bytes(), ChunkMode::Decode, piece).unwrap();
            assert_eq!(String::from_utf8(kept).unwrap(), decoded, "decode, pieces of {piece}");
        }
    }

    #[test]
    fn every_chunk_of_a_long_body_may_have_an_extension() {
        let input = format!("{}0\r\n\r\n", "10;signature=12345678\r\n0123456789abcdef\r\n".repeat(5000));
        let (data, ..) = decode(input.as_bytes(), ChunkMode::Decode, 4096).unwrap();
        assert_eq!(data.len(), 16 * 5000);
    }

    #[test]
    fn trailers_that_say_who_or_what_are_refused() {
        for name in ["Authorization", "content-encoding", "X-Real-IP", "X-Forwarded-Port", "Content_Length"] {
            let input = format!("0\r\n{name}: x\r\n\r\n");
            assert_eq!(
                decode(input.as_bytes(), ChunkMode::Relay, 9),
                Err(ChunkError::TrailerForbidden),
                "{name}"
            );
        }
    }

    #[test]
    fn good_bodies() {
        check("0\r\n\r\n", "0\r\n\r\n", "");
        check("3\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "abc");
        check(
            "00A\r\n0123456789\r\n1\r\n\r\r\n0\r\n\r\n",
            "00A\r\n0123456789\r\n1\r\n\r\r\n0\r\n\r\n",
            "0123456789\r",
        );
        check(
            "1;a=b\r\nx\r\n2;q=\"; \\\" \"\r\nyz\r\n0;last\r\n\r\n",
            "1\r\nx\r\n2\r\nyz\r\n0\r\n\r\n",
            "xyz",
        );
        check("1\r\nx\r\n0\r\nX-Sum: 1\r\nB:\r\n\r\n", "1\r\nx\r\n0\r\nX-Sum: 1\r\nB:\r\n\r\n", "x");
    }

    #[test]
    fn what_follows_is_not_touched() {
        let (kept, consumed, done) = decode(b"1\r\nx\r\n0\r\n\r\nGET /", ChunkMode::Relay, 4096).unwrap();
        assert_eq!((kept.as_slice(), consumed, done), (b"1\r\nx\r\n0\r\n\r\n".as_slice(), 11, true));
    }

    #[test]
    fn bad_bodies() {
        let long = format!("0\r\nA: {}\r\n\r\n", "x".repeat(300));
        let extension = format!("1;{}\r\nx\r\n", "e".repeat(5000));
        let cases: &[(&str, ChunkError)] = &[
            ("\r\n", ChunkError::Size),
            (" 1\r\nx\r\n", ChunkError::Size),
            ("1 \r\nx\r\n", ChunkError::Size),
            ("+1\r\nx\r\n", ChunkError::Size),
            ("0x1\r\nx\r\n", ChunkError::Size),
            ("g\r\n", ChunkError::Size),
            ("1000000000000000\r\n", ChunkError::Size),
            (";a\r\n", ChunkError::Size),
            ("1\nx\r\n", ChunkError::LineEnd),
            ("1\rx", ChunkError::LineEnd),
            ("1\r\nxy\r\n", ChunkError::LineEnd),
            ("1\r\nx\n", ChunkError::LineEnd),
            ("1;a\nx\r\n", ChunkError::LineEnd),
            ("1;a b\r\nx\r\n", ChunkError::Extension),
            ("1;\"a\r\nb\"\r\nx\r\n", ChunkError::Extension),
            ("1;a\0\r\n", ChunkError::Extension),
            (&extension, ChunkError::Extension),
            ("0\r\nno colon\r\n\r\n", ChunkError::Trailer),
            ("0\r\n: a\r\n\r\n", ChunkError::Trailer),
            ("0\r\na : b\r\n\r\n", ChunkError::Trailer),
            ("0\r\n a: b\r\n\r\n", ChunkError::Trailer),
            ("0\r\na: b\n\r\n", ChunkError::Trailer),
            ("0\r\n\rx", ChunkError::Trailer),
            ("0\r\nContent-Length: 5\r\n\r\n", ChunkError::TrailerForbidden),
            ("0\r\ntransfer-encoding: chunked\r\n\r\n", ChunkError::TrailerForbidden),
            ("0\r\nHost: evil\r\n\r\n", ChunkError::TrailerForbidden),
            ("0\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n", ChunkError::TrailerForbidden),
            ("0\r\nCookie: a=b\r\n\r\n", ChunkError::TrailerForbidden),
            (&long, ChunkError::TrailerTooLarge),
        ];
        for (input, expected) in cases {
            for piece in [1, 4096] {
                assert_eq!(decode(input.as_bytes(), ChunkMode::Relay, piece), Err(*expected), "{input:?}");
            }
        }
    }

    #[test]
    fn own_chunk_headers() {
        let mut out = Vec::new();
        write_chunk_header(&mut out, 1);
        write_chunk_header(&mut out, 65_536);
        assert_eq!(out, b"1\r\n10000\r\n");
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same(
            input in prop::collection::vec(prop::sample::select(b"0123aF;=\"\\\r\n: xA".to_vec()), 0..80),
            piece in 1usize..10,
        ) {
            prop_assert_eq!(
                decode(&input, ChunkMode::Relay, piece),
                decode(&input, ChunkMode::Relay, 4096)
            );
        }

        #[test]
        fn what_was_written_is_read(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..8), piece in 1usize..64) {
            let mut body = Vec::new();
            for chunk in &chunks {
                write_chunk_header(&mut body, chunk.len());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(LAST_CHUNK);
            let (kept, _, done) = decode(&body, ChunkMode::Decode, piece).unwrap();
            prop_assert!(done);
            prop_assert_eq!(kept, chunks.concat());
            let (relayed, ..) = decode(&body, ChunkMode::Relay, piece).unwrap();
            prop_assert_eq!(relayed, body);
        }
    }
}
