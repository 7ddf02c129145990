//! The head of a request.

use super::lines::{self, Summary, has_new_line, slots};
use super::request_line::{self, RequestLine};
use super::{Field, Framing, HeadError, HeadLimits, Known, Span, Version};
use crate::uri::Authority;

/// The method, as far as the proxy treats it specially.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the method of that name")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    #[default]
    Other,
}

impl Method {
    /// As text; `None` for one that is only known by its own.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Connect => "CONNECT",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Patch => "PATCH",
            Method::Other => return None,
        })
    }

    /// Methods are case-sensitive (RFC 9110 section 9.1).
    pub fn of(text: &[u8]) -> Method {
        match text {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"CONNECT" => Method::Connect,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"PATCH" => Method::Patch,
            _ => Method::Other,
        }
    }

    /// Whether doing it twice is like doing it once (RFC 9110 section 9.2.2).
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Method::Put | Method::Delete)
    }

    /// Whether it only reads (RFC 9110 section 9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options | Method::Trace)
    }
}

/// The form of a target (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://host/path?query`.
    Absolute,
    /// `host:port`, for CONNECT only.
    Authority,
    /// `*`, for OPTIONS only.
    Asterisk,
}

/// The scheme of a target in absolute form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

/// A request's head as places in the buffer that it was parsed from. Its storage is used again.
#[derive(Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The method as it came.
    pub method_text: Span,
    /// The target as it came.
    pub target: Span,
    /// Its form.
    pub form: TargetForm,
    /// The scheme, in absolute form.
    pub scheme: Option<Scheme>,
    /// The path as it came; empty (meaning `/`) in absolute form without one and in authority form.
    pub path: Span,
    /// What follows the question mark.
    pub query: Option<Span>,
    /// The validated authority: the target's, else that of `Host`; empty in HTTP/1.0 without any.
    pub host: Span,
    /// The host alone: without port, and without brackets if it is an IPv6 address.
    pub host_name: Span,
    /// The version.
    pub version: Version,
    /// The fields, in order.
    pub fields: Vec<Field>,
    /// How the body is framed; never [`Framing::Close`].
    pub framing: Framing,
    /// Whether the client wants the connection kept.
    pub keep_alive: bool,
    /// Whether the client waits for a 100 before it sends the body.
    pub expect_continue: bool,
    /// Whether the client asks for another protocol (other than `h2c`, which is never passed on).
    pub upgrade: bool,
    /// Bytes of the head.
    pub length: u32,
    /// Up to where an earlier look found no end.
    searched: usize,
}

impl RequestHead {
    /// Storage for heads.
    pub fn new() -> RequestHead {
        RequestHead {
            method: Method::Other,
            method_text: Span::default(),
            target: Span::default(),
            form: TargetForm::Origin,
            scheme: None,
            path: Span::default(),
            query: None,
            host: Span::default(),
            host_name: Span::default(),
            version: Version::Http11,
            fields: Vec::new(),
            framing: Framing::None,
            keep_alive: false,
            expect_continue: false,
            upgrade: false,
            length: 0,
            searched: 0,
        }
    }

    /// Forgets how far an unfinished head was searched, before a head in another place is parsed.
    pub fn reset(&mut self) {
        self.searched = 0;
    }

    /// Becomes a head of which nothing is known.
    pub fn clear(&mut self) {
        let fields = std::mem::take(&mut self.fields);
        *self = RequestHead { fields, ..RequestHead::new() };
        self.fields.clear();
    }

    /// Parses the head at the start of `buffer`. `false`: more bytes are needed; call again with the same
    /// bytes and more behind them.
    ///
    /// # Errors
    /// When it breaks a rule of RFC 9112, could be read in two ways, or exceeds `limits`.
    pub fn parse(&mut self, buffer: &[u8], limits: HeadLimits) -> Result<bool, HeadError> {
        if self.searched > 0 && !has_new_line(buffer, self.searched) {
            return self.unfinished(buffer, limits);
        }
        let mut summary = Summary::default();
        let Some(line) = request_line::read(buffer, &mut summary.bare)? else {
            return self.unfinished(buffer, limits);
        };
        let Some(length) =
            lines::read(buffer, line.end as usize, slots(limits), &mut self.fields, &mut summary)?
        else {
            return self.unfinished(buffer, limits);
        };
        self.searched = 0;
        if length > limits.bytes as usize {
            return Err(too_large(buffer, limits));
        }
        // RFC 9112 section 2.2 lets us skip an empty line before the request; one is enough.
        if !matches!(buffer[..line.method.start as usize], [] | [b'\r', b'\n']) {
            return Err(HeadError::Malformed);
        }
        self.method_text = line.method;
        self.method = Method::of(line.method.of(buffer));
        self.version = line.version;
        self.target = line.target;
        self.length = length as u32;
        summary.judge(buffer, &mut self.fields)?;
        self.read_target(buffer, &line)?;
        self.read_host(buffer, &summary)?;
        self.framing = summary.framing(self.version)?.unwrap_or_default();
        self.keep_alive = summary.persists(self.version);
        let upgrade = summary.upgrade_token && summary.upgrade_field && !summary.h2c;
        self.upgrade = upgrade && self.version == Version::Http11;
        self.expect_continue = false;
        if let Some(expect) = summary.expect.filter(|_| self.version == Version::Http11) {
            if !expect.of(buffer).eq_ignore_ascii_case(b"100-continue") {
                return Err(HeadError::Expectation);
            }
            self.expect_continue = true;
        }
        Ok(true)
    }

