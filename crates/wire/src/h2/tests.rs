use super::*;
use crate::h1::{Framing, HeadError, HeadLimits, Method, RequestHead, ResponseHead, TargetForm};
use crate::hpack::{Decoder, Encoder};
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{Request, StatusCode, request};
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 4096, fields: 50 };

fn parts(method: &str, uri: &str, fields: &[(&str, &str)]) -> request::Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// What is known of a request besides its head.
#[derive(Clone, Copy)]
struct Asked<'a> {
    has_body: bool,
    protocol: Option<&'a str>,
    websocket_key: &'a [u8],
}

const PLAIN: Asked<'_> = Asked { has_body: false, protocol: None, websocket_key: b"KEY" };

/// The text, if the gate takes it.
fn text(head: &request::Parts, asked: Asked<'_>) -> Result<(String, RequestHead), Refusal> {
    let mut incoming = Incoming::default();
    incoming.begin(LIMITS.bytes);
    let mut field = |name: &str, value: &[u8]| assert!(incoming.field(name.as_bytes(), value), "{name}");
    field(":method", head.method.as_str().as_bytes());
    if head.method != http::Method::CONNECT || asked.protocol.is_some() {
        field(":scheme", head.uri.scheme_str().unwrap_or("http").as_bytes());
        field(":path", head.uri.path_and_query().map_or("", |path| path.as_str()).as_bytes());
    }
    if let Some(authority) = head.uri.authority() {
        field(":authority", authority.as_str().as_bytes());
    }
    if let Some(protocol) = asked.protocol {
        field(":protocol", protocol.as_bytes());
    }
    for (name, value) in &head.headers {
        field(name.as_str(), value.as_bytes());
    }
    let mut parsed = RequestHead::new();
    let written = incoming.finish(asked.has_body, asked.websocket_key, &mut parsed, LIMITS)?;
    assert_eq!(parsed.length as usize, written.length, "and nothing but a head");
    assert_eq!(written.chunked, parsed.framing == Framing::Chunked);
    Ok((String::from_utf8_lossy(incoming.text()).into_owned(), parsed))
}

/// The fields of an answer, from the block that it becomes.
fn block(text: &str) -> Vec<(String, String)> {
    let mut head = ResponseHead::new();
    assert!(head.parse(text.as_bytes(), LIMITS, Method::Get).unwrap());
    let mut out = Vec::new();
    put_response(&head, text.as_bytes(), b"Date: d\r\nX-B: 2\r\n", &mut Encoder::new(), &mut out);
    let mut fields = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let add = |name: &[u8], value: &[u8]| {
        fields.push((text(name), text(value)));
        true
    };
    Decoder::default().decode(&out, add).unwrap();
    fields
}

#[track_caller]
fn check_block(text: &str, expected: &[(&str, &str)]) {
    let expected = expected.iter().chain(&[("date", "d"), ("x-b", "2")]);
    let expected: Vec<_> = expected.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(block(text), expected);
}

#[track_caller]
fn check(head: &request::Parts, asked: Asked<'_>, expected: &str) {
    assert_eq!(text(head, asked).unwrap().0, expected);
}

#[track_caller]
fn refused(head: &request::Parts, asked: Asked<'_>, expected: HeadError) {
    assert_eq!(text(head, asked).map(|(text, _)| text), Err(Refusal::Head(expected)));
}

