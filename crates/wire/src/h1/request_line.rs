//! Reading the request line (RFC 9112 section 3).

use super::lines::line_end;
use super::scan::{NotInPath, NotToken, find};
use super::{HeadError, Span, Version};

/// Places in a request line.
pub(super) struct RequestLine {
    /// The method.
    pub method: Span,
    /// The target.
    pub target: Span,
    /// The first question mark of the target, or where the target ends.
    pub query: u32,
    /// Where the fields begin.
    pub end: u32,
    /// The target has bytes that may not stand in one.
    pub odd: bool,
    /// The version.
    pub version: Version,
}

/// Reads the line that `buffer` begins with, or that comes behind empty lines. `None`: more bytes are needed.
#[inline]
pub(super) fn read(buffer: &[u8], bare: &mut bool) -> Result<Option<RequestLine>, HeadError> {
    match read_usual(buffer) {
        Some(line) => Ok(Some(line)),
        None => read_carefully(buffer, bare),
    }
}

/// Reads a line that has nothing wrong with it; anything else is for [`read_carefully`].
#[inline]
fn read_usual(buffer: &[u8]) -> Option<RequestLine> {
    let method = if buffer.starts_with(b"GET ") { 3 } else { find::<NotToken>(buffer) };
    let (b' ', rest) = buffer.get(method..)?.split_first()? else { return None };
    let query = find::<NotInPath>(rest);
    let mut length = query;
    while *rest.get(length)? == b'?' {
        length += 1;
        length += find::<NotInPath>(rest.get(length..)?);
    }
    let ending = rest.get(length..)?.first_chunk::<11>()?;
    let version = if ending == b" HTTP/1.1\r\n" {
        Version::Http11
    } else if ending == b" HTTP/1.0\r\n" {
        Version::Http10
    } else {
        return None;
    };
    let start = method + 1;
    (method > 0 && length > 0).then_some(RequestLine {
        method: Span::new(0, method),
        target: Span::new(start, start + length),
        query: (start + query) as u32,
        end: (start + length + ending.len()) as u32,
        odd: false,
        version,
    })
}

/// Reads byte after byte, and says what is wrong as soon as it shows; but what version it is shows when the line ends.
#[cold]
fn read_carefully(buffer: &[u8], bare: &mut bool) -> Result<Option<RequestLine>, HeadError> {
    let mut start = 0;
    while let Some(b'\r' | b'\n') = buffer.get(start) {
        let Some(ends) = line_end(&buffer[start..], &mut false)? else { return Ok(None) };
        start += ends;
    }
    let method_end = start + find::<NotToken>(&buffer[start..]);
    match buffer.get(method_end) {
        Some(b' ') if method_end > start => {}
        Some(_) => return Err(HeadError::Malformed),
        None => return Ok(None),
    }
    let target = &buffer[method_end + 1..];
    let Some(length) = target.iter().position(|byte| matches!(byte, 0..=b' ' | 0x7f)) else {
        return Ok(None);
    };
    let (target, rest) = target.split_at(length);
    if target.is_empty() || rest[0] != b' ' || std::str::from_utf8(target).is_err() {
        return Err(HeadError::Malformed);
    }
    let target_end = method_end + 1 + length;
    let version = match &rest[1..] {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', ..] => Version::Http11,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0', ..] => Version::Http10,
        _ => {
            let line = memchr::memchr(b'\n', rest).map(|length| &buffer[start..target_end + length]);
            return line.map_or(Ok(None), |line| Err(bad_version(line)));
        }
    };
    let query = memchr::memchr(b'?', target).map_or(target_end, |at| method_end + 1 + at);
    Ok(line_end(&rest[9..], bare)?.map(|ends| RequestLine {
        method: Span::new(start, method_end),
        target: Span::new(method_end + 1, target_end),
        query: query as u32,
        end: (target_end + 9 + ends) as u32,
        odd: target.iter().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'#' | b'\\')),
        version,
    }))
}

/// A version that looks like one is answered as such; anything else there is malformed.
fn bad_version(line: &[u8]) -> HeadError {
    match line.trim_ascii().rsplit(|byte| *byte == b' ').next() {
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit()
                && minor.is_ascii_digit()
                && !matches!((major, minor), (b'1', b'0' | b'1')) =>
        {
            HeadError::Version
        }
        _ => HeadError::Malformed,
    }
}
