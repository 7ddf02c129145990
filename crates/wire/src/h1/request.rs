//! The head of a request.

use super::field::{Summary, collect, has_new_line, slots, summarise};
use super::{FIELDS_MAX, Field, Framing, HeadError, HeadLimits, Known, Span, Version};
use crate::uri::Authority;
use std::mem::MaybeUninit;

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
            self.searched = buffer.len();
            return incomplete(buffer, limits);
        }
        let mut storage = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let status = request.parse_with_uninit_headers(buffer, &mut storage[..slots(limits)]);
        let length = match status {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => {
                self.searched = buffer.len();
                return incomplete(buffer, limits);
            }
            // What version it is shows when its line has ended.
            Err(httparse::Error::Version) if !has_whole_line(buffer) => {
                self.searched = buffer.len();
                return incomplete(buffer, limits);
            }
            Err(error) => return Err(bad_start(buffer, error)),
        };
        self.searched = 0;
        if length > limits.bytes as usize {
            return Err(too_large(buffer, limits));
        }
        let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version)
        else {
            return Err(HeadError::Malformed);
        };
        self.method = Method::of(method.as_bytes());
        self.method_text = Span::within(buffer, method.as_bytes());
        // RFC 9112 section 2.2 lets us skip an empty line before the request; one is enough.
        if !matches!(buffer[..self.method_text.start as usize], [] | [b'\r', b'\n']) {
            return Err(HeadError::Malformed);
        }
        self.version = if version == 1 { Version::Http11 } else { Version::Http10 };
        self.target = Span::within(buffer, target.as_bytes());
        self.length = length as u32;
        let summary = collect(buffer, request.headers, length, &mut self.fields)?;
        self.understand(buffer, &summary)?;
        Ok(true)
    }

    /// Takes over a head that another part of this crate has written, in lines as [`parse`](Self::parse) would find them, with
    /// the places of method, target and fields; all of `buffer` is the head. That the bytes are such as may stand there is
    /// the writer's to see to; what they say is judged here.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse).
    pub(crate) fn take_over(
        &mut self,
        buffer: &[u8],
        method: Span,
        target: Span,
        limits: HeadLimits,
    ) -> Result<(), HeadError> {
        self.searched = 0;
        if self.fields.len() > slots(limits) {
            return Err(HeadError::TooManyFields);
        }
        if buffer.len() > limits.bytes as usize {
            return Err(too_large(buffer, limits));
        }
        self.method = Method::of(method.of(buffer));
        self.method_text = method;
        self.version = Version::Http11;
        self.target = target;
        self.length = buffer.len() as u32;
        let summary = summarise(buffer, &mut self.fields)?;
        self.understand(buffer, &summary)
    }

    fn understand(&mut self, buffer: &[u8], summary: &Summary) -> Result<(), HeadError> {
        self.read_target(buffer)?;
        self.read_host(buffer, summary)?;
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
        Ok(())
    }

    /// All values of the field called `name`, in order; `buffer` is what was parsed.
    pub fn values<'a>(&'a self, buffer: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(&self.fields, buffer, name)
    }

    /// The first field of that kind.
    pub fn known(&self, known: Known) -> Option<&Field> {
        self.fields.iter().find(|field| field.known == known)
    }

    fn read_target(&mut self, buffer: &[u8]) -> Result<(), HeadError> {
        let target = self.target.of(buffer);
        if target.iter().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'#' | b'\\')) {
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
            self.read_absolute(target)?
        };
        let end = target.len();
        let path_end = memchr::memchr(b'?', &target[path_start..]).map_or(end, |at| path_start + at);
        self.path = Span::new(start + path_start, start + path_end);
        if path_end < end {
            self.query = Some(Span::new(start + path_end + 1, start + end));
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
        return error.into();
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