#[test]
fn requests_as_text() {
    check(
        &parts("GET", "https://a.test/x?y=1", &[("accept", "*/*"), ("b", "1"), ("b", "2")]),
        PLAIN,
        "GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\nb: 1\r\nb: 2\r\n\r\n",
    );
    check(&parts("OPTIONS", "*", &[("host", "a")]), PLAIN, "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
    let (_, connect) = text(&parts("CONNECT", "a.test:443", &[]), PLAIN).unwrap();
    assert_eq!(connect.form, TargetForm::Authority);
}

#[test]
fn crumbs_are_one_cookie() {
    check(
        &parts("GET", "https://a/", &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")]),
        PLAIN,
        "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\ncookie: a=1; b=2; c=3\r\n\r\n",
    );
}

#[test]
fn bodies_are_framed() {
    let asked = Asked { has_body: true, ..PLAIN };
    check(
        &parts("POST", "https://a/", &[]),
        asked,
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    check(
        &parts("POST", "https://a/", &[("content-length", "3")]),
        asked,
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n",
    );
}

#[test]
fn host_may_repeat_what_authority_says() {
    for (uri, host) in
        [("https://a.test/", "A.Test"), ("https://a.test/", "a.test:443"), ("http://a.test:80/", "a.test")]
    {
        let (_, head) = text(&parts("GET", uri, &[("host", host)]), PLAIN).unwrap();
        assert_eq!(head.fields.len(), 1);
    }
    for (uri, host) in
        [("https://a/", "b"), ("https://a:1/", "a:2"), ("https://a/", "a:80"), ("https://a/", "")]
    {
        refused(&parts("GET", uri, &[("host", host)]), PLAIN, HeadError::HostMismatch);
    }
    refused(&parts("GET", "https://a/", &[("host", "a"), ("host", "a")]), PLAIN, HeadError::HostRepeated);
    refused(&parts("GET", "/", &[]), PLAIN, HeadError::HostMissing);
    refused(&parts("GET", "https://u@a/", &[]), PLAIN, HeadError::HostInvalid);
}

#[test]
fn what_the_gate_refuses_is_refused() {
    refused(&parts("GET", "*", &[("host", "a")]), PLAIN, HeadError::Target);
    refused(
        &parts("POST", "https://a/", &[("content-length", "3"), ("content-length", "3")]),
        PLAIN,
        HeadError::LengthRepeated,
    );
    refused(&parts("POST", "https://a/", &[("content-length", "+3")]), PLAIN, HeadError::LengthInvalid);
    refused(&parts("POST", "https://a/", &[("expect", "x")]), PLAIN, HeadError::Expectation);
    for (name, value) in
        [("transfer-encoding", "chunked"), ("connection", "x"), ("te", "gzip"), ("upgrade", "x")]
    {
        let head = parts("POST", "https://a/", &[(name, value)]);
        assert_eq!(text(&head, PLAIN).map(|(text, _)| text), Err(Refusal::Malformed), "{name}");
    }
    let many: Vec<(String, &str)> = (0..51).map(|number| (format!("x-{number}"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    refused(&parts("GET", "https://a/", &many), PLAIN, HeadError::TooManyFields);
    let long = "x".repeat(5000);
    refused(&parts("GET", "https://a/", &[("x", &long)]), PLAIN, HeadError::TooLarge);
}

#[test]
fn extended_connect_is_a_handshake() {
    let asked = Asked { has_body: true, protocol: Some("websocket"), websocket_key: b"KEY" };
    let head = parts(
        "CONNECT",
        "https://a/chat?x",
        &[("sec-websocket-version", "13"), ("sec-websocket-key", "theirs"), ("origin", "o")],
    );
    check(
        &head,
        asked,
        "GET /chat?x HTTP/1.1\r\nhost: a\r\nsec-websocket-version: 13\r\norigin: o\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-key: KEY\r\n\r\n",
    );
    assert!(text(&head, asked).unwrap().1.upgrade);
    refused(&head, Asked { protocol: Some("connect-udp"), ..asked }, HeadError::Protocol);
}

/// The first bytes of the tunnel would be taken for a body.
#[test]
fn a_handshake_has_no_length() {
    let asked = Asked { has_body: true, protocol: Some("websocket"), websocket_key: b"KEY" };
    let head = parts("CONNECT", "https://a/chat", &[("content-length", "5")]);
    let (text, parsed) = text(&head, asked).unwrap();
    assert!(!text.contains("content-length") && parsed.framing == Framing::None, "{text}");
}

#[test]
fn who_is_refused_has_no_places_of_another() {
    let mut head = RequestHead::new();
    assert_eq!(head.parse(b"HEAD /secret HTTP/1.1\r\nhost: a\r\n\r\n", LIMITS), Ok(true));
    let mut incoming = Incoming::default();
    incoming.begin(20);
    incoming.field(b":method", b"GET");
    let refused = incoming.finish(false, b"", &mut head, LIMITS);
    assert_eq!(refused, Err(Refusal::Head(HeadError::TooLarge)));
    assert_eq!(format!("{head:?}"), format!("{:?}", RequestHead::new()));
}

#[test]
fn what_was_not_read_to_its_end_is_told_apart() {
    // First too large, which is an affair of the stream alone, then so large that nobody reads on.
    let mut trailers = Trailers::new(100);
    while trailers.field(b"x-a", &[b'a'; 40]) {}
    assert_eq!(trailers.finish(), Err(Refusal::Abuse));
    let mut incoming = Incoming::default();
    incoming.begin(100);
    assert!(incoming.field(b":path", &[b'a'; 80]));
    assert_eq!(incoming.broken_off(), None);
    while incoming.field(b"x-a", &[b'a'; 40]) {}
    assert_eq!(incoming.broken_off(), Some(Refusal::Abuse));
    incoming.begin(100);
    assert!(!incoming.field(b"X-A", b"a"));
    assert_eq!(incoming.broken_off(), Some(Refusal::Bytes));
}

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs =
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    pairs.collect()
}

#[test]
fn answers_as_text() {
    for (status, fields, ends, bare, expected) in [
        (
            200,
            &[("a", "1")][..],
            false,
            false,
            "HTTP/1.1 200 OK\r\na: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        (200, &[("content-length", "5")], false, false, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        (404, &[], true, false, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        (204, &[], true, true, "HTTP/1.1 204 No Content\r\n\r\n"),
        (103, &[("link", "x")], true, true, "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"),
        (599, &[], true, false, "HTTP/1.1 599 \r\ncontent-length: 0\r\n\r\n"),
        (200, &[("connection", "close"), ("upgrade", "x")], true, true, "HTTP/1.1 200 OK\r\n\r\n"),
    ] {
        let mut out = Vec::new();
        let chunked =
            response_text(StatusCode::from_u16(status).unwrap(), &headers(fields), ends, bare, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(chunked, expected.contains("chunked"));
    }
    let mut out = Vec::new();
    switching_text(&headers(&[("sec-websocket-protocol", "chat")]), b"ACC", &mut out);
    let mut head = ResponseHead::new();
    assert!(head.parse(&out, LIMITS, Method::Get).unwrap() && head.upgrade && head.status == 101);
    let mut out = Vec::new();
    let sent = headers(&[("grpc-status", "0"), ("x-request-id", "1"), ("authorization", "x")]);
    trailers_text(Some(&sent), &mut out);
    assert_eq!(out, b"0\r\ngrpc-status: 0\r\n\r\n");
    assert_eq!(trailers_passed(sent), Some(headers(&[("grpc-status", "0")])));
    assert_eq!(trailers_passed(headers(&[("content-length", "0")])), None);
}

fn to_server(text: &str, extended: bool) -> Result<Request<()>, TextError> {
    let mut head = RequestHead::new();
    assert!(head.parse(text.as_bytes(), LIMITS).unwrap());
    request(&head, &Bytes::copy_from_slice(text.as_bytes()), Scheme::HTTP, extended)
}

#[test]
fn requests_for_servers() {
    let sent = to_server(
        "POST /a?b HTTP/1.1\r\nHost: h:80\r\nX-A: 1\r\nTE: trailers\r\nx-a:  2 \r\nTransfer-Encoding: chunked\r\n\r\n",
        false,
    )
    .unwrap();
    assert_eq!((sent.method().as_str(), sent.uri().to_string().as_str()), ("POST", "http://h:80/a?b"));
    assert_eq!(sent.headers().get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(sent.headers().len(), 3, "{:?}", sent.headers());
    let odd = to_server("GET /<a>?`=1 HTTP/1.1\r\nHost: h\r\n\r\n", false).unwrap();
    assert_eq!(odd.uri().to_string(), "http://h/%3Ca%3E?%60=1");
    let quoted = to_server("GET /\"a\"?{\"b\":1} HTTP/1.1\r\nHost: h\r\n\r\n", false).unwrap();
    assert_eq!(quoted.uri().path_and_query().unwrap().as_str(), "/\"a\"?{%22b%22:1}");
    let options = to_server("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", false).unwrap();
    assert_eq!(options.uri().path(), "*");
    let tunnel = to_server(
        "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\
         Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",
        true,
    )
    .unwrap();
    assert_eq!((tunnel.method().as_str(), tunnel.headers().len()), ("CONNECT", 1));
}

#[test]
fn answers_for_clients() {
    check_block(
        "HTTP/1.1 200 OK\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        &[(":status", "200"), ("set-cookie", "a"), ("set-cookie", "b")],
    );
    check_block(
        "HTTP/1.1 404 No\r\nContent-Length: 007\r\nX-A:\r\n\r\n",
        &[(":status", "404"), ("content-length", "7"), ("x-a", "")],
    );
    check_block("HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", &[(":status", "204")]);
}

#[test]
fn a_tunnel_carries_no_field_for_one_hop() {
    let tunnel = to_server(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade, x-hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\n\r\n",
        true,
    );
    assert!(tunnel.unwrap().headers().is_empty());
    check_block(
        "HTTP/1.1 101 S\r\nConnection: upgrade, x-hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\n\
         Sec-WebSocket-Accept: x\r\n\r\n",
        &[(":status", "200")],
    );
}

#[test]
fn trailers_from_lines() {
    let map = trailers(&Bytes::from_static(b"A: 1\r\nb:2 \r\na:\r\n")).unwrap();
    assert_eq!(map.get_all("a").iter().collect::<Vec<_>>(), ["1", ""]);
    assert_eq!(map["b"], "2");
    assert!(trailers(&Bytes::from_static(b"no colon\r\n")).is_err());
}

/// Whatever the gate of HTTP/1 takes can be said to a server of HTTP/2.
#[test]
fn every_byte_of_a_target_can_be_said() {
    for byte in b'!'..=b'~' {
        for target in [format!("/{}x", byte as char), format!("/?{}x", byte as char)] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            let mut head = RequestHead::new();
            if head.parse(text.as_bytes(), LIMITS).is_ok() {
                to_server(&text, false).unwrap_or_else(|error| panic!("{target}: {error}"));
            }
        }
    }
}

proptest! {
    /// Whatever an HTTP/2 client says, the text is one head that means the same, or nothing.
    #[test]
    fn no_request_is_more_than_one_head(
        method in "[A-Z!#$%&'*+.^_`|~a-z-]{1,8}",
        path in "(/[/*?:@%a-z.\"{}|\\[\\]^-]{0,12}|\\*|[a-z/:]{1,9})",
        authority in "[a-z0-9.:@\\[\\]-]{0,10}",
        fields in prop::collection::vec(("[a-z_-]{1,18}", prop::collection::vec(any::<u8>(), 0..12)), 0..6),
        has_body: bool,
        extended: bool,
    ) {
        let mut head = Request::new(()).into_parts().0;
        prop_assume!(http::Method::from_bytes(method.as_bytes()).is_ok());
        head.method = http::Method::from_bytes(method.as_bytes()).unwrap();
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = path.parse().ok();
        uri.authority = authority.parse().ok();
        uri.scheme = uri.authority.as_ref().map(|_| Scheme::HTTPS);
        if uri.path_and_query.is_none() {
            return Ok(());
        }
        let Ok(uri) = http::Uri::from_parts(uri) else { return Ok(()) };
        head.uri = uri;
        for (name, value) in &fields {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
                head.headers.append(name, value);
            }
        }
        let asked = Asked { has_body, protocol: extended.then_some("websocket"), websocket_key: b"KEY" };
        if let Ok((_, parsed)) = text(&head, asked) {
            let expected = if extended { "GET" } else { head.method.as_str() };
            prop_assert_eq!(parsed.method, Method::of(expected.as_bytes()));
            prop_assert!(parsed.framing != Framing::Close);
        }
    }
}
