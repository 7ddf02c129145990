//! What of gRPC stands in heads: kinds of content, deadlines, statuses.
//!
//! Sources: "gRPC over HTTP2" (PROTOCOL-HTTP2.md) and "HTTP to gRPC Status Code Mapping" of the gRPC project.

use std::time::Duration;

/// What gRPC calls its statuses, from 0 on.
pub const STATUS_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Whether a content type is gRPC's: `application/grpc`, with a message format behind it or not. That of gRPC-Web, which
/// wants to be answered in a form of its own, is not.
pub fn is_grpc(content_type: &[u8]) -> bool {
    const NAME: &[u8] = b"application/grpc";
    let Some((start, rest)) = content_type.split_at_checked(NAME.len()) else { return false };
    start.eq_ignore_ascii_case(NAME) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// The value of `grpc-timeout`: up to eight digits and a unit (H, M, S, m, u or n). `None` for anything else.
pub fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The status of gRPC for one of HTTP that is given by someone who knows why: time-outs are DEADLINE_EXCEEDED (4), a body
/// that is too large RESOURCE_EXHAUSTED (8), what is not served UNIMPLEMENTED (12), what may be better in a moment
/// UNAVAILABLE (14).
pub fn status_of(http: u16) -> u8 {
    match http {
        408 | 504 => 4,
        403 => 7,
        413 => 8,
        404 | 405 | 415 | 421 | 501 => 12,
        400..=499 if http != 401 && http != 429 => 13,
        500 => 13,
        429 | 502 | 503 => 14,
        401 => 16,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("Application/gRPC+proto", true),
            ("application/grpc;x=y", true),
            ("application/grpc-web", false),
            ("application/grpc-web-text+proto", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), expected, "{content_type}");
        }
    }

    #[test]
    fn timeouts() {
        for (value, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("100000000S", None),
            ("S", None),
            ("1", None),
            ("-1S", None),
            ("1 S", None),
            ("", None),
        ] {
            assert_eq!(timeout(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn statuses() {
        for (http, expected) in
            [(400, 13), (401, 16), (403, 7), (404, 12), (408, 4), (413, 8), (429, 14), (431, 13), (500, 13)]
        {
            assert_eq!(status_of(http), expected, "{http}");
        }
        for (http, expected) in [(502, 14), (503, 14), (504, 4), (200, 2)] {
            assert_eq!(status_of(http), expected, "{http}");
        }
    }
}
