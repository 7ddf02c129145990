//! Heads of requests.

use super::head::{self, LIMITS};
use super::head_oracle;
use crate::Target;
use std::fmt::Write as _;
use wire::h1::{Framing, HeadError, Known, Method, RequestHead, TargetForm, Version};

/// Heads of requests.
pub const TARGET: Target = Target { name: "head_request", check, words: WORDS, iterations: 20_000 };

const WORDS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST ",
    "HEAD ",
    "OPTIONS * ",
    "CONNECT a:443 ",
    "http://a.example/",
    "https://a.example",
    "HTTP/2.0",
    "Host: [::1]:80\r\n",
    "Host: u@a\r\n",
    "\r\n",
    "\r\n\r\n",
    "HTTP/1.1",
    "HTTP/1.0",
    "Host: a.example\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding:\u{b}chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive, Upgrade\r\n",
    "Connection: x-a, content-length\r\n",
    "Upgrade: websocket\r\n",
    "Upgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "TE: trailers\r\n",
    "X-A: b\r\n",
    "\r\n ",
    "#",
    "?",
];

fn parse(input: &[u8]) -> Result<Option<RequestHead>, HeadError> {
    let mut head = RequestHead::new();
    head.parse(input, LIMITS).map(|complete| complete.then_some(head))
}

fn check(input: &[u8]) -> String {
    let whole = parse(input);
    let theirs = head_oracle::check_request(input, LIMITS);
    assert_eq!(theirs, whole.as_ref().map(Option::is_some).map_err(|error| *error));
    check_pieces(input, &whole, 1..=input.len());
    check_pieces(input, &whole, head::cuts(input));
    match whole {
        Err(error) => {
            assert!((400..=599).contains(&error.status()));
            format!("refused {}", error.reason())
        }
        Ok(None) => {
            assert!(input.len() < LIMITS.bytes as usize, "a head that never ends is refused");
            "unfinished".to_owned()
        }
        Ok(Some(parsed)) => {
            check_accepted(input, &parsed);
            verdict(&input[..parsed.length as usize], &parsed)
        }
    }
}

/// However a head is cut, the verdict is the same; but an unfinished line may be judged when it ends.
fn check_pieces(
    input: &[u8],
    whole: &Result<Option<RequestHead>, HeadError>,
    ends: impl Iterator<Item = usize>,
) {
    let mut head = RequestHead::new();
    let result = head::piecewise(ends, |end| head.parse(&input[..end], LIMITS));
    match (whole, result) {
        (Ok(Some(whole)), Ok(true)) => assert_eq!(summary(whole), summary(&head)),
        (Ok(None), Ok(false)) => {}
        (Err(error), Ok(false)) => {
            let more = [input, b"\r\n"].concat();
            assert_eq!(head.parse(&more, LIMITS), Err(*error), "judged when the line ends");
        }
        // Beyond the bound, what is wrong first depends on how much is there.
        (Err(_), Err(_)) if input.len() >= LIMITS.bytes as usize => {}
        (Err(error), Err(other)) => assert_eq!(*error, other),
        (whole, other) => {
            panic!("whole {:?}, in pieces {other:?}", whole.as_ref().map(|head| head.is_some()));
        }
    }
}

/// All that a head says, to be compared.
fn summary(head: &RequestHead) -> String {
    let mut text = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {} {} {}",
        head.method,
        head.method_text,
        head.target,
        head.form,
        head.scheme,
        head.path,
        head.query,
        head.host,
        head.version,
        head.framing,
        head.keep_alive,
        head.expect_continue,
        head.upgrade,
        head.length
    );
    for field in &head.fields {
        let _ = write!(text, " {:?} {:?} {:?}", field.line, field.name, field.value);
    }
    text
}

