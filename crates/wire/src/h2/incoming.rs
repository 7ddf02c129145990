//! From the fields of a client's block to a request's head: its text, which the gate then reads.

use super::to_text::{RequestText, WEBSOCKET};
use crate::field::is_token_byte;
use crate::h1::{HeadError, HeadLimits, Known, RequestHead};
use crate::hpack::ENTRY_OVERHEAD;
use crate::uri::split_authority;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// A list of fields that is so many times what it may be is no mistake.
const ABUSE: usize = 4;

/// A value that is kept, by its place among the others.
type Place = (u32, u32);

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Bytes that no field may have: who sends them is not to be understood any further.
    Bytes,
    /// Many times what a head may be.
    Abuse,
    /// The message is malformed (RFC 9113 section 8.1.1).
    Malformed,
    /// What HTTP/1 would refuse as well.
    Head(HeadError),
}

/// Fields of one block, and the head that they become. Its storage is used again.
#[derive(Default)]
pub struct Incoming {
    text: Vec<u8>,
    /// Values that are said otherwise in the text, one after another.
    values: Vec<u8>,
    method: Option<Place>,
    scheme: Option<Place>,
    authority: Option<Place>,
    path: Option<Place>,
    protocol: Option<Place>,
    host: Option<Place>,
    /// Cookie crumbs, put together.
    cookies: Vec<u8>,
    has_cookies: bool,
    has_length: bool,
    /// The request line was written.
    begun: bool,
    size: usize,
    /// What a list of fields may count (RFC 9113 section 6.5.2).
    size_max: usize,
    refusal: Option<Refusal>,
}

impl Incoming {
    /// Forgets the last head, and begins one that may count so much.
    pub fn begin(&mut self, size_max: u32) {
        let mut text = std::mem::take(&mut self.text);
        let (mut values, mut cookies) = (std::mem::take(&mut self.values), std::mem::take(&mut self.cookies));
        text.clear();
        values.clear();
        cookies.clear();
        let size_max = size_max as usize;
        *self = Incoming { text, values, cookies, size_max, ..Incoming::default() };
    }

