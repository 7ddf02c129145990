//! The id by which a request is found in our log, in the server's, and in the page that a client is shown.

use crate::worker::Worker;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use wire::h1::{Field, Known};

/// Ids of peers are kept up to this length.
const GIVEN_BYTES_MAX: usize = 128;

/// Where a worker's ids come from. One id tells nothing of the next, for clients are shown them: a number of this worker's
/// own, then a count under a hash with a secret key (SipHash).
#[derive(Debug)]
pub struct RequestIds {
    own: u64,
    key: RandomState,
    count: Cell<u64>,
}

/// A source that no other resembles.
impl Default for RequestIds {
    fn default() -> RequestIds {
        RequestIds { own: RandomState::new().hash_one(0), key: RandomState::new(), count: Cell::new(0) }
    }
}

impl RequestIds {
    fn next(&self) -> [u8; 32] {
        self.count.set(self.count.get().wrapping_add(1));
        let mut digits = [0; 32];
        let numbers = [self.own, self.key.hash_one(self.count.get())];
        for (half, number) in digits.chunks_exact_mut(16).zip(numbers) {
            let (high, low) = ((number >> 32) as u32, number as u32);
            half[..8].copy_from_slice(&hexadecimal(high));
            half[8..].copy_from_slice(&hexadecimal(low));
        }
        digits
    }
}

/// Eight digits at once: a nibble to each byte, then all bytes above 9 moved on to the letters.
fn hexadecimal(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut nibbles = u64::from(number);
    nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF;
    nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF;
    nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    // No byte carries into the next: 15 + 6 is below 32.
    let letters = (nibbles + 6 * ONES) >> 4 & ONES;
    (nibbles + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

/// The request's id: a trusted peer's, else 32 hexadecimal digits.
pub enum RequestId {
    /// Ours.
    Made([u8; 32]),
    /// A trusted peer's, kept as it is (copied: rare, and its place is moved on).
    Given(Box<[u8]>),
}

impl RequestId {
    /// A new one.
    pub fn new(worker: &Worker) -> RequestId {
        RequestId::Made(worker.ids.next())
    }

    /// The peer's where it is trusted and sends a sound one, else a new one.
    pub fn of(worker: &Worker, fields: &[Field], buffer: &[u8], trusted: bool) -> RequestId {
        match trusted.then(|| given(fields, buffer)).flatten() {
            Some(given) => RequestId::Given(Box::from(given)),
            None => RequestId::new(worker),
        }
    }

    /// As text, of characters that mean nothing in HTML, JSON or a field.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            RequestId::Made(digits) => digits,
            RequestId::Given(given) => given,
        }
    }
}

/// The one id that a head has. Of two nobody knows which one the peer's log has; and an id gets into pages, logs and
/// other fields, so it has only what means nothing there.
fn given<'a>(fields: &[Field], buffer: &'a [u8]) -> Option<&'a [u8]> {
    let mut given = fields.iter().filter(|field| field.known == Known::XRequestId);
    let (Some(only), None) = (given.next(), given.next()) else { return None };
    let value = only.value.of(buffer);
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:/+=@-".contains(byte);
    (!value.is_empty() && value.len() <= GIVEN_BYTES_MAX && value.iter().all(sound)).then_some(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use wire::h1::{HeadLimits, RequestHead};

    #[test]
    fn ids_do_not_repeat_and_no_two_workers_share_one() {
        let (one, other) = (RequestIds::default(), RequestIds::default());
        let ids: std::collections::HashSet<_> = (0..1000).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(ids.len(), 2000);
        assert!(ids.iter().flatten().all(u8::is_ascii_hexdigit));
    }

    #[test]
    fn digits_are_those_of_the_number() {
        for number in [0, 1, 0x0123_4567, 0x89AB_CDEF, 0x9A9A_9A9A, u32::MAX] {
            assert_eq!(hexadecimal(number), format!("{number:08x}").as_bytes());
        }
    }

    #[test]
    fn ids_of_peers() {
        let long = "a".repeat(GIVEN_BYTES_MAX + 1);
        for (lines, expected) in [
            ("X-Request-Id: aZ09._:/+=@-\r\n", Some("aZ09._:/+=@-")),
            ("x-request-id:  padded \r\n", Some("padded")),
            ("", None),
            ("X-Request-Id:\r\n", None),
            ("X-Request-Id: <b>\r\n", None),
            ("X-Request-Id: a\"b\r\n", None),
            ("X-Request-Id: a b\r\n", None),
            ("X-Request-Id: a\\b\r\n", None),
            ("X-Request-Id: a\r\nX-Request-Id: a\r\n", None),
            (&format!("X-Request-Id: {long}\r\n"), None),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
            let mut head = RequestHead::new();
            assert!(head.parse(text.as_bytes(), HeadLimits { bytes: 8192, fields: 50 }).unwrap());
            let found = given(&head.fields, text.as_bytes());
            assert_eq!(found, expected.map(str::as_bytes), "{lines}");
        }
    }
}
