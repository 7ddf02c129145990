//! HTTP/1 messages for tests: a strict parser of heads, and bodies decoded piece by piece.
//!
//! Written to be checked by eye (RFC 9112), not to be fast.

use std::fmt;

/// The head of a request or an answer: its first line, and its fields in the order and case they came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The first line without its line end.
    pub line: String,
    /// Names and values, the latter without white space around them.
    pub fields: Vec<(String, String)>,
}

/// A message that breaks the rules, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "malformed message: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

impl Head {
    /// Reads a head from the start of `bytes`, with the number of bytes it takes; `None` while its end is
    /// not there.
    ///
    /// # Errors
    /// When lines do not end with CRLF or a field has no proper name.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Malformed> {
        let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let fields = lines.map(field).collect::<Result<Vec<_>, _>>()?;
        if text.replace("\r\n", "").contains(['\r', '\n']) {
            return Err(Malformed("a bare CR or LF in the head".to_owned()));
        }
        Ok(Some((Head { line, fields }, end + 4)))
    }

    /// All values of a field.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a field.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether a list field (`Connection`, `Transfer-Encoding`) has this member.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    }

    /// The words of the first line, split at its first two spaces.
    pub fn words(&self) -> (&str, &str, &str) {
        let mut words = self.line.splitn(3, ' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    fn length(&self) -> Result<Option<u64>, Malformed> {
        let mut values = self.values("content-length");
        let Some(first) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Malformed("more than one Content-Length".to_owned()));
        }
        first.parse().map(Some).map_err(|_| Malformed(format!("Content-Length {first:?}")))
    }

    /// How the body of a request is framed (RFC 9112 section 6.3).
    ///
    /// # Errors
    /// When two framings are given, or one that is no number.
    pub fn request_body(&self) -> Result<Body, Malformed> {
        let chunked = self.has_token("transfer-encoding", "chunked");
        match (chunked, self.length()?) {
            (true, Some(_)) => Err(Malformed("Content-Length with Transfer-Encoding".to_owned())),
            (true, None) => Ok(Body::chunked()),
            (false, Some(length)) => Ok(Body::Length(length)),
            (false, None) => Ok(Body::Length(0)),
        }
    }

    /// How the body of an answer is framed, given the method it answers and its status.
    ///
    /// # Errors
    /// When two framings are given, or one that is no number.
    pub fn response_body(&self, method: &str, status: u16) -> Result<Body, Malformed> {
        if method == "HEAD" || status == 204 || status == 304 || (100..200).contains(&status) {
            return Ok(Body::Length(0));
        }
        match (self.has_token("transfer-encoding", "chunked"), self.length()?) {
            (true, Some(_)) => Err(Malformed("Content-Length with Transfer-Encoding".to_owned())),
            (true, None) => Ok(Body::chunked()),
            (false, Some(length)) => Ok(Body::Length(length)),
            (false, None) => Ok(Body::Close),
        }
    }
}

/// A body that is being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes are missing.
    Length(u64),
    /// In chunks.
    Chunked(Chunks),
    /// Until the connection closes.
    Close,
}

/// Where in a chunked body reading stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    place: Place,
    /// Fields after the last chunk.
    pub trailers: Vec<(String, String)>,
    /// Extensions of chunks, with their semicolon.
    pub extensions: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Done,
}

impl Body {
    fn chunked() -> Body {
        Body::Chunked(Chunks::default())
    }

    /// Whether nothing is missing. Never so for a body that ends with the connection.
    pub fn is_complete(&self) -> bool {
        match self {
            Body::Length(missing) => *missing == 0,
            Body::Chunked(chunks) => chunks.place == Place::Done,
            Body::Close => false,
        }
    }

    /// Fields after the last chunk.
    pub fn trailers(&self) -> &[(String, String)] {
        match self {
            Body::Chunked(chunks) => &chunks.trailers,
            Body::Length(_) | Body::Close => &[],
        }
    }

    /// Takes what belongs to the body from the front of `input` and appends its data to `out`.
    ///
    /// # Errors
    /// When chunks are malformed.
    pub fn feed(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match self {
            Body::Close => out.append(input),
            Body::Length(missing) => {
                let count = input.len().min(usize::try_from(*missing).unwrap_or(usize::MAX));
                out.extend(input.drain(..count));
                *missing -= count as u64;
            }
            Body::Chunked(chunks) => {
                let mut at = 0;
                while let Some(taken) = chunks.step(&input[at..], out)? {
                    at += taken;
                }
                input.drain(..at);
            }
        }
        Ok(())
    }
}