    /// Takes the next field; `false` where no more is worth looking at.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.size += name.len() + value.len() + ENTRY_OVERHEAD;
        if self.size > self.size_max {
            if self.size > self.size_max * ABUSE {
                self.refusal = Some(Refusal::Abuse);
                return false;
            }
            self.refuse(Refusal::Head(HeadError::TooLarge));
        }
        if self.refusal.is_some() {
            // The rest is decoded all the same: the compression has to be kept in step.
            return true;
        }
        let refusal = match name.first() {
            Some(b':') => self.pseudo(&name[1..], value),
            _ if !is_name(name) || !is_value(value) => Err(Refusal::Bytes),
            _ => self.regular(name, value),
        };
        if let Err(refusal) = refusal {
            self.refuse(refusal);
        }
        self.refusal != Some(Refusal::Bytes)
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }

    /// Why the rest of the block was not looked at. The compression is out of step then, whatever the request is worth.
    pub fn broken_off(&self) -> Option<Refusal> {
        self.refusal.filter(|refusal| matches!(refusal, Refusal::Bytes | Refusal::Abuse))
    }

    /// RFC 9113 section 8.3: each once, before all others.
    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let place = match name {
            b"method" => &mut self.method,
            b"scheme" => &mut self.scheme,
            b"authority" => &mut self.authority,
            b"path" => &mut self.path,
            b"protocol" => &mut self.protocol,
            _ => return Err(Refusal::Malformed),
        };
        let repeated = place.replace(keep(&mut self.values, value)).is_some();
        if repeated || self.begun { Err(Refusal::Malformed) } else { Ok(()) }
    }

    fn regular(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if !self.begun {
            self.start()?;
        }
        let known = Known::of(name);
        match known {
            // RFC 9113 section 8.2.2.
            Known::Connection
            | Known::TransferEncoding
            | Known::Upgrade
            | Known::KeepAlive
            | Known::ProxyConnection => return Err(Refusal::Malformed),
            Known::Te if value != b"trailers" => return Err(Refusal::Malformed),
            Known::Host => {
                let repeated = self.host.replace(keep(&mut self.values, value)).is_some();
                return if repeated { Err(Refusal::Head(HeadError::HostRepeated)) } else { Ok(()) };
            }
            Known::Cookie => {
                if self.has_cookies {
                    self.cookies.extend_from_slice(b"; ");
                }
                self.has_cookies = true;
                self.cookies.extend_from_slice(value);
                return Ok(());
            }
            // RFC 8441 section 5.1: an extended CONNECT has no use for them, and the handshake that is made of it its own.
            Known::ContentLength if self.protocol.is_some() => return Ok(()),
            Known::Other if self.protocol.is_some() && name == b"sec-websocket-key" => return Ok(()),
            Known::ContentLength => self.has_length = true,
            _ => {}
        }
        self.line(name, value);
        Ok(())
    }

    /// Writes a field's line.
    fn line(&mut self, name: &[u8], value: &[u8]) {
        put_line(&mut self.text, name, value);
    }

    /// Writes the request line, and `Host` where its name is known (RFC 9113 section 8.3.1).
    fn start(&mut self) -> Result<(), Refusal> {
        let of = |place: Option<Place>| place.map(|place| kept(&self.values, place));
        let method = of(self.method).ok_or(Refusal::Malformed)?;
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return Err(Refusal::Malformed);
        }
        let is_connect = method == b"CONNECT";
        let extended = self.protocol.is_some();
        if extended && !is_connect {
            return Err(Refusal::Malformed);
        }
        let has_target = self.scheme.is_some() || self.path.is_some();
        let target = if is_connect && !extended {
            if has_target {
                return Err(Refusal::Malformed);
            }
            of(self.authority).unwrap_or_default()
        } else {
            if !of(self.scheme).is_some_and(is_scheme) {
                return Err(Refusal::Malformed);
            }
            let path = of(self.path).filter(|path| !path.is_empty()).ok_or(Refusal::Malformed)?;
            if let Some(protocol) = of(self.protocol)
                && protocol != WEBSOCKET.as_bytes()
            {
                return Err(Refusal::Head(HeadError::Protocol));
            }
            path
        };
        let method = if extended { b"GET" } else { method };
        for part in [method, b" ", target, b" HTTP/1.1\r\n"] {
            self.text.extend_from_slice(part);
        }
        self.begun = true;
        // An absolute one, or one that could end the line, would be read as something else than was meant.
        let is_sound = match target.first() {
            Some(b'/') => true,
            _ => is_connect && !extended || target == b"*" && method == b"OPTIONS",
        };
        if !is_sound || target.iter().any(|byte| *byte <= b' ') {
            return Err(Refusal::Head(HeadError::Target));
        }
        if let Some(authority) = of(self.authority).filter(|authority| !authority.is_empty()) {
            if !is_value(authority) {
                return Err(Refusal::Head(HeadError::HostInvalid));
            }
            put_line(&mut self.text, b"host", authority);
        }
        Ok(())
    }

    /// Ends the head and has it judged. Then `head` has its places in [`text`](Self::text).
    ///
    /// Cookie crumbs become one field (RFC 9113 section 8.2.3), `:authority` becomes `Host`, an extended CONNECT the
    /// request for an upgrade that it stands for (RFC 8441 section 5.1), and a body of unknown length is in chunks.
    ///
    /// # Errors
    /// Why there is no such request.
    pub fn finish(
        &mut self,
        has_body: bool,
        websocket_key: &[u8],
        head: &mut RequestHead,
        limits: HeadLimits,
    ) -> Result<RequestText, Refusal> {
        let result = self.finish_text(has_body, websocket_key, head, limits);
        if result.is_err() {
            // Nobody is to find another's method and places in it.
            head.clear();
        }
        result
    }

    fn finish_text(
        &mut self,
        has_body: bool,
        websocket_key: &[u8],
        head: &mut RequestHead,
        limits: HeadLimits,
    ) -> Result<RequestText, Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        if !self.begun {
            self.start()?;
        }
        self.finish_host().map_err(Refusal::Head)?;
        if self.has_cookies {
            let cookies = std::mem::take(&mut self.cookies);
            self.line(b"cookie", &cookies);
            self.cookies = cookies;
        }
        let extended = self.protocol.is_some();
        let chunked = has_body && !self.has_length && !extended;
        if extended {
            self.line(b"connection", b"Upgrade");
            self.line(b"upgrade", WEBSOCKET.as_bytes());
            self.line(b"sec-websocket-key", websocket_key);
        } else if chunked {
            self.line(b"transfer-encoding", b"chunked");
        }
        self.text.extend_from_slice(b"\r\n");
        head.reset();
        match head.parse(&self.text, limits) {
            Ok(true) => {}
            Ok(false) => return Err(Refusal::Head(HeadError::Malformed)),
            Err(error) => return Err(Refusal::Head(error)),
        }
        Ok(RequestText { length: self.text.len(), chunked })
    }

    /// RFC 9113 section 8.3.1: `Host` has nothing to say beside `:authority`, and may not say anything else.
    fn finish_host(&mut self) -> Result<(), HeadError> {
        let values = std::mem::take(&mut self.values);
        let of = |place: Option<Place>| place.map(|place| kept(&values, place));
        let result = match (of(self.authority).filter(|authority| !authority.is_empty()), of(self.host)) {
            (Some(authority), Some(host)) => {
                let is_tls = of(self.scheme).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https"));
                let same = means_the_same(authority, host, is_tls);
                if same { Ok(()) } else { Err(HeadError::HostMismatch) }
            }
            (Some(_), None) => Ok(()),
            (None, Some(host)) => {
                self.line(b"host", host);
                Ok(())
            }
            (None, None) => Err(HeadError::HostMissing),
        };
        self.values = values;
        result
    }

    /// The text of the head that was finished; of one that was refused its beginning, as far as there is any.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether an extended CONNECT is among what was read.
    pub fn is_extended(&self) -> bool {
        self.protocol.is_some()
    }

    /// For the log, of a head that was refused: what it begins with.
    pub fn put_start(&self, out: &mut Vec<u8>) {
        for (place, behind) in [(self.method, b" "), (self.path.or(self.authority), b" ")] {
            if let Some(place) = place {
                // Whoever logs it escapes it, but a line is to stay one.
                out.extend(kept(&self.values, place).iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
                out.extend_from_slice(behind);
            }
        }
        out.extend_from_slice(b"HTTP/2\r\n");
    }
}

