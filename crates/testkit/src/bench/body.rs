//! The little of HTTP/1.1 that both ends of the bench need: where a head ends, and where the body behind it does.
//!
//! It trusts that messages are well-formed, for what is between the ends has checked them; it is never wrong about where a
//! well-formed one ends.

/// Bytes of the head at the front, with the empty line, once it is whole.
///
/// It looks at one byte in four where none of a line's end is met.
pub(crate) fn head_bytes(bytes: &[u8]) -> Option<usize> {
    let mut at = 3;
    while at < bytes.len() {
        at += match bytes[at] {
            b'\n' if bytes[at - 3..at] == *b"\r\n\r" => return Some(at + 1),
            b'\n' => 2,
            b'\r' => 1,
            _ => 4,
        };
    }
    None
}

/// Fields of a head, with their names in lower case and their values without blanks around.
pub(crate) fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks (RFC 9112 section 7.1).
    Chunks(Chunk),
}

/// Where in chunks a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// In the digits of a size, so far this.
    Size(u64),
    /// Behind the digits.
    SizeEnd(u64),
    /// Before so many bytes of data and the end of their line.
    Data(u64),
    /// In the lines behind the last chunk; whether the line has something.
    Trailer(bool),
}

impl Body {
    /// That of a message with these fields.
    pub(crate) fn of(head: &[u8]) -> Body {
        for (name, value) in fields(head) {
            if name.eq_ignore_ascii_case(b"content-length") {
                let text = std::str::from_utf8(value).unwrap_or_default();
                return Body::Length(text.parse().unwrap_or(0));
            }
            if name.eq_ignore_ascii_case(b"transfer-encoding") {
                return Body::Chunks(Chunk::Size(0));
            }
        }
        Body::Length(0)
    }

    /// Takes what belongs to it from the front: bytes taken, bytes of data among them, and whether that was the end.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> (usize, u64, bool) {
        match self {
            Body::Length(left) => {
                let count = (*left).min(bytes.len() as u64);
                *left -= count;
                (count as usize, count, *left == 0)
            }
            Body::Chunks(chunk) => chunk.take(bytes),
        }
    }
}

impl Chunk {
    fn take(&mut self, bytes: &[u8]) -> (usize, u64, bool) {
        let (mut at, mut data) = (0, 0);
        while let Some(byte) = bytes.get(at) {
            *self = match *self {
                Chunk::Data(left) => {
                    let count = left.min((bytes.len() - at) as u64);
                    // The last two of what is left are the end of the line.
                    data += count.min(left.saturating_sub(2));
                    at += count as usize;
                    if left == count { Chunk::Size(0) } else { Chunk::Data(left - count) }
                }
                state => {
                    at += 1;
                    match (state, *byte) {
                        (Chunk::Size(0) | Chunk::SizeEnd(0), b'\n') => Chunk::Trailer(false),
                        (Chunk::Size(size) | Chunk::SizeEnd(size), b'\n') => Chunk::Data(size + 2),
                        (Chunk::Size(size), digit) => match (digit as char).to_digit(16) {
                            Some(value) => Chunk::Size(size * 16 + u64::from(value)),
                            None => Chunk::SizeEnd(size),
                        },
                        (Chunk::Trailer(false), b'\n') => return (at, data, true),
                        (Chunk::Trailer(_), b'\n') => Chunk::Trailer(false),
                        (Chunk::Trailer(false), b'\r') => Chunk::Trailer(false),
                        (Chunk::Trailer(_), _) => Chunk::Trailer(true),
                        (state, _) => state,
                    }
                }
            };
        }
        (at, data, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_behind_its_empty_line() {
        for text in
            ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: bench\r\n\r\n", "a\r\nbb\r\nccc\r\n\r\n"]
        {
            for more in ["", "x", "\r\n\r\n"] {
                let whole = format!("{text}{more}");
                assert_eq!(head_bytes(whole.as_bytes()), Some(text.len()), "{whole:?}");
            }
            for cut in 0..text.len() {
                assert_eq!(head_bytes(&text.as_bytes()[..cut]), None, "{text:?} cut at {cut}");
            }
        }
    }

    /// Bytes and data taken when a message comes in pieces of this size.
    fn taken(head: &str, body: &str, piece: usize) -> (usize, u64, bool) {
        let (mut state, mut all, mut data) = (Body::of(head.as_bytes()), 0, 0);
        for bytes in body.as_bytes().chunks(piece) {
            let (count, more, done) = state.take(bytes);
            all += count;
            data += more;
            if done {
                return (all, data, true);
            }
        }
        (all, data, false)
    }

    #[test]
    fn bodies_end_where_they_say() {
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let sized = "POST / HTTP/1.1\r\ncontent-length:  5\r\n\r\n";
        for (head, body, whole) in [
            (sized, "12345next", (5, 5, true)),
            (sized, "1234", (4, 4, false)),
            (chunked, "5\r\n12345\r\n0\r\n\r\nnext", (15, 5, true)),
            (chunked, "5;a=b\r\n12345\r\nA\r\n1234567890\r\n0\r\nx: y\r\n\r\nnext", (40, 15, true)),
            (chunked, "5\r\n12345\r\n0\r\n", (13, 5, false)),
        ] {
            for piece in 1..=body.len() {
                assert_eq!(taken(head, body, piece), whole, "{body:?} in pieces of {piece}");
            }
        }
    }
}