fn check_accepted(input: &[u8], parsed: &RequestHead) {
    let head = &input[..parsed.length as usize];
    let (start, lines) = head::naive(head);
    head::check_fields(head, &parsed.fields, &lines);
    check_start(head, start, parsed);
    check_authority(head, parsed, &lines);
    assert_eq!(parsed.framing, head::framing(parsed.version, &lines).unwrap_or_default());
    assert_ne!(parsed.framing, Framing::Close);
    assert_eq!(parsed.keep_alive, head::persists(parsed.version, &lines));
    let continues =
        head::values(&lines, "expect").iter().any(|value| value.eq_ignore_ascii_case(b"100-continue"));
    assert_eq!(parsed.expect_continue, continues && parsed.version == Version::Http11);
    if parsed.upgrade {
        assert!(parsed.known(Known::Upgrade).is_some() && parsed.version == Version::Http11);
    }
    // What follows does not matter, and neither does how it was written.
    let alone = parse(head).expect("accepted with something behind it").expect("whole");
    assert_eq!(summary(&alone), summary(parsed));
    let printed = head::print(start, &lines);
    if printed.len() <= LIMITS.bytes as usize {
        let again = parse(&printed).expect("accepted as it came").expect("whole");
        let (start_again, lines_again) = head::naive(&printed);
        assert_eq!((start_again, &lines_again), (start, &lines));
        head::check_fields(&printed, &again.fields, &lines_again);
        assert_eq!(verdict(&printed, &again), verdict(head, parsed));
    }
}

/// The request line is method, target and version with one space between.
fn check_start(head: &[u8], start: &[u8], parsed: &RequestHead) {
    let method = parsed.method_text.of(head);
    let target = parsed.target.of(head);
    let version: &[u8] = if parsed.version == Version::Http11 { b"HTTP/1.1" } else { b"HTTP/1.0" };
    assert_eq!(start, [method, b" ", target, b" ", version].concat());
    assert!(wire::field::is_token(method));
    assert_eq!(parsed.method, Method::of(method));
    assert!(target.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\')));
    let path = parsed.path.of(head);
    let query = parsed.query.map(|query| query.of(head));
    let tail = query.map_or(path.to_vec(), |query| [path, b"?", query].concat());
    assert!(target.ends_with(&tail) && !path.contains(&b'?'));
    match parsed.form {
        TargetForm::Origin => assert!(target == tail && path.starts_with(b"/")),
        TargetForm::Absolute => {
            let scheme: &[u8] = match parsed.scheme.expect("absolute form has a scheme") {
                wire::h1::Scheme::Http => b"http",
                wire::h1::Scheme::Https => b"https",
            };
            let whole = [scheme, b"://", parsed.host.of(head), &tail].concat();
            assert!(target.eq_ignore_ascii_case(&whole));
            assert!(path.is_empty() || path.starts_with(b"/"));
        }
        TargetForm::Authority => {
            assert!(parsed.method == Method::Connect && path.is_empty() && query.is_none())
        }
        TargetForm::Asterisk => {
            assert!(parsed.method == Method::Options && target == b"*" && query.is_none())
        }
    }
}

/// One host, and no doubt which.
fn check_authority(head: &[u8], parsed: &RequestHead, lines: &[head::Line<'_>]) {
    let host = parsed.host.of(head);
    let said = head::values(lines, "host");
    assert!(said.len() <= 1, "two hosts");
    if said.is_empty() {
        assert_eq!(parsed.version, Version::Http10, "HTTP/1.1 without Host");
    }
    // RFC 9110 section 4.2.3: to leave the default port out is to name it.
    let default = match parsed.scheme {
        Some(wire::h1::Scheme::Http) => Some(80),
        Some(wire::h1::Scheme::Https) => Some(443),
        None => None,
    };
    let meaning = |text| {
        let authority = wire::uri::split_authority(text).expect("an authority");
        (authority.host.to_ascii_lowercase(), authority.port.or(default))
    };
    for said in said {
        assert_eq!(meaning(host), meaning(said), "the target's host is not that of Host");
    }
    if !host.is_empty() {
        assert!(wire::uri::split_authority(host).is_some(), "an authority that is none");
    }
}

/// Coarse, so that the corpus stays small.
fn verdict(head: &[u8], parsed: &RequestHead) -> String {
    let framing = std::mem::discriminant(&parsed.framing);
    let mut text = format!("{:?} {:?} {framing:?}", parsed.form, parsed.version);
    for (is_so, word) in [
        (parsed.expect_continue, " continue"),
        (parsed.upgrade, " upgrade"),
        (parsed.host.is_empty(), " hostless"),
        (parsed.host.of(head).starts_with(b"["), " v6"),
        (parsed.fields.iter().any(|field| field.hop && field.known == Known::Other), " nominated"),
    ] {
        text.push_str(if is_so { word } else { "" });
    }
    text
}