/// Trailers as they come.
pub struct Trailers {
    /// Those that there are.
    pub map: HeaderMap,
    size: usize,
    size_max: usize,
    refusal: Option<Refusal>,
}

impl Trailers {
    /// That may count so much.
    pub fn new(size_max: u32) -> Trailers {
        Trailers { map: HeaderMap::new(), size: 0, size_max: size_max as usize, refusal: None }
    }

    /// Takes the next field; `false` where no more is worth looking at.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.size += name.len() + value.len() + ENTRY_OVERHEAD;
        let refusal = if self.size > self.size_max * ABUSE {
            Err(Refusal::Abuse)
        } else if self.size > self.size_max {
            Err(Refusal::Malformed)
        } else {
            self.add(name, value)
        };
        if let Err(refusal) = refusal {
            self.refusal.get_or_insert(refusal);
        }
        if refusal == Err(Refusal::Abuse) {
            // Whatever else was wrong: nothing after this is looked at.
            self.refusal = Some(Refusal::Abuse);
        }
        !matches!(self.refusal, Some(Refusal::Abuse | Refusal::Bytes))
    }

    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if name.starts_with(b":") || is_hop(name, value) {
            return Err(Refusal::Malformed);
        }
        let name = HeaderName::from_lowercase(name).map_err(|_| Refusal::Bytes)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| Refusal::Bytes)?;
        self.map.try_append(name, value).map_err(|_| Refusal::Malformed)?;
        Ok(())
    }

    /// Those that there are.
    ///
    /// # Errors
    /// Where they are none.
    pub fn finish(self) -> Result<HeaderMap, Refusal> {
        self.refusal.map_or(Ok(self.map), Err)
    }
}

/// RFC 9113 section 8.2.2.
fn is_hop(name: &[u8], value: &[u8]) -> bool {
    match Known::of(name) {
        Known::Connection
        | Known::TransferEncoding
        | Known::Upgrade
        | Known::KeepAlive
        | Known::ProxyConnection => true,
        Known::Te => value != b"trailers",
        _ => false,
    }
}

fn put_line(text: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    text.reserve(name.len() + value.len() + 4);
    for part in [name, b": ", value, b"\r\n"] {
        text.extend_from_slice(part);
    }
}

/// Keeps a value behind the others.
fn keep(values: &mut Vec<u8>, value: &[u8]) -> Place {
    let start = values.len() as u32;
    values.extend_from_slice(value);
    (start, values.len() as u32)
}

fn kept(values: &[u8], (start, end): Place) -> &[u8] {
    &values[start as usize..end as usize]
}

/// RFC 9113 section 8.2.1: a token without letters in upper case.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| is_token(*byte) && !byte.is_ascii_uppercase())
}

/// As [`is_token_byte`], by a table.
fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut token = [false; 256];
        let mut byte = 0;
        while byte < token.len() {
            token[byte] = is_token_byte(byte as u8);
            byte += 1;
        }
        token
    };
    TOKEN[byte as usize]
}

/// RFC 9110 section 5.5: no control character but the tabulator. Without a branch a byte.
fn is_value(value: &[u8]) -> bool {
    let bad = |byte: u8| (byte < 0x20) & (byte != b'\t') | (byte == 0x7f);
    !value.iter().fold(false, |any, byte| any | bad(*byte))
}

/// RFC 3986 section 3.1.
fn is_scheme(scheme: &[u8]) -> bool {
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn means_the_same(authority: &[u8], host: &[u8], is_tls: bool) -> bool {
    if authority == host {
        return true;
    }
    let default = if is_tls { 443 } else { 80 };
    let (Some(one), Some(other)) = (split_authority(authority), split_authority(host)) else { return false };
    one.host.eq_ignore_ascii_case(other.host) && one.port.unwrap_or(default) == other.port.unwrap_or(default)
}
