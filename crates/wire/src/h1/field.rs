//! Field lines as places in a buffer, and the strict gate that every head passes.

use super::{FIELDS_MAX, Framing, HeadError, HeadLimits, Version};

/// A range of bytes in a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last.
    pub end: u32,
}

impl Span {
    /// The range from `start` to `end`, which are places in one head.
    pub(crate) fn new(start: usize, end: usize) -> Span {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Span { start: start as u32, end: end as u32 }
    }

    /// The place of `part`, which is a part of `buffer`.
    pub(super) fn within(buffer: &[u8], part: &[u8]) -> Span {
        let start = part.as_ptr() as usize - buffer.as_ptr() as usize;
        Span::new(start, start + part.len())
    }

    /// The bytes themselves.
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start as usize..self.end as usize]
    }

    /// Number of bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Fields that the proxy itself looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the field of that name")]
pub enum Known {
    Other,
    Accept,
    Connection,
    ContentLength,
    ContentType,
    Cookie,
    Date,
    Expect,
    Forwarded,
    /// `X_Forwarded_For`, `Content_Length` and the like, and `Proxy`. Servers that hand fields on as variables (CGI,
    /// WSGI) take it for the real one, or for a setting of their own (CVE-2016-5385).
    Lookalike,
    Host,
    KeepAlive,
    ProxyConnection,
    SetCookie,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    XForwardedFor,
    XForwardedHost,
    /// Another field by which proxies say whom they speak for: `X-Forwarded-Port`, `X-Real-IP` and the like.
    XForwardedOther,
    XForwardedProto,
    XRequestId,
}

impl Known {
    /// Which field a name stands for. Length and first letter leave one candidate; most names end there.
    pub fn of(name: &[u8]) -> Known {
        let Some(first) = name.first() else { return Known::Other };
        let (known, found) = match (name.len(), first | 0x20) {
            (2, b't') => (Known::Te, is(name, b"te")),
            (4, b'h') => (Known::Host, is(name, b"host")),
            (4, b'd') => (Known::Date, is(name, b"date")),
            (6, b'a') => (Known::Accept, is(name, b"accept")),
            (6, b'c') => (Known::Cookie, is(name, b"cookie")),
            (6, b'e') => (Known::Expect, is(name, b"expect")),
            (7, b'u') => (Known::Upgrade, is(name, b"upgrade")),
            (7, b't') => (Known::Trailer, is(name, b"trailer")),
            (9, b'f') => (Known::Forwarded, is(name, b"forwarded")),
            (10, b'c') => (Known::Connection, is(name, b"connection")),
            (10, b'u') => (Known::UserAgent, is(name, b"user-agent")),
            (10, b's') => (Known::SetCookie, is(name, b"set-cookie")),
            (10, b'k') => (Known::KeepAlive, is(name, b"keep-alive")),
            (12, b'c') => (Known::ContentType, is(name, b"content-type")),
            (12, b'x') => (Known::XRequestId, is(name, b"x-request-id")),
            (14, b'c') => (Known::ContentLength, is(name, b"content-length")),
            (15, b'x') => (Known::XForwardedFor, is(name, b"x-forwarded-for")),
            (16, b'x') => (Known::XForwardedHost, is(name, b"x-forwarded-host")),
            (16, b'p') => (Known::ProxyConnection, is(name, b"proxy-connection")),
            (17, b't') => (Known::TransferEncoding, is(name, b"transfer-encoding")),
            (17, b'x') => (Known::XForwardedProto, is(name, b"x-forwarded-proto")),
            (5, b'p') => (Known::Lookalike, is(name, b"proxy")),
            (_, b'x') => (Known::XForwardedOther, is_forwarding(name)),
            _ => return Known::Other,
        };
        match found {
            true => known,
            false if first | 0x20 == b'x' && is_forwarding(name) => Known::XForwardedOther,
            false if name.contains(&b'_') => Known::lookalike(name),
            false => Known::Other,
        }
    }

    /// For a name that has underscores where a known one may have dashes.
    #[cold]
    fn lookalike(name: &[u8]) -> Known {
        // No known name is longer, and what matters of `X-Forwarded-*` is its beginning.
        let mut dashed = [0; 17];
        for (to, byte) in dashed.iter_mut().zip(name) {
            *to = if *byte == b'_' { b'-' } else { *byte };
        }
        match Known::of(&dashed[..name.len().min(17)]) {
            Known::ContentLength
            | Known::TransferEncoding
            | Known::XForwardedFor
            | Known::XForwardedHost
            | Known::XForwardedOther
            | Known::XForwardedProto
            | Known::XRequestId => Known::Lookalike,
            _ => Known::Other,
        }
    }

