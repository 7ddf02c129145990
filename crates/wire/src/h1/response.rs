//! The head of an answer.

use super::lines::{self, Summary, has_new_line, line_end, slots};
use super::scan::{Control, find};
use super::{Field, Framing, HeadError, HeadLimits, Known, Method, Span, Version};

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
            return self.unfinished(buffer, limits);
        }
        let mut summary = Summary::default();
        let Some(length) = self.read_lines(buffer, limits, &mut summary)? else {
            return self.unfinished(buffer, limits);
        };
        self.searched = 0;
        if length > limits.bytes as usize {
            return Err(HeadError::TooLarge);
        }
        // Leading empty lines are for requests only.
        if !buffer.starts_with(b"HTTP/") || self.status < 100 {
            return Err(HeadError::Malformed);
        }
        self.length = length as u32;
        summary.judge(buffer, &mut self.fields)?;
        self.keep_alive = summary.persists(self.version);
        self.upgrade = summary.upgrade_token && summary.upgrade_field;
        self.framing = frame(self.status, method, summary.framing(self.version)?)?;
        Ok(true)
    }

    /// More is to come, unless there is too much already.
    #[cold]
    fn unfinished(&mut self, buffer: &[u8], limits: HeadLimits) -> Result<bool, HeadError> {
        self.searched = buffer.len();
        if buffer.len() >= limits.bytes as usize { Err(HeadError::TooLarge) } else { Ok(false) }
    }

    /// Reads all lines, and gives the length of them all; `None`: more bytes are needed.
    fn read_lines(
        &mut self,
        buffer: &[u8],
        limits: HeadLimits,
        summary: &mut Summary,
    ) -> Result<Option<usize>, HeadError> {
        let mut start = 0;
        while let Some(b'\r' | b'\n') = buffer.get(start) {
            let Some(ends) = line_end(&buffer[start..], &mut summary.bare)? else { return Ok(None) };
            start += ends;
        }
        let Some(end) = self.read_status_line(buffer, start, &mut summary.bare)? else { return Ok(None) };
        lines::read(buffer, end, slots(limits), &mut self.fields, summary)
    }

    /// Reads the line that begins at `start` (RFC 9112 section 4), and gives one past it. The space behind the status may
    /// be left out with the reason.
    fn read_status_line(
        &mut self,
        buffer: &[u8],
        start: usize,
        bare: &mut bool,
    ) -> Result<Option<usize>, HeadError> {
        let line = &buffer[start..];
        self.version = match line.first_chunk() {
            Some(b"HTTP/1.1") => Version::Http11,
            Some(b"HTTP/1.0") => Version::Http10,
            None if b"HTTP/1.".starts_with(line) => return Ok(None),
            _ => return Err(HeadError::Version),
        };
        match line.get(8) {
            Some(b' ') => {}
            Some(_) => return Err(HeadError::Version),
            None => return Ok(None),
        }
        self.status = 0;
        for at in 9..12 {
            match line.get(at) {
                Some(digit @ b'0'..=b'9') => self.status = self.status * 10 + u16::from(digit - b'0'),
                Some(_) => return Err(HeadError::Malformed),
                None => return Ok(None),
            }
        }
        self.reason = Span::default();
        let mut at = 12;
        if line.get(at) == Some(&b' ') {
            at += 1;
            let reason = &line[at..at + find::<Control>(&line[at..])];
            if !reason.is_empty() && reason.is_ascii() {
                self.reason = Span::new(start + at, start + at + reason.len());
            }
            at += reason.len();
        }
        let ends = line_end(line.get(at..).unwrap_or_default(), bare)?;
        Ok(ends.map(|ends| start + at + ends))
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
