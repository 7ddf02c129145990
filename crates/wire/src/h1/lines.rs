//! Reading field lines: framing, the strict gate and what they say, in one pass (RFC 9112 section 5).

use super::scan::{Control, NotToken, find};
use super::{FIELDS_MAX, Field, Framing, HeadError, HeadLimits, Known, Span, Version};

/// What the fields say about the message and its connection.
#[derive(Default)]
pub(super) struct Summary {
    pub length: Option<u64>,
    pub coding: bool,
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade_token: bool,
    pub upgrade_field: bool,
    /// `Upgrade` names `h2c`, which is for this hop alone and not served.
    pub h2c: bool,
    pub host: Option<Span>,
    pub expect: Option<Span>,
    nominates: bool,
    /// A line ends with LF alone.
    pub bare: bool,
    /// The first thing that a field is refused for.
    refusal: Option<HeadError>,
}

/// Number of slots that limits allow.
pub(super) fn slots(limits: HeadLimits) -> usize {
    usize::from(limits.fields).min(FIELDS_MAX)
}

/// Reads the field lines that begin at `at`, and the empty line. Gives one past it; `None`: more bytes are needed.
///
/// What is wrong with a line's form is an error at once. What [`Summary::judge`] answers for comes after that, wherever
/// in the head it is.
pub(super) fn read(
    buffer: &[u8],
    at: usize,
    slots: usize,
    fields: &mut Vec<Field>,
    summary: &mut Summary,
) -> Result<Option<usize>, HeadError> {
    fields.clear();
    let mut rest = buffer.get(at..).unwrap_or_default();
    loop {
        let at = buffer.len() - rest.len();
        if rest.starts_with(b"\r\n") {
            return Ok(Some(at + 2));
        }
        let length = find::<NotToken>(rest);
        let (name, behind) = rest.split_at(length);
        let behind = match behind.split_first() {
            Some((b':', behind)) if length > 0 => behind,
            Some(_) if length == 0 => return Ok(line_end(rest, &mut summary.bare)?.map(|ends| at + ends)),
            Some(_) => return Err(HeadError::Malformed),
            None => return Ok(None),
        };
        let (value, behind) = behind.split_at(find::<Control>(behind));
        let Some(ends) = line_end(behind, &mut summary.bare)? else { return Ok(None) };
        if fields.len() == slots {
            return Err(HeadError::TooManyFields);
        }
        rest = &behind[ends..];
        let (start, value) = trimmed(at + length + 1, value);
        let known = Known::of(name);
        let field = Field {
            line: Span::new(at, buffer.len() - rest.len()),
            name: Span::new(at, at + length),
            value: Span::new(start, start + value.len()),
            known,
            hop: known.is_hop(),
        };
        fields.push(field);
        if known != Known::Other
            && let Err(error) = summary.note(known, field.value, value)
        {
            summary.refusal.get_or_insert(error);
        }
    }
}

/// A value that stands at `start`, without white space around it, and where it is then.
#[inline]
fn trimmed(start: usize, value: &[u8]) -> (usize, &[u8]) {
    let mut trimmed = value;
    while let [b' ' | b'\t', behind @ ..] = trimmed {
        trimmed = behind;
    }
    if trimmed.is_empty() {
        return (start, trimmed);
    }
    let start = start + value.len() - trimmed.len();
    while let [before @ .., b' ' | b'\t'] = trimmed {
        trimmed = before;
    }
    (start, trimmed)
}

/// The length of the end of a line that must be at the start of `rest`; `None`: more bytes are needed. Notes when it is
/// LF alone.
#[inline]
pub(super) fn line_end(rest: &[u8], bare: &mut bool) -> Result<Option<usize>, HeadError> {
    if rest.starts_with(b"\r\n") {
        return Ok(Some(2));
    }
    match rest {
        [b'\n', ..] => {
            *bare = true;
            Ok(Some(1))
        }
        [] | [b'\r'] => Ok(None),
        _ => Err(HeadError::Malformed),
    }
}

