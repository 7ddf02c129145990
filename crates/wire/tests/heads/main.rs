//! Our reader of heads against another: httparse with a strict gate behind it. Both take and refuse the same, for the
//! same cause, wherever a head is changed or cut.

#![allow(clippy::unwrap_used, reason = "tests")]

mod oracle;

use oracle::{check_request, check_response};
use proptest::prelude::*;
use wire::h1::{HeadError, HeadLimits, Method, RequestHead, ResponseHead};

const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 20 };
/// Small enough that heads run into them.
const TIGHT: HeadLimits = HeadLimits { bytes: 90, fields: 3 };

const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /index.html?a=b&c=d?e HTTP/1.1\r\nHost: www.example.com:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
    "\r\nPOST http://a.example:80/b?c HTTP/1.1\r\nHost: A.example\r\nContent-Length:  5 \t\r\nExpect: 100-continue\r\n\r\nhello",
    "PUT /a HTTP/1.1\r\nHost: [::1]:8080\r\nTransfer-Encoding: chunked\r\nConnection: close, X-A\r\nX-A:\t\tb c\r\n\r\n5\r\n",
    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
    "OPTIONS * HTTP/1.0\r\nX_Forwarded-For: 1\r\nEmpty:\r\nBlank:  \r\n\r\n",
    "GET /\u{e4} HTTP/1.1\r\nHost: a\r\nX: \u{e4}\u{ff}\u{e4}\r\n\r\n",
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\nX: y\r\nHost: b\r\n\n",
    "\n\r\n\nM HTTP://a?b HTTP/2.7\r\nHost: a\r\n\r\n",
];

const ANSWERS: &[&str] = &[
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.0 404 Not Found\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\nX:\r\n\r\n",
    "HTTP/1.1 304 \r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: c=\u{e4}\r\n\r\n",
    "HTTP/1.1 101 Switching\tProtocols \u{e4}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "\r\nHTTP/1.1 099 x\nContent-Length: 1\r\nContent-Length: 1\r\n\n",
    "HTTP/1.1 204 No Content\nContent-Length: 0\r\nA_B: c\r\n\r\n",
];

fn check_both(text: &[u8]) {
    for limits in [LIMITS, TIGHT] {
        let _ = check_request(text, limits);
        let _ = check_response(text, limits, Method::Get);
    }
}

#[test]
fn every_byte_at_every_place() {
    for text in REQUESTS.iter().chain(ANSWERS) {
        for at in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            for byte in 0..=u8::MAX {
                changed[at] = byte;
                if text.starts_with("HTTP") {
                    let _ = check_response(&changed, LIMITS, Method::Get);
                } else {
                    let _ = check_request(&changed, LIMITS);
                }
            }
        }
    }
}

#[test]
fn every_cut_every_byte_left_out_and_every_byte_twice() {
    for text in REQUESTS.iter().chain(ANSWERS).map(|text| text.as_bytes()) {
        for at in 0..text.len() {
            check_both(&text[..at]);
            check_both(&[&text[..at], &text[at + 1..]].concat());
            check_both(&[&text[..=at], &text[at..]].concat());
            for cut in 0..at {
                check_both(&[&text[..cut], &text[at..]].concat());
            }
        }
    }
}

/// Whatever wrong thing stands where, at the end of what has come and before more.
#[test]
fn every_two_bytes_in_every_part() {
    for start in [
        "",
        "\r\n",
        "G",
        "GET ",
        "GET /",
        "GET / ",
        "GET / H",
        "GET / HTTP/1.",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX",
        "GET / HTTP/1.1\r\nHost: a\r\nX:",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y ",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 200",
        "HTTP/1.1 200 ",
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\n",
    ] {
        let mut text = start.as_bytes().to_vec();
        for one in 0..=u8::MAX {
            for other in 0..=u8::MAX {
                text.truncate(start.len());
                text.extend_from_slice(&[one, other]);
                let _ = check_request(&text, LIMITS);
                let _ = check_response(&text, LIMITS, Method::Get);
                text.extend_from_slice(b"\r\n\r\n");
                let _ = check_request(&text, LIMITS);
                let _ = check_response(&text, LIMITS, Method::Get);
            }
        }
    }
}

/// A head that comes in two pieces is the one that comes whole, wherever it is cut; an unfinished line may be judged
/// when it ends.
#[test]
fn every_split() {
    for text in REQUESTS.iter().chain(ANSWERS).map(|text| text.as_bytes()) {
        for at in 0..text.len() {
            let (mut request, mut answer) = (RequestHead::new(), ResponseHead::new());
            let pieces = request.parse(&text[..at], LIMITS).and_then(|_| request.parse(text, LIMITS));
            assert_eq!(pieces, check_request(text, LIMITS));
            let parse = |answer: &mut ResponseHead, text| answer.parse(text, LIMITS, Method::Get);
            let pieces = parse(&mut answer, &text[..at]).and_then(|_| parse(&mut answer, text));
            assert_eq!(pieces, check_response(text, LIMITS, Method::Get));
        }
    }
}

/// Pieces of heads, good and bad, that chance puts together.
const WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    "\0",
    "\u{7f}",
    "\u{e4}",
    ",",
    "?",
    "#",
    "\\",
    "GET / HTTP/1.1\r\n",
    "GET ",
    "HTTP/1.1 200 OK\r\n",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    "Host: a\r\n",
    "Host: a:81\r\n",
    "http://a/",
    "https://a",
    "Content-Length: 1\r\n",
    "Content-Length: x\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close, host\r\n",
    "Connection: keep-alive, x-a\r\n",
    "Upgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "Expect: more\r\n",
    "X-A: b\r\n",
    "X-Something-Longer: with a value of some length\r\n",
    "\r\n\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn words_in_any_order(indices in prop::collection::vec(0..WORDS.len(), 0..16)) {
        check_both(&indices.iter().flat_map(|index| WORDS[*index].bytes()).collect::<Vec<_>>());
    }

    #[test]
    fn changed_heads(
        index in 0..REQUESTS.len() + ANSWERS.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, any::<u8>()), 1..5),
    ) {
        let mut text = REQUESTS.iter().chain(ANSWERS).nth(index).unwrap().as_bytes().to_vec();
        for (at, kind, byte) in edits {
            let at = at.index(text.len());
            match kind {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.splice(at..at, WORDS[usize::from(byte) % WORDS.len()].bytes())),
            }
        }
        check_both(&text);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        check_both(&bytes);
    }
}

/// The oracle itself tells good from bad.
#[test]
fn heads_are_taken_and_refused() {
    assert_eq!(check_request(REQUESTS[1].as_bytes(), LIMITS), Ok(true));
    assert_eq!(check_request(REQUESTS[1].as_bytes(), TIGHT), Err(HeadError::TooLarge));
    assert_eq!(check_request(REQUESTS[8].as_bytes(), LIMITS), Err(HeadError::HostRepeated));
    assert_eq!(check_request(REQUESTS[9].as_bytes(), LIMITS), Err(HeadError::Version));
    assert_eq!(check_response(ANSWERS[3].as_bytes(), LIMITS, Method::Get), Ok(true));
    assert_eq!(check_response(ANSWERS[6].as_bytes(), LIMITS, Method::Get), Err(HeadError::BareLf));
}
