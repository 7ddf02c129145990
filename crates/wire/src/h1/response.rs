//! The head of an answer.

use super::lines::{self, Summary, behind_line, has_new_line, slots};
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
        let Some(lines) = self.read_start(buffer, &mut summary.bare)? else {
            return self.unfinished(buffer, limits);
        };
        let start = buffer.len() - lines.len();
        let Some(length) = lines::read(buffer, start, slots(limits), &mut self.fields, &mut summary)? else {
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

    /// Reads the status line (RFC 9112 section 4), and gives what is behind it; `None`: more bytes are needed.
    #[inline]
    fn read_start<'b>(&mut self, buffer: &'b [u8], bare: &mut bool) -> Result<Option<&'b [u8]>, HeadError> {
        self.reason = Span::default();
        let (version, digits, line) = match buffer {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', b' ', a, b, c, b' ', line @ ..] => {
                (Version::Http11, [a, b, c], line)
            }
            _ => return self.read_start_carefully(buffer, bare),
        };
        let digits = digits.map(|digit| u16::from(digit.wrapping_sub(b'0')));
        if digits.iter().any(|digit| *digit > 9) {
            return Err(HeadError::Malformed);
        }
        self.version = version;
        self.status = digits[0] * 100 + digits[1] * 10 + digits[2];
        self.read_reason(buffer, line, bare)
    }

    /// Reads byte after byte, and says what is wrong as soon as it shows. The space behind the status may be left out
    /// with the reason; empty lines in front are an error once the head is whole.
    #[cold]
    fn read_start_carefully<'b>(
        &mut self,
        buffer: &'b [u8],
        bare: &mut bool,
    ) -> Result<Option<&'b [u8]>, HeadError> {
        let mut line = buffer;
        while let [b'\r' | b'\n', ..] = line {
            let Some(behind) = behind_line(line, bare)? else { return Ok(None) };
            line = behind;
        }
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
        match line.get(12..) {
            Some([b' ', reason @ ..]) => self.read_reason(buffer, reason, bare),
            Some(line) => behind_line(line, bare),
            None => Ok(None),
        }
    }

    /// Reads the reason that `line` begins with.
    #[inline]
    fn read_reason<'b>(
        &mut self,
        buffer: &'b [u8],
        line: &'b [u8],
        bare: &mut bool,
    ) -> Result<Option<&'b [u8]>, HeadError> {
        // What nearly all say.
        let length = if line.starts_with(b"OK\r\n") { 2 } else { find::<Control>(line) };
        let (reason, behind) = line.split_at(length);
        if !reason.is_empty() && reason.is_ascii() {
            let start = buffer.len() - line.len();
            self.reason = Span::new(start, start + reason.len());
        }
        behind_line(behind, bare)
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
