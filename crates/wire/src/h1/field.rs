//! Field lines as places in a buffer.

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
    pub(super) fn new(start: usize, end: usize) -> Span {
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
    pub(super) fn is_hop(self) -> bool {
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
    /// Whether the line is written in the one way that nobody reads otherwise: `Name: value`.
    pub fn is_plain(&self, buffer: &[u8]) -> bool {
        self.line.len() == self.name.len() + 2 + self.value.len() + 2
            && buffer[self.name.end as usize + 1] == b' '
    }
}
