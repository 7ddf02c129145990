//! Heads: what passes, and the smuggling cases that do not.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 20 };

fn request(text: &[u8]) -> Result<Option<RequestHead>, HeadError> {
    let mut head = RequestHead::new();
    head.parse(text, LIMITS).map(|complete| complete.then_some(head))
}

fn response(text: &[u8], method: Method) -> Result<Option<ResponseHead>, HeadError> {
    let mut head = ResponseHead::new();
    head.parse(text, LIMITS, method).map(|complete| complete.then_some(head))
}

#[test]
fn a_request_and_its_places() {
    let text =
        b"POST /a/b?c=d HTTP/1.1\r\nHost: Shop:80\r\nX-A:  1 \r\nContent-Length: 5\r\nEmpty:\r\n\r\nhello";
    let head = request(text).unwrap().unwrap();
    assert_eq!(head.method, Method::Post);
    assert_eq!(head.path.of(text), b"/a/b");
    assert_eq!(head.query.unwrap().of(text), b"c=d");
    assert_eq!(head.host.of(text), b"Shop:80");
    assert_eq!(head.framing, Framing::Length(5));
    assert!(head.keep_alive);
    assert_eq!(head.length as usize, text.len() - 5);
    let lines: Vec<_> = head.fields.iter().map(|field| field.line.of(text)).collect();
    assert_eq!(lines, [&b"Host: Shop:80\r\n"[..], b"X-A:  1 \r\n", b"Content-Length: 5\r\n", b"Empty:\r\n"]);
    assert_eq!(head.values(text, "x-a").collect::<Vec<_>>(), [b"1"]);
    assert_eq!(head.values(text, "empty").collect::<Vec<_>>(), [b""]);
}