impl Chunks {
    /// Takes one part; `None` when more bytes are needed or all is done.
    fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, Malformed> {
        match self.place {
            Place::Done => Ok(None),
            Place::Data(missing) => {
                let count = input.len().min(usize::try_from(missing).unwrap_or(usize::MAX));
                if count == 0 {
                    return Ok(None);
                }
                out.extend_from_slice(&input[..count]);
                let missing = missing - count as u64;
                self.place = if missing == 0 { Place::DataEnd } else { Place::Data(missing) };
                Ok(Some(count))
            }
            Place::DataEnd if input.len() < 2 => Ok(None),
            Place::DataEnd if input.starts_with(b"\r\n") => {
                self.place = Place::Size;
                Ok(Some(2))
            }
            Place::DataEnd => Err(Malformed("a chunk without CRLF at its end".to_owned())),
            Place::Size | Place::Trailers => {
                let Some(end) = find(input, b"\r\n") else { return Ok(None) };
                let line = String::from_utf8_lossy(&input[..end]).into_owned();
                self.line(&line)?;
                Ok(Some(end + 2))
            }
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Malformed> {
        if self.place == Place::Trailers {
            if line.is_empty() {
                self.place = Place::Done;
            } else {
                self.trailers.push(field(line)?);
            }
            return Ok(());
        }
        let (digits, extension) = line.split_at(line.find(';').unwrap_or(line.len()));
        if !extension.is_empty() {
            self.extensions.push(extension.to_owned());
        }
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Malformed(format!("chunk size {line:?}")));
        }
        let size = u64::from_str_radix(digits, 16).map_err(|_| Malformed(format!("chunk size {line:?}")))?;
        self.place = if size == 0 { Place::Trailers } else { Place::Data(size) };
        Ok(())
    }
}

fn field(line: &str) -> Result<(String, String), Malformed> {
    let Some((name, value)) = line.split_once(':') else {
        return Err(Malformed(format!("a field without colon: {line:?}")));
    };
    if name.is_empty() || name.bytes().any(|byte| byte <= b' ') {
        return Err(Malformed(format!("field name {name:?}")));
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// Where `needle` begins in `haystack`.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A body whose every byte can be checked: letters whose order has a period of 26 and, every so often, a
/// place that tells where it is.
pub fn pattern(length: usize) -> Vec<u8> {
    pattern_part(0, length)
}

/// The bytes of [`pattern`] from `start` on.
pub fn pattern_part(start: usize, length: usize) -> Vec<u8> {
    // 251 is a prime: a piece that is lost or repeated shows, whatever its size is a multiple of.
    (start..start + length).map(|at| b'a' + ((at % 251 + at / 65_521) % 26) as u8).collect()
}

/// FNV-1a, 64 bits: tells two bodies apart.
pub fn fnv(bytes: &[u8]) -> u64 {
    fnv_continue(FNV_START, bytes)
}

/// Where [`fnv_continue`] begins.
pub const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a over bytes that follow others.
pub fn fnv_continue(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Feeds a chunked body byte by byte.
    fn decode(input: &str) -> Result<(String, Body), Malformed> {
        let mut body = Body::chunked();
        let (mut pending, mut out) = (Vec::new(), Vec::new());
        for byte in input.bytes() {
            pending.push(byte);
            body.feed(&mut pending, &mut out)?;
        }
        Ok((String::from_utf8(out).unwrap(), body))
    }

    #[test]
    fn chunks_are_decoded_with_trailers_and_extensions() {
        let (text, body) = decode("3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n").unwrap();
        assert_eq!(text, "abcde");
        assert!(body.is_complete());
        assert_eq!(body.trailers(), [("X-Sum".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_chunked_body_without_its_last_chunk_is_not_complete() {
        assert!(!decode("3\r\nabc\r\n").unwrap().1.is_complete());
        assert!(!decode("3\r\nabc\r\n0\r\n").unwrap().1.is_complete());
    }

    #[test]
    fn bad_chunks_are_refused() {
        for bad in ["x\r\n", "\r\n", " 3\r\n", "3\r\nabcd\r\n"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn heads_keep_order_case_and_duplicates() {
        let (head, length) =
            Head::parse(b"GET / HTTP/1.1\r\nB: 1\r\na: 2\r\nB: 3\r\n\r\nrest").unwrap().unwrap();
        assert_eq!(length, 36);
        assert_eq!(head.words(), ("GET", "/", "HTTP/1.1"));
        assert_eq!(head.values("b").collect::<Vec<_>>(), ["1", "3"]);
        assert!(Head::parse(b"GET / HTTP/1.1\nA: b\r\n\r\n").is_err());
        assert!(Head::parse(b"GET / HTTP/1.1\r\nA : b\r\n\r\n").is_err());
    }
}