    /// Fields for one hop by their own nature (RFC 9110 section 7.6.1). `Transfer-Encoding` is one too, but
    /// a relay keeps the framing.
    fn is_hop(self) -> bool {
        matches!(
            self,
            Known::Connection | Known::KeepAlive | Known::ProxyConnection | Known::Te | Known::Upgrade
        )
    }
}

/// Whether a name that is not a known one is another by which proxies say whom they speak for.
fn is_forwarding(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
        || name.eq_ignore_ascii_case(b"x-real-ip")
}

/// Whether a token is `known` (in lower case) in any case. Without a branch a byte, for a length that the compiler
/// knows: setting one bit makes letters lower case and changes no other byte of a token into one of `known`.
fn is<const LENGTH: usize>(token: &[u8], known: &[u8; LENGTH]) -> bool {
    let Ok(token) = <&[u8; LENGTH]>::try_from(token) else { return false };
    token.iter().zip(known).fold(0, |differences, (byte, wanted)| differences | ((byte | 0x20) ^ wanted)) == 0
}

/// One field line.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The whole line with its CRLF.
    pub line: Span,
    /// The name.
    pub name: Span,
    /// The value, without white space around it.
    pub value: Span,
    /// Which field it is.
    pub known: Known,
    /// Whether it is for one hop only, and goes no further.
    pub hop: bool,
}

impl Field {
    /// The field whose line begins at `start`, as in `name: value`, and ends with CRLF. The value has no white space around
    /// it.
    pub(crate) fn plain(start: usize, name: &[u8], value: usize) -> Field {
        let known = Known::of(name);
        let name = Span::new(start, start + name.len());
        let value_at = name.end as usize + 2;
        let line = Span::new(start, value_at + value + 2);
        // An empty one is where a parser points: right behind the colon.
        let value = if value == 0 {
            Span::new(value_at - 1, value_at - 1)
        } else {
            Span::new(value_at, value_at + value)
        };
        Field { line, name, value, known, hop: known.is_hop() }
    }

    /// Whether the line is written in the one way that nobody reads otherwise: `Name: value`.
    pub fn is_plain(&self, buffer: &[u8]) -> bool {
        self.line.len() == self.name.len() + 2 + self.value.len() + 2
            && buffer[self.name.end as usize + 1] == b' '
    }
}

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
}

/// Number of slots that limits allow.
pub(super) fn slots(limits: HeadLimits) -> usize {
    usize::from(limits.fields).min(FIELDS_MAX)
}

/// Takes over what httparse found, and is stricter where httparse is lenient: each line must end in CRLF.
pub(super) fn collect(
    buffer: &[u8],
    headers: &[httparse::Header<'_>],
    length: usize,
    fields: &mut Vec<Field>,
) -> Result<Summary, HeadError> {
    fields.clear();
    let mut summary = Summary::default();
    for header in headers {
        let name = Span::within(buffer, header.name.as_bytes());
        // httparse points an empty value somewhere of its own.
        let value = if header.value.is_empty() {
            Span { start: name.end + 1, end: name.end + 1 }
        } else {
            Span::within(buffer, header.value)
        };
        let known = Known::of(header.name.as_bytes());
        if let Some(last) = fields.last_mut() {
            last.line.end = name.start;
        }
        let line = Span { start: name.start, end: (length - 2) as u32 };
        fields.push(Field { line, name, value, known, hop: known.is_hop() });
        summary.note(known, value, header.value)?;
    }
    let first = fields.first().map_or(length - 2, |field| field.line.start as usize);
    let ends = fields.iter().map(|field| field.line.end as usize);
    for end in std::iter::once(first).chain(ends).chain(std::iter::once(length)) {
        if end < 2 || buffer[end - 2..end] != *b"\r\n" {
            return Err(HeadError::BareLf);
        }
    }
    if summary.nominates {
        mark_nominated(buffer, fields)?;
    }
    Ok(summary)
}

/// What fields say that were not parsed, but are known each by its places.
pub(super) fn summarise(buffer: &[u8], fields: &mut [Field]) -> Result<Summary, HeadError> {
    let mut summary = Summary::default();
    for field in fields.iter() {
        summary.note(field.known, field.value, field.value.of(buffer))?;
    }
    if summary.nominates {
        mark_nominated(buffer, fields)?;
    }
    Ok(summary)
}

impl Summary {
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
