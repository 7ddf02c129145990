//! One line of the log as JSON, without allocation.

use std::cell::RefCell;
use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The name of a member with all that stands around it; made by `key!`, when the program is compiled.
#[derive(Clone, Copy)]
pub struct Key(pub(crate) &'static [u8]);

/// A [`Key`] of a name that needs no escaping.
macro_rules! key {
    ($name:literal) => {
        $crate::observe::access_log::Key(concat!(",\"", $name, "\":").as_bytes())
    };
}
pub(crate) use key;

/// Writes the members of one object.
pub struct LineWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> LineWriter<'a> {
    /// Begins with the time.
    pub(super) fn begin(out: &'a mut Vec<u8>) -> LineWriter<'a> {
        out.extend_from_slice(b"{\"time\":\"");
        put_time(out);
        out.push(b'"');
        LineWriter { out }
    }

    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    /// A text; what is not UTF-8 and what could act on a terminal is escaped.
    pub fn str(&mut self, key: Key, value: &[u8]) {
        self.out.extend_from_slice(key.0);
        self.out.push(b'"');
        put_escaped(self.out, value);
        self.out.push(b'"');
    }

    /// A whole number.
    pub fn num(&mut self, key: Key, value: u64) {
        self.out.extend_from_slice(key.0);
        put_number(self.out, value);
    }

    /// A time in milliseconds with three decimals.
    pub fn ms(&mut self, key: Key, value: Duration) {
        self.out.extend_from_slice(key.0);
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        put_number(self.out, micros / 1000);
        let rest = micros % 1000;
        let digit = |value: u64| b'0' + (value % 10) as u8;
        self.out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
    }

    /// An address.
    pub fn address(&mut self, key: Key, value: IpAddr) {
        self.out.extend_from_slice(key.0);
        self.out.push(b'"');
        match value.to_canonical() {
            IpAddr::V4(address) => {
                for (at, octet) in address.octets().into_iter().enumerate() {
                    if at > 0 {
                        self.out.push(b'.');
                    }
                    put_number(self.out, u64::from(octet));
                }
            }
            IpAddr::V6(address) => {
                write!(self.out, "{address}").expect("a vector takes all");
            }
        }
        self.out.push(b'"');
    }
}

fn put_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    while value >= 10 {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    at -= 1;
    digits[at] = b'0' + value as u8;
    out.extend_from_slice(&digits[at..]);
}

/// RFC 8259 section 7, and more: DEL and the C1 controls, which terminals obey, and bytes that are not UTF-8 are
/// written as `\u00XX`.
fn put_escaped(out: &mut Vec<u8>, value: &[u8]) {
    let mut rest = value;
    loop {
        let plain = plain_length(rest);
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        let Some(first) = rest.first() else { return };
        let length = sequence_length(rest);
        match first {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ if length > 1 => out.extend_from_slice(&rest[..length]),
            byte => {
                out.extend_from_slice(b"\\u00");
                out.extend([byte >> 4, byte & 15].map(|nibble| b"0123456789abcdef"[nibble as usize]));
            }
        }
        rest = &rest[length..];
    }
}

/// How many bytes at the start of `text` stand for themselves. Sixteen at a time, without a branch for each, for
/// nearly all do.
fn plain_length(text: &[u8]) -> usize {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\');
    let (chunks, _) = text.as_chunks::<16>();
    let whole = chunks.iter().take_while(|chunk| chunk.iter().fold(true, |all, byte| all & is_plain(*byte)));
    let start = whole.count() * 16;
    let rest = &text[start..];
    start + rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len())
}

/// Bytes of the well-formed and harmless character of several bytes at the start of `text`, else 1.
fn sequence_length(text: &[u8]) -> usize {
    let end = text.len().min(4);
    (2..=end)
        .find_map(|length| {
            let character = std::str::from_utf8(&text[..length]).ok()?.chars().next()?;
            (character.len_utf8() == length && !character.is_control()).then_some(length)
        })
        .unwrap_or(1)
}

/// RFC 3339 in UTC with milliseconds; the part down to the second is made once a second.
fn put_time(out: &mut Vec<u8>) {
    thread_local! {
        static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LAST.with_borrow_mut(|(second, text)| {
        if *second != now.as_secs() {
            *second = now.as_secs();
            let stamp = i64::try_from(now.as_secs())
                .ok()
                .and_then(|second| jiff::Timestamp::from_second(second).ok());
            *text = stamp.unwrap_or_default().to_string();
            // Its `Z` comes after the milliseconds.
            text.pop();
        }
        out.extend_from_slice(text.as_bytes());
    });
    let millis = u64::from(now.subsec_millis());
    let digit = |value: u64| b'0' + (value % 10) as u8;
    out.extend_from_slice(&[b'.', digit(millis / 100), digit(millis / 10), digit(millis), b'Z']);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written(fields: impl FnOnce(&mut LineWriter<'_>)) -> serde_json::Value {
        let mut out = Vec::new();
        let mut line = LineWriter::begin(&mut out);
        fields(&mut line);
        line.end();
        assert!(out.is_ascii() || std::str::from_utf8(&out).is_ok());
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn texts_are_escaped() {
        let nasty = b"0123456789abcdef, and a\"b\\c\r\n\x1b[31m\x7f\x00\xff\xe2\x82\xac\xc2\x9b";
        let value = written(|line| line.str(key!("a"), nasty));
        assert_eq!(
            value["a"],
            "0123456789abcdef, and a\"b\\c\r\n\u{1b}[31m\u{7f}\0\u{ff}\u{20ac}\u{c2}\u{9b}"
        );
        let mut out = Vec::new();
        put_escaped(&mut out, nasty);
        assert!(!out.iter().any(u8::is_ascii_control));
    }

    #[test]
    fn numbers_times_and_addresses() {
        let value = written(|line| {
            line.num(key!("n"), u64::MAX);
            line.ms(key!("ms"), Duration::from_micros(1_234_056));
            line.address(key!("v4"), "::ffff:192.0.2.1".parse().unwrap());
            line.address(key!("v6"), "2001:db8::1".parse().unwrap());
        });
        assert_eq!(value["n"], u64::MAX);
        assert_eq!(value["ms"].as_f64().unwrap(), 1234.056);
        assert_eq!(value["v4"], "192.0.2.1");
        assert_eq!(value["v6"], "2001:db8::1");
        let time = value["time"].as_str().unwrap();
        assert_eq!(time.len(), "2026-01-01T00:00:00.000Z".len(), "{time}");
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    }
}