impl Summary {
    /// Refuses a whole head that is well-formed, but not strictly so or not to be believed; marks what is nominated.
    pub(super) fn judge(&self, buffer: &[u8], fields: &mut [Field]) -> Result<(), HeadError> {
        if let Some(error) = self.refusal {
            return Err(error);
        }
        if self.bare {
            return Err(HeadError::BareLf);
        }
        if self.nominates { mark_nominated(buffer, fields) } else { Ok(()) }
    }

    #[inline(never)]
    fn note(&mut self, known: Known, place: Span, value: &[u8]) -> Result<(), HeadError> {
        match known {
            Known::Host => {
                let repeated = self.host.replace(place).is_some();
                return if repeated { Err(HeadError::HostRepeated) } else { Ok(()) };
            }
            Known::ContentLength => {
                let repeated = self.length.replace(parse_length(value)?).is_some();
                return if repeated { Err(HeadError::LengthRepeated) } else { Ok(()) };
            }
            Known::TransferEncoding => {
                if std::mem::replace(&mut self.coding, true) {
                    return Err(HeadError::CodingInvalid);
                }
                check_coding(value)?;
            }
            Known::Connection => self.note_connection(value),
            Known::Upgrade => {
                self.upgrade_field = true;
                self.h2c |= names_h2c(value);
            }
            Known::Expect => self.expect = Some(place),
            _ => {}
        }
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) {
        for token in crate::field::list(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade_token = true;
            } else {
                self.nominates = true;
            }
        }
    }

    /// Whether the connection may live on after this message (RFC 9112 section 9.3).
    pub(super) fn persists(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }

    /// The framing that the fields speak of, if any.
    pub(super) fn framing(&self, version: Version) -> Result<Option<Framing>, HeadError> {
        match (self.coding, self.length) {
            (true, Some(_)) => Err(HeadError::LengthWithCoding),
            (true, None) if version == Version::Http10 => Err(HeadError::CodingInvalid),
            (true, None) => Ok(Some(Framing::Chunked)),
            (false, length) => Ok(length.map(Framing::Length)),
        }
    }
}

/// RFC 9110 section 8.6: digits alone; no list, no sign.
fn parse_length(value: &[u8]) -> Result<u64, HeadError> {
    // 19 digits cannot overflow, and no body is longer.
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadError::LengthInvalid);
    }
    Ok(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Exactly `chunked`. A list, even one that ends so, is read differently by different servers.
fn check_coding(value: &[u8]) -> Result<(), HeadError> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = crate::field::list(value).peekable();
    let meant = codings.peek().is_none() || codings.any(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    Err(if meant { HeadError::CodingInvalid } else { HeadError::CodingUnknown })
}

fn names_h2c(value: &[u8]) -> bool {
    crate::field::list(value).any(|token| token.eq_ignore_ascii_case(b"h2c"))
}

/// Marks the fields that `Connection` names; refuses to take away what others rely on.
fn mark_nominated(buffer: &[u8], fields: &mut [Field]) -> Result<(), HeadError> {
    for index in 0..fields.len() {
        if fields[index].known != Known::Connection {
            continue;
        }
        for token in crate::field::list(fields[index].value.of(buffer)) {
            match Known::of(token) {
                Known::Host | Known::ContentLength | Known::TransferEncoding => {
                    return Err(HeadError::ConnectionNomination);
                }
                _ => {}
            }
            for field in fields.iter_mut() {
                field.hop |= field.name.of(buffer).eq_ignore_ascii_case(token);
            }
        }
    }
    Ok(())
}

/// Whether a head that was unfinished at `searched` bytes deserves another look: a line has ended since. So a
/// head that drips in is not parsed once a byte.
pub(super) fn has_new_line(buffer: &[u8], searched: usize) -> bool {
    buffer.get(searched..).is_none_or(|new| memchr::memchr(b'\n', new).is_some())
}
