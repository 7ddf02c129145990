//! Another reader of heads: httparse with a strict gate behind it. What it takes and refuses, and why, is what our own
//! must; both tests and fuzzing compare them.

use std::fmt::Debug;
use std::mem::MaybeUninit;
use wire::h1::{
    FIELDS_MAX, Field, Framing, HeadError, HeadLimits, Known, Method, RequestHead, ResponseHead, Scheme,
    Span, TargetForm, Version,
};
use wire::uri::Authority;

/// What both say of a request's head.
///
/// # Panics
/// When they do not say the same.
pub fn check_request(buffer: &[u8], limits: HeadLimits) -> Result<bool, HeadError> {
    let (mut ours, mut theirs) = (RequestHead::new(), Request(RequestHead::new()));
    let verdict = ours.parse(buffer, limits);
    assert_same(&verdict, &theirs.parse(buffer, limits), buffer);
    if verdict == Ok(true) {
        assert_same(&ours, &theirs.0, buffer);
    }
    verdict
}

/// What both say of an answer's head.
///
/// # Panics
/// When they do not say the same.
pub fn check_response(buffer: &[u8], limits: HeadLimits, method: Method) -> Result<bool, HeadError> {
    let (mut ours, mut theirs) = (ResponseHead::new(), Response(ResponseHead::new()));
    let verdict = ours.parse(buffer, limits, method);
    assert_same(&verdict, &theirs.parse(buffer, limits, method), buffer);
    if verdict == Ok(true) {
        assert_same(&ours, &theirs.0, buffer);
    }
    verdict
}

#[track_caller]
fn assert_same(ours: &impl Debug, theirs: &impl Debug, buffer: &[u8]) {
    let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
    assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(buffer));
}

/// A request's head that is read here.
struct Request(RequestHead);

/// An answer's head that is read here.
struct Response(ResponseHead);

impl Request {
    fn parse(&mut self, buffer: &[u8], limits: HeadLimits) -> Result<bool, HeadError> {
        let mut storage = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let status = request.parse_with_uninit_headers(buffer, &mut storage[..slots(limits)]);
        let length = match status {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => {
                return incomplete(buffer, limits);
            }
            // What version it is shows when its line has ended.
            Err(httparse::Error::Version) if !has_whole_line(buffer) => {
                return incomplete(buffer, limits);
            }
            Err(error) => return Err(bad_start(buffer, error)),
        };
        if length > limits.bytes as usize {
            return Err(too_large(buffer, limits));
        }
        let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version)
        else {
            return Err(HeadError::Malformed);
        };
        self.0.method = Method::of(method.as_bytes());
        self.0.method_text = within(buffer, method.as_bytes());
        // RFC 9112 section 2.2 lets us skip an empty line before the request; one is enough.
        if !matches!(buffer[..self.0.method_text.start as usize], [] | [b'\r', b'\n']) {
            return Err(HeadError::Malformed);
        }
        self.0.version = if version == 1 { Version::Http11 } else { Version::Http10 };
        self.0.target = within(buffer, target.as_bytes());
        self.0.length = length as u32;
        let summary = collect(buffer, request.headers, length, &mut self.0.fields)?;
        self.read_target(buffer)?;
        self.read_host(buffer, &summary)?;
        self.0.framing = summary.framing(self.0.version)?.unwrap_or_default();
        self.0.keep_alive = summary.persists(self.0.version);
        let upgrade = summary.upgrade_token && summary.upgrade_field && !summary.h2c;
        self.0.upgrade = upgrade && self.0.version == Version::Http11;
        self.0.expect_continue = false;
        if let Some(expect) = summary.expect.filter(|_| self.0.version == Version::Http11) {
            if !expect.of(buffer).eq_ignore_ascii_case(b"100-continue") {
                return Err(HeadError::Expectation);
            }
            self.0.expect_continue = true;
        }
        Ok(true)
    }

    fn read_target(&mut self, buffer: &[u8]) -> Result<(), HeadError> {
        let target = self.0.target.of(buffer);
        if target.iter().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'#' | b'\\')) {
            return Err(HeadError::Target);
        }
        self.0.scheme = None;
        self.0.host = Span::default();
        self.0.host_name = Span::default();
        self.0.query = None;
        let start = self.0.target.start as usize;
        if self.0.method == Method::Connect {
            self.0.form = TargetForm::Authority;
            self.0.host = self.0.target;
            self.0.path = span(start, start);
            let authority = split_authority(target).ok_or(HeadError::Target)?;
            self.0.host_name = within(buffer, authority.host);
            // RFC 9112 section 3.2.3: the port is not optional.
            return if authority.port.is_some() { Ok(()) } else { Err(HeadError::Target) };
        }
        if target == b"*" {
            self.0.form = TargetForm::Asterisk;
            self.0.path = self.0.target;
            return if self.0.method == Method::Options { Ok(()) } else { Err(HeadError::Target) };
        }
        let path_start = if target.starts_with(b"/") {
            self.0.form = TargetForm::Origin;
            0
        } else {
            self.0.form = TargetForm::Absolute;
            self.read_absolute(target)?
        };
        let end = target.len();
        let path_end = memchr::memchr(b'?', &target[path_start..]).map_or(end, |at| path_start + at);
        self.0.path = span(start + path_start, start + path_end);
        if path_end < end {
            self.0.query = Some(span(start + path_end + 1, start + end));
        }
        Ok(())
    }

    /// Reads scheme and authority; returns where the path begins in `target`.
    fn read_absolute(&mut self, target: &[u8]) -> Result<usize, HeadError> {
        let starts = |scheme: &[u8]| {
            target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        let (scheme, authority) = if starts(b"http://") {
            (Scheme::Http, 7)
        } else if starts(b"https://") {
            (Scheme::Https, 8)
        } else {
            return Err(HeadError::Target);
        };
        self.0.scheme = Some(scheme);
        let end = memchr::memchr2(b'/', b'?', &target[authority..]).map_or(target.len(), |at| authority + at);
        if end == authority {
            return Err(HeadError::Target);
        }
        let start = self.0.target.start as usize;
        self.0.host = span(start + authority, start + end);
        Ok(end)
    }

    /// The target's own host, which comes before that of `Host` and must mean the same authority.
    fn target_host(&self, buffer: &[u8], field: Option<Authority<'_>>) -> Result<Span, HeadError> {
        let target = split_authority(self.0.host.of(buffer)).ok_or(HeadError::Target)?;
        // RFC 9110 section 4.2.3: to leave the default port out is to name it.
        let default = match self.0.scheme {
            Some(Scheme::Http) => Some(80),
            Some(Scheme::Https) => Some(443),
            None => None,
        };
        let same = field.is_none_or(|field| {
            field.host.eq_ignore_ascii_case(target.host) && field.port.or(default) == target.port.or(default)
        });
        if same { Ok(within(buffer, target.host)) } else { Err(HeadError::HostMismatch) }
    }

    fn read_host(&mut self, buffer: &[u8], summary: &Summary) -> Result<(), HeadError> {
        let field = summary.host;
        if field.is_none() && self.0.version == Version::Http11 {
            return Err(HeadError::HostMissing);
        }
        if let Some(field) = field {
            let value = field.of(buffer);
            let authority = split_authority(value).ok_or(HeadError::HostInvalid)?;
            if self.0.host.is_empty() {
                self.0.host = field;
                self.0.host_name = within(buffer, authority.host);
                return Ok(());
            }
            self.0.host_name = self.target_host(buffer, Some(authority))?;
        } else if !self.0.host.is_empty() {
            self.0.host_name = self.target_host(buffer, None)?;
        }
        Ok(())
    }
}

