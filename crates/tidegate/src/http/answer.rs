//! What Tidegate itself answers, as bytes. What it says is composed by `policy::answer`.

use policy::answer::phrase;
use rustix::time::{ClockId, clock_gettime};
use std::cell::RefCell;

/// An answer of our own.
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// Whole lines to add to the head.
    pub lines: &'a [u8],
    /// The body.
    pub body: &'a [u8],
    /// Whether the body is left out, for the request was a HEAD; its length is given all the same.
    pub head_only: bool,
    /// Whether the connection ends after it.
    pub close: bool,
    /// Whether that it stays open must be said (HTTP/1.0).
    pub keep_alive: bool,
}

/// Appends the answer to `out`.
pub fn write(out: &mut Vec<u8>, answer: &Answer<'_>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    put_number(out, u64::from(answer.status));
    out.push(b' ');
    out.extend_from_slice(phrase(answer.status).as_bytes());
    out.extend_from_slice(b"\r\n");
    put_date(out);
    out.extend_from_slice(answer.lines);
    // RFC 9110 section 8.6: no Content-Length with 204 and 1xx.
    if answer.status != 204 {
        out.extend_from_slice(b"Content-Length: ");
        put_number(out, answer.body.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    if answer.close {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if answer.keep_alive {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if !answer.head_only && answer.status != 204 && answer.status != 304 {
        out.extend_from_slice(answer.body);
    }
}

/// `Date`, made once a second.
pub fn put_date(out: &mut Vec<u8>) {
    thread_local! {
        static LAST: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    LAST.with_borrow_mut(|(second, text)| {
        // Cheaper than the exact time, and late by a few milliseconds at most.
        let now = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
        if now != *second {
            *second = now;
            let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
            let fresh = jiff::Timestamp::from_second(now);
            // Fails for years beyond 9999 only; then the last date stays.
            if let Ok(fresh) = fresh.and_then(|fresh| printer.timestamp_to_rfc9110_string(&fresh)) {
                *text = fresh;
            }
        }
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
    });
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    use std::io::Write;
    write!(out, "{number}").expect("a vector takes all");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_answers() {
        let mut out = Vec::new();
        write(
            &mut out,
            &Answer {
                status: 404,
                lines: b"A: b\r\n",
                body: b"none",
                head_only: true,
                close: true,
                keep_alive: false,
            },
        );
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("HTTP/1.1 404 Not Found\r\nDate: "), "{text}");
        assert!(text.contains(" GMT\r\nA: b\r\nContent-Length: 4\r\n"), "{text}");
        assert!(text.ends_with("Connection: close\r\n\r\n"), "{text}");
    }
}