#[test]
fn targets() {
    for (line, form, path, host) in [
        ("GET http://a.b/c?d HTTP/1.1\r\nHost: A.b", TargetForm::Absolute, "/c", "a.b"),
        ("GET http://a.b HTTP/1.1\r\nHost: a.b", TargetForm::Absolute, "", "a.b"),
        ("GET https://a.b?x HTTP/1.1\r\nHost: a.b", TargetForm::Absolute, "", "a.b"),
        ("OPTIONS * HTTP/1.1\r\nHost: a", TargetForm::Asterisk, "*", "a"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443", TargetForm::Authority, "", "a:443"),
        ("GET //a/b HTTP/1.1\r\nHost: a", TargetForm::Origin, "//a/b", "a"),
        ("GET / HTTP/1.0\r\nA: b", TargetForm::Origin, "/", ""),
        ("\r\nGET / HTTP/1.1\r\nHost: a", TargetForm::Origin, "/", "a"),
        ("GET /{a}|b HTTP/1.1\r\nHost: a", TargetForm::Origin, "/{a}|b", "a"),
    ] {
        let text = format!("{line}\r\n\r\n");
        let head = request(text.as_bytes()).unwrap().unwrap();
        assert_eq!(head.form, form, "{line}");
        assert_eq!(head.path.of(text.as_bytes()), path.as_bytes(), "{line}");
        assert_eq!(head.host.of(text.as_bytes()), host.as_bytes(), "{line}");
    }
}

#[test]
fn fields_for_one_hop() {
    let text =
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-A , upgrade\r\nX-A: 1\r\nKeep-Alive: 2\r\n\
                 Proxy-Connection: x\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: websocket\r\nX-B: 1\r\n\r\n";
    let head = request(text).unwrap().unwrap();
    let hops: Vec<_> = head
        .fields
        .iter()
        .filter(|field| field.hop)
        .map(|field| std::str::from_utf8(field.name.of(text)).unwrap())
        .collect();
    assert_eq!(hops, ["Connection", "X-A", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade"]);
    assert!(!head.keep_alive && head.upgrade);
}

#[test]
fn persistence_and_upgrades() {
    for (version, field, keep_alive, upgrade) in [
        ("1.1", "A: b", true, false),
        ("1.1", "Connection: Close", false, false),
        ("1.0", "A: b", false, false),
        ("1.0", "Connection: keep-alive", true, false),
        ("1.0", "Connection: keep-alive, close", false, false),
        ("1.1", "Connection: upgrade", true, false),
        ("1.1", "Connection: upgrade\r\nUpgrade: h2c", true, false),
        ("1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c", true, false),
        ("1.1", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket", true, true),
        ("1.0", "Connection: Upgrade\r\nUpgrade: websocket", false, false),
    ] {
        let text = format!("GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n\r\n");
        let head = request(text.as_bytes()).unwrap().unwrap();
        assert_eq!((head.keep_alive, head.upgrade), (keep_alive, upgrade), "{text}");
    }
}

/// Each line is a head without its end; the error is what it must give.
const REFUSED: &[(&str, HeadError)] = &[
    ("GET / HTTP/1.1\nHost: a\r\n\r\n", HeadError::BareLf),
    ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", HeadError::BareLf),
    ("GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::BareLf),
    ("GET / HTTP/1.1\r\nHost: a\n\r\n", HeadError::BareLf),
    ("GET / HTTP/1.1\r\nHost: a\n\n", HeadError::BareLf),
    ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Malformed),
    ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Malformed),
    ("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", HeadError::Malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", HeadError::Malformed),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", HeadError::Malformed),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", HeadError::Malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", HeadError::Malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", HeadError::Malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", HeadError::Malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", HeadError::Malformed),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Malformed),
    ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Malformed),
    ("GET /\r\nHost: a\r\n\r\n", HeadError::Malformed),
    ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Malformed),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", HeadError::Malformed),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", HeadError::Version),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", HeadError::Version),
    ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Target),
    ("GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Target),
    ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Target),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Target),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Target),
    ("CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Target),
    ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Target),
    ("GET / HTTP/1.1\r\nX: a\r\n\r\n", HeadError::HostMissing),
    ("GET http://a/ HTTP/1.1\r\nX: a\r\n\r\n", HeadError::HostMissing),
    ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", HeadError::HostRepeated),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", HeadError::HostInvalid),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HeadError::HostInvalid),
    ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HeadError::HostInvalid),
    ("GET / HTTP/1.1\r\nHost: a:port\r\n\r\n", HeadError::HostInvalid),
    ("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", HeadError::HostMismatch),
    ("GET http://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n", HeadError::HostMismatch),
    ("GET http:///x HTTP/1.1\r\nHost: b\r\n\r\n", HeadError::Target),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        HeadError::LengthRepeated,
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", HeadError::LengthInvalid),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", HeadError::LengthInvalid),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", HeadError::LengthInvalid),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", HeadError::LengthInvalid),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\n", HeadError::LengthInvalid),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", HeadError::LengthInvalid),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", HeadError::LengthInvalid),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        HeadError::LengthWithCoding,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        HeadError::CodingInvalid,
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", HeadError::CodingInvalid),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", HeadError::CodingInvalid),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", HeadError::CodingUnknown),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", HeadError::CodingUnknown),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", HeadError::CodingInvalid),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", HeadError::CodingUnknown),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", HeadError::CodingUnknown),
    ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::CodingInvalid),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", HeadError::ConnectionNomination),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: Content-Length\r\n\r\n",
        HeadError::ConnectionNomination,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n",
        HeadError::ConnectionNomination,
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n", HeadError::Expectation),
];

#[test]
fn requests_that_could_be_read_in_two_ways_are_refused() {
    for (text, error) in REFUSED {
        assert_eq!(request(text.as_bytes()).err(), Some(*error), "{text:?}");
        // Byte by byte it is the same, or refused even earlier for the same cause.
        let mut head = RequestHead::new();
        let piecewise = (1..=text.len()).find_map(|end| head.parse(&text.as_bytes()[..end], LIMITS).err());
        assert_eq!(piecewise, Some(*error), "{text:?} byte by byte");
    }
}