impl Response {
    fn parse(&mut self, buffer: &[u8], limits: HeadLimits, method: Method) -> Result<bool, HeadError> {
        let mut storage = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            buffer,
            &mut storage[..slots(limits)],
        );
        let length = match status.map_err(said)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => {
                return incomplete_answer(buffer, limits);
            }
        };
        if length > limits.bytes as usize {
            return Err(HeadError::TooLarge);
        }
        let (Some(status), Some(version)) = (response.code, response.version) else {
            return Err(HeadError::Malformed);
        };
        // Leading empty lines are for requests only.
        if !buffer.starts_with(b"HTTP/") || status < 100 {
            return Err(HeadError::Malformed);
        }
        self.0.status = status;
        self.0.version = if version == 1 { Version::Http11 } else { Version::Http10 };
        self.0.reason = match response.reason {
            Some(reason) if !reason.is_empty() => within(buffer, reason.as_bytes()),
            _ => Span::default(),
        };
        self.0.length = length as u32;
        let summary = collect(buffer, response.headers, length, &mut self.0.fields)?;
        self.0.keep_alive = summary.persists(self.0.version);
        self.0.upgrade = summary.upgrade_token && summary.upgrade_field;
        self.0.framing = frame(status, method, summary.framing(self.0.version)?)?;
        Ok(true)
    }
}

/// More is to come, unless there is too much already.
fn incomplete(buffer: &[u8], limits: HeadLimits) -> Result<bool, HeadError> {
    if buffer.len() >= limits.bytes as usize { Err(too_large(buffer, limits)) } else { Ok(false) }
}

/// Whether it is the request line alone that is too large.
fn too_large(buffer: &[u8], limits: HeadLimits) -> HeadError {
    let allowed = &buffer[..buffer.len().min(limits.bytes as usize)];
    match memchr::memchr(b'\n', allowed) {
        Some(at) if at > 1 => HeadError::TooLarge,
        _ => HeadError::TargetTooLong,
    }
}

/// Whether the first line that is not empty has ended.
fn has_whole_line(buffer: &[u8]) -> bool {
    let start = buffer.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    start.is_some_and(|start| memchr::memchr(b'\n', &buffer[start..]).is_some())
}