    /// More is to come, unless there is too much already.
    #[cold]
    fn unfinished(&mut self, buffer: &[u8], limits: HeadLimits) -> Result<bool, HeadError> {
        self.searched = buffer.len();
        if buffer.len() >= limits.bytes as usize { Err(too_large(buffer, limits)) } else { Ok(false) }
    }

    /// All values of the field called `name`, in order; `buffer` is what was parsed.
    pub fn values<'a>(&'a self, buffer: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(&self.fields, buffer, name)
    }

    /// The first field of that kind.
    pub fn known(&self, known: Known) -> Option<&Field> {
        self.fields.iter().find(|field| field.known == known)
    }

    fn read_target(&mut self, buffer: &[u8], line: &RequestLine) -> Result<(), HeadError> {
        let target = self.target.of(buffer);
        if line.odd {
            return Err(HeadError::Target);
        }
        self.scheme = None;
        self.host = Span::default();
        self.host_name = Span::default();
        self.query = None;
        let start = self.target.start as usize;
        if self.method == Method::Connect {
            self.form = TargetForm::Authority;
            self.host = self.target;
            self.path = Span::new(start, start);
            let authority = crate::uri::split_authority(target).ok_or(HeadError::Target)?;
            self.host_name = Span::within(buffer, authority.host);
            // RFC 9112 section 3.2.3: the port is not optional.
            return if authority.port.is_some() { Ok(()) } else { Err(HeadError::Target) };
        }
        if target == b"*" {
            self.form = TargetForm::Asterisk;
            self.path = self.target;
            return if self.method == Method::Options { Ok(()) } else { Err(HeadError::Target) };
        }
        let path_start = if target.starts_with(b"/") {
            self.form = TargetForm::Origin;
            0
        } else {
            self.form = TargetForm::Absolute;
            self.read_absolute(target)? as u32
        };
        let end = line.target.end;
        self.path = Span { start: line.target.start + path_start, end: line.query };
        if line.query < end {
            self.query = Some(Span { start: line.query + 1, end });
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
        self.scheme = Some(scheme);
        let end = memchr::memchr2(b'/', b'?', &target[authority..]).map_or(target.len(), |at| authority + at);
        if end == authority {
            return Err(HeadError::Target);
        }
        let start = self.target.start as usize;
        self.host = Span::new(start + authority, start + end);
        Ok(end)
    }

    /// The target's own host, which comes before that of `Host` and must mean the same authority.
    fn target_host(&self, buffer: &[u8], field: Option<Authority<'_>>) -> Result<Span, HeadError> {
        let target = crate::uri::split_authority(self.host.of(buffer)).ok_or(HeadError::Target)?;
        // RFC 9110 section 4.2.3: to leave the default port out is to name it.
        let default = match self.scheme {
            Some(Scheme::Http) => Some(80),
            Some(Scheme::Https) => Some(443),
            None => None,
        };
        let same = field.is_none_or(|field| {
            field.host.eq_ignore_ascii_case(target.host) && field.port.or(default) == target.port.or(default)
        });
        if same { Ok(Span::within(buffer, target.host)) } else { Err(HeadError::HostMismatch) }
    }

    fn read_host(&mut self, buffer: &[u8], summary: &Summary) -> Result<(), HeadError> {
        let field = summary.host;
        if field.is_none() && self.version == Version::Http11 {
            return Err(HeadError::HostMissing);
        }
        if let Some(field) = field {
            let value = field.of(buffer);
            let authority = crate::uri::split_authority(value).ok_or(HeadError::HostInvalid)?;
            if self.host.is_empty() {
                self.host = field;
                self.host_name = Span::within(buffer, authority.host);
                return Ok(());
            }
            self.host_name = self.target_host(buffer, Some(authority))?;
        } else if !self.host.is_empty() {
            self.host_name = self.target_host(buffer, None)?;
        }
        Ok(())
    }
}

impl Default for RequestHead {
    fn default() -> Self {
        RequestHead::new()
    }
}

pub(super) fn values<'a>(
    fields: &'a [Field],
    buffer: &'a [u8],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    fields
        .iter()
        .filter(move |field| {
            field.name.len() == name.len() && field.name.of(buffer).eq_ignore_ascii_case(name.as_bytes())
        })
        .map(move |field| field.value.of(buffer))
}

/// Whether it is the request line alone that is too large.
fn too_large(buffer: &[u8], limits: HeadLimits) -> HeadError {
    let allowed = &buffer[..buffer.len().min(limits.bytes as usize)];
    match memchr::memchr(b'\n', allowed) {
        Some(at) if at > 1 => HeadError::TooLarge,
        _ => HeadError::TargetTooLong,
    }
}
