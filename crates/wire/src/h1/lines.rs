//! Reading field lines: framing, the strict gate and what they say, in one pass (RFC 9112 section 5).

use super::scan::{Control, NotToken, find_from};
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
    let mut at = at;
    loop {
        let name_end = find_from::<NotToken>(buffer, at);
        if name_end == at || buffer.get(name_end) != Some(&b':') {
            let rest = buffer.get(at..).unwrap_or_default();
            let next = no_field(rest, name_end - at, &mut summary.bare)?;
            return Ok(next.map(|next| buffer.len() - next.len()));
        }
        let mut start = name_end + 1;
        if buffer.get(start) == Some(&b' ') {
            start += 1;
        }
        let end = find_from::<Control>(buffer, start);
        let next = if buffer.get(end..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            end + 2
        } else {
            let Some(next) = behind_line(buffer.get(end..).unwrap_or_default(), &mut summary.bare)? else {
                return Ok(None);
            };
            buffer.len() - next.len()
        };
        if fields.len() == slots {
            return Err(HeadError::TooManyFields);
        }
        let mut place = Span::new(start, end);
        // There are no control characters but tabs.
        if let Some([] | [..=b' ', ..] | [.., ..=b' ']) = buffer.get(start..end) {
            place = trimmed(buffer, place, name_end + 1);
        }
        let known = Known::of(&buffer[at..name_end]);
        fields.push(Field {
            line: Span::new(at, next),
            name: Span::new(at, name_end),
            value: place,
            known,
            hop: false,
        });
        at = next;
        if Summary::is_told(known) {
            summary.tell(buffer, fields);
        }
    }
}

/// What it means that there is no field name at the start of `rest`: the end of the head, or nothing good.
fn no_field<'b>(rest: &'b [u8], length: usize, bare: &mut bool) -> Result<Option<&'b [u8]>, HeadError> {
    match length {
        0 => behind_line(rest, bare),
        _ if length == rest.len() => Ok(None),
        _ => Err(HeadError::Malformed),
    }
}

/// A value without white space around it. An empty one is where it could begin.
#[cold]
fn trimmed(buffer: &[u8], value: Span, empty: usize) -> Span {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let bytes = value.of(buffer);
    match (bytes.iter().position(is_text), bytes.iter().rposition(is_text)) {
        (Some(first), Some(last)) => {
            let start = value.start as usize;
            Span::new(start + first, start + last + 1)
        }
        _ => Span::new(empty, empty),
    }
}

/// What is behind the end of the line that must be at the start of `rest`; `None`: more bytes are needed. Notes when the
/// line ends with LF alone.
#[inline]
pub(super) fn behind_line<'b>(rest: &'b [u8], bare: &mut bool) -> Result<Option<&'b [u8]>, HeadError> {
    if let [b'\r', b'\n', behind @ ..] = rest {
        return Ok(Some(behind));
    }
    match rest {
        [b'\n', behind @ ..] => {
            *bare = true;
            Ok(Some(behind))
        }
        [] | [b'\r'] => Ok(None),
        _ => Err(HeadError::Malformed),
    }
}

impl Summary {
    /// Refuses a whole head that is well-formed, but not strictly so or not to be believed; marks what is nominated.
    #[inline]
    pub(super) fn judge(&self, buffer: &[u8], fields: &mut [Field]) -> Result<(), HeadError> {
        match self.refusal {
            Some(error) => Err(error),
            None if self.bare => Err(HeadError::BareLf),
            None if self.nominates => mark_nominated(buffer, fields),
            None => Ok(()),
        }
    }

    /// Whether that field says anything about the message and its connection.
    fn is_told(known: Known) -> bool {
        known.is_hop()
            || matches!(known, Known::Host | Known::ContentLength | Known::TransferEncoding | Known::Expect)
    }

    /// Takes in what the last field says.
    #[inline(never)]
    fn tell(&mut self, buffer: &[u8], fields: &mut [Field]) {
        let Some(field) = fields.last_mut() else { return };
        field.hop = field.known.is_hop();
        if let Err(error) = self.note(field.known, field.value, field.value.of(buffer)) {
            self.refusal.get_or_insert(error);
        }
    }

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
    if value.is_empty() || value.len() > 19 {
        return Err(HeadError::LengthInvalid);
    }
    let mut number = 0;
    for byte in value {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(HeadError::LengthInvalid);
        }
        number = number * 10 + u64::from(digit);
    }
    Ok(number)
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
#[cold]
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