/// A version that looks like one is answered as such; anything else there is malformed.
fn bad_start(buffer: &[u8], error: httparse::Error) -> HeadError {
    if error != httparse::Error::Version {
        return said(error);
    }
    let line = buffer.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let version = line.and_then(|line| line.trim_ascii().rsplit(|byte| *byte == b' ').next());
    match version {
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

/// RFC 9112 section 6.3, from the top.
fn frame(status: u16, method: Method, said: Option<Framing>) -> Result<Framing, HeadError> {
    let has_none = matches!(status, 100..=199 | 204);
    if has_none && !matches!(said, None | Some(Framing::Length(0))) {
        return Err(HeadError::UnexpectedBody);
    }
    if has_none || status == 304 || method == Method::Head {
        return Ok(Framing::None);
    }
    Ok(said.unwrap_or(Framing::Close))
}

/// More is to come, unless there is too much already.
fn incomplete_answer(buffer: &[u8], limits: HeadLimits) -> Result<bool, HeadError> {
    if buffer.len() >= limits.bytes as usize { Err(HeadError::TooLarge) } else { Ok(false) }
}

/// Number of slots that limits allow.
fn slots(limits: HeadLimits) -> usize {
    usize::from(limits.fields).min(FIELDS_MAX)
}

/// The place of `part`, which is a part of `buffer`.
fn within(buffer: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr() as usize - buffer.as_ptr() as usize;
    span(start, start + part.len())
}

fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

fn said(error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::TooManyHeaders => HeadError::TooManyFields,
        httparse::Error::Version => HeadError::Version,
        _ => HeadError::Malformed,
    }
}

/// Fields for one hop by their own nature (RFC 9110 section 7.6.1).
fn is_hop(known: Known) -> bool {
    matches!(
        known,
        Known::Connection | Known::KeepAlive | Known::ProxyConnection | Known::Te | Known::Upgrade
    )
}

/// What the fields say about the message and its connection.
#[derive(Default)]
struct Summary {
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

/// Takes over what httparse found, and is stricter where httparse is lenient: each line must end in CRLF.
fn collect(
    buffer: &[u8],
    headers: &[httparse::Header<'_>],
    length: usize,
    fields: &mut Vec<Field>,
) -> Result<Summary, HeadError> {
    fields.clear();
    let mut summary = Summary::default();
    for header in headers {
        let name = within(buffer, header.name.as_bytes());
        // httparse points an empty value somewhere of its own.
        let value = if header.value.is_empty() {
            Span { start: name.end + 1, end: name.end + 1 }
        } else {
            within(buffer, header.value)
        };
        let known = Known::of(header.name.as_bytes());
        if let Some(last) = fields.last_mut() {
            last.line.end = name.start;
        }
        let line = Span { start: name.start, end: (length - 2) as u32 };
        fields.push(Field { line, name, value, known, hop: is_hop(known) });
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
        for token in wire::field::list(value) {
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
    fn persists(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }

    /// The framing that the fields speak of, if any.
    fn framing(&self, version: Version) -> Result<Option<Framing>, HeadError> {
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
    let mut codings = wire::field::list(value).peekable();
    let meant = codings.peek().is_none() || codings.any(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    Err(if meant { HeadError::CodingInvalid } else { HeadError::CodingUnknown })
}

fn names_h2c(value: &[u8]) -> bool {
    wire::field::list(value).any(|token| token.eq_ignore_ascii_case(b"h2c"))
}

/// Marks the fields that `Connection` names; refuses to take away what others rely on.
fn mark_nominated(buffer: &[u8], fields: &mut [Field]) -> Result<(), HeadError> {
    for index in 0..fields.len() {
        if fields[index].known != Known::Connection {
            continue;
        }
        for token in wire::field::list(fields[index].value.of(buffer)) {
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

/// Splits and validates `host[:port]` (RFC 3986 section 3.2). An empty port counts as none.
fn split_authority(text: &[u8]) -> Option<Authority<'_>> {
    let (host, rest) = if let Some(inner) = text.strip_prefix(b"[") {
        let end = memchr::memchr(b']', inner)?;
        let host = &inner[..end];
        std::str::from_utf8(host).ok()?.parse::<std::net::Ipv6Addr>().ok()?;
        (host, &inner[end + 1..])
    } else {
        let end = memchr::memchr(b':', text).unwrap_or(text.len());
        let host = &text[..end];
        if host.is_empty() || !host.iter().all(|byte| is_host_byte(*byte)) {
            return None;
        }
        (host, &text[end..])
    };
    let port = match rest {
        [] | [b':'] => None,
        [b':', digits @ ..] if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) => {
            let port = digits.iter().fold(0, |number: u32, digit| number * 10 + u32::from(digit - b'0'));
            Some(u16::try_from(port).ok()?)
        }
        _ => return None,
    };
    Some(Authority { host, port })
}

/// Letters, digits, and what names in use have besides. Escapes and sub-delimiters are legal in a URI's host,
/// but no name that resolves has them, and servers read them differently.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}