#[test]
fn sizes_are_bounded() {
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(2000));
    assert_eq!(request(long_target.as_bytes()).err(), Some(HeadError::TargetTooLong));
    assert_eq!(request(&long_target.as_bytes()[..1500]).err(), Some(HeadError::TargetTooLong));
    let long_field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(2000));
    assert_eq!(request(long_field.as_bytes()).err(), Some(HeadError::TooLarge));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(30));
    assert_eq!(request(many.as_bytes()).err(), Some(HeadError::TooManyFields));
    assert_eq!(request(b"GET / HT").unwrap().map(|_| ()), None);
}

#[test]
fn answers_and_their_framing() {
    for (text, method, framing, keep_alive) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method::Get, Framing::Length(3), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method::Head, Framing::None, true),
        ("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n", Method::Get, Framing::Chunked, true),
        ("HTTP/1.1 200 \r\n\r\n", Method::Get, Framing::Close, true),
        ("HTTP/1.0 200 OK\r\n\r\n", Method::Get, Framing::Close, false),
        (
            "HTTP/1.1 204 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            Method::Get,
            Framing::None,
            false,
        ),
        ("HTTP/1.1 304 Same\r\nContent-Length: 10\r\n\r\n", Method::Get, Framing::None, true),
        ("HTTP/1.1 100 Continue\r\n\r\n", Method::Post, Framing::None, true),
        ("HTTP/1.1 200 \u{e9}\r\n\r\n", Method::Get, Framing::Close, true),
    ] {
        let head = response(text.as_bytes(), method).unwrap().unwrap();
        assert_eq!((head.framing, head.keep_alive), (framing, keep_alive), "{text:?}");
    }
}

#[test]
fn answers_that_could_be_read_in_two_ways_are_refused() {
    for (text, error) in [
        ("HTTP/1.1 200 OK\nA: b\r\n\r\n", HeadError::BareLf),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 20 OK\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 099 OK\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 2000 OK\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", HeadError::Malformed),
        ("HTTP/2 200 OK\r\n\r\n", HeadError::Version),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", HeadError::LengthRepeated),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            HeadError::LengthWithCoding,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", HeadError::CodingUnknown),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::CodingInvalid),
        ("HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n", HeadError::UnexpectedBody),
        ("HTTP/1.1 100 Go\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::UnexpectedBody),
        ("SSH-2.0-OpenSSH\r\n", HeadError::Version),
    ] {
        assert_eq!(response(text.as_bytes(), Method::Get).err(), Some(error), "{text:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_taken_calmly(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = request(&bytes);
        let _ = response(&bytes, Method::Get);
    }

    /// Whatever passes our gate, httparse reads too, and every line ends in CRLF.
    #[test]
    fn pieces_make_no_difference(index in 0..REFUSED.len(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = REFUSED[index].0.as_bytes().to_vec();
        let at = at.index(text.len());
        text[at] = byte;
        let whole = request(&text);
        let mut head = RequestHead::new();
        let mut piecewise = Ok(false);
        for end in 1..=text.len() {
            piecewise = head.parse(&text[..end], LIMITS);
            if piecewise != Ok(false) {
                break;
            }
        }
        match (&whole, &piecewise) {
            (Ok(Some(whole)), Ok(true)) => {
                prop_assert_eq!(whole.length, head.length);
                prop_assert_eq!(whole.framing, head.framing);
                let bytes = &text[..whole.length as usize];
                prop_assert!(bytes.iter().enumerate().all(|(at, byte)| *byte != b'\n' || bytes[at - 1] == b'\r'));
            }
            // An unfinished line is judged when it ends.
            (Ok(None) | Err(_), Ok(false)) | (Err(_), Err(_)) => {}
            _ => prop_assert!(false, "whole {:?}, piecewise {:?}", whole.map(|head| head.is_some()), piecewise),
        }
    }
}
