//! The head of an answer.

use super::field::{collect, has_new_line, slots};
use super::{FIELDS_MAX, Field, Framing, HeadError, HeadLimits, Known, Method, Span, Version};
use std::mem::MaybeUninit;

/// An answer's head as places in the buffer that it was parsed from. Its storage is used again.
#[derive(Debug)]
pub struct ResponseHead {
    /// The status, 100 to 999.
    pub status: u16,
    /// The version.
    pub version: Version,
    /// The reason phrase; may be empty.
    pub reason: Span,
    /// The fields, in order.
    pub fields: Vec<Field>,
    /// How the body is framed.
    pub framing: Framing,
    /// Whether the server keeps the connection.
    pub keep_alive: bool,
    /// Whether it names a protocol to change to.
    pub upgrade: bool,
    /// Bytes of the head.
    pub length: u32,
    /// Up to where an earlier look found no end.
    searched: usize,
}

impl ResponseHead {
    /// Storage for heads.
    pub fn new() -> ResponseHead {
        ResponseHead {
            status: 0,
            version: Version::Http11,
            reason: Span::default(),
            fields: Vec::new(),
            framing: Framing::None,
            keep_alive: false,
            upgrade: false,
            length: 0,
            searched: 0,
        }
    }

    /// Forgets how far an unfinished head was searched, before a head in another place is parsed.
    pub fn reset(&mut self) {
        self.searched = 0;
    }

    /// Parses the head at the start of `buffer`, which answers a request with that method. `false`: more
    /// bytes are needed; call again with the same bytes and more behind them.
    ///
    /// # Errors
    /// When it breaks a rule of RFC 9112, could be read in two ways, or exceeds `limits`.
    pub fn parse(&mut self, buffer: &[u8], limits: HeadLimits, method: Method) -> Result<bool, HeadError> {
        if self.searched > 0 && !has_new_line(buffer, self.searched) {
            self.searched = buffer.len();
            return incomplete(buffer, limits);
        }
        let mut storage = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            buffer,
            &mut storage[..slots(limits)],
        );
        let length = match status? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => {
                self.searched = buffer.len();
                return incomplete(buffer, limits);
            }
        };
        self.searched = 0;
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
        self.status = status;
        self.version = if version == 1 { Version::Http11 } else { Version::Http10 };
        self.reason = match response.reason {
            Some(reason) if !reason.is_empty() => Span::within(buffer, reason.as_bytes()),
            _ => Span::default(),
        };
        self.length = length as u32;
        let summary = collect(buffer, response.headers, length, &mut self.fields)?;
        self.keep_alive = summary.persists(self.version);
        self.upgrade = summary.upgrade_token && summary.upgrade_field;
        self.framing = frame(status, method, summary.framing(self.version)?)?;
        Ok(true)
    }

    /// All values of the field called `name`, in order; `buffer` is what was parsed.
    pub fn values<'a>(&'a self, buffer: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        super::request::values(&self.fields, buffer, name)
    }

    /// The first field of that kind.
    pub fn known(&self, known: Known) -> Option<&Field> {
        self.fields.iter().find(|field| field.known == known)
    }
}

impl Default for ResponseHead {
    fn default() -> Self {
        ResponseHead::new()
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
fn incomplete(buffer: &[u8], limits: HeadLimits) -> Result<bool, HeadError> {
    if buffer.len() >= limits.bytes as usize { Err(HeadError::TooLarge) } else { Ok(false) }
}
