//! Strict framing through the live program: what is ambiguous is refused, in both directions.

use crate::support::{Pair, Tidegate, simple};
use testkit::client::End;
use testkit::peer::Peer;

/// Sends a request that must be refused with this status, reach no server and end the connection.
#[track_caller]
fn refused(pair: &Pair, request: &str, status: u16) {
    let before = pair.origin.requests();
    let mut client = pair.client();
    let response = client.request(request).unwrap_or_else(|error| panic!("{request:?}: {error}"));
    assert_eq!(response.status, status, "{request:?}");
    let (rest, end) = client.read_to_end();
    assert!(rest.is_empty() && end != End::StillOpen, "{request:?}: {end:?}, {rest:?}");
    assert_eq!(pair.origin.requests(), before, "{request:?} reached the server");
}

/// A request with these fields besides Host.
fn with(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn ambiguous_lengths_are_refused() {
    let pair = Pair::start();
    for (fields, status) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        ("Content-Length: 5\r\nContent-Length: 5", 400),
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: 5, 5", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: -5", 400),
        ("Content-Length: 0x5", 400),
        ("Content-Length: 5 5", 400),
        ("Content-Length:", 400),
        ("Content-Length: 99999999999999999999999", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked, chunked", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
        ("Transfer-Encoding: xchunked", 501),
        ("Transfer-Encoding: gzip", 501),
        ("Transfer-Encoding : chunked", 400),
        ("Transfer-Encoding:\u{b}chunked", 400),
    ] {
        refused(&pair, &with(fields), status);
    }
    let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused(&pair, old, 400);
    assert_eq!(pair.tidegate.log_with_reason("content_length_with_transfer_encoding")["status"], 400);
    pair.tidegate.log_with_reason("content_length_repeated");
}

#[test]
fn malformed_heads_are_refused() {
    let pair = Pair::start();
    for (request, status) in [
        ("GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Host\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\n\r\n", 400),
        ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("G\u{7}T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ] {
        refused(&pair, request, status);
    }
    for reason in ["host_missing", "host_repeated", "host_invalid", "host_mismatch", "unsupported_version"] {
        pair.tidegate.log_with_reason(reason);
    }
}

#[test]
fn paths_that_servers_read_differently_are_refused() {
    let pair = Pair::start();
    for path in ["/../x", "/a/%2e%2e/%2e%2e/x", "/a%00", "/a%zz", "/a/..%2fx", "/a\\b"] {
        let response = pair.client().get("a", path).unwrap();
        assert_eq!(response.status, 400, "{path}");
    }
    assert_eq!(pair.origin.requests(), 0);
    pair.tidegate.log_with_reason("bad_path");
}

#[test]
fn malformed_chunks_are_refused() {
    let pair = Pair::start();
    for body in [
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhello\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello",
        "5\r\nhello!\r\n0\r\n\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
    ] {
        let mut client = pair.client();
        let request = format!("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let response = client.request(&request).unwrap_or_else(|error| panic!("{body:?}: {error}"));
        assert_eq!(response.status, 400, "{body:?}");
        assert_ne!(client.read_to_end().1, End::StillOpen, "{body:?}");
    }
}

/// Has a server give this answer; the status that the client sees.
#[track_caller]
fn answered(answer: &[u8]) -> u16 {
    let peer = Peer::answering(answer).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let mut client = tidegate.client();
    let response = client.get("a", "/").unwrap_or_else(|error| panic!("{answer:?}: {error}"));
    let line = tidegate.logs(1).remove(0);
    assert_eq!(line["status"], response.status);
    if response.status == 502 {
        assert!(line["reason"].is_string(), "{line}");
        assert!(line["reason"] != "bad_answer_head" || line["detail"].is_string(), "{line}");
    }
    response.status
}

#[test]
fn malformed_answers_become_502() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "garbage",
        "",
    ] {
        assert_eq!(answered(answer.as_bytes()), 502, "{answer:?}");
    }
    assert_eq!(answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 200);
    assert_eq!(answered(b"HTTP/1.0 200 OK\r\n\r\nok"), 200);
    assert_eq!(answered(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), 204);
}

#[test]
fn an_answer_whose_chunks_go_wrong_never_looks_complete() {
    for rest in
        ["5\r\nhello\r\nzz\r\n", "5\r\nhello!!", "5\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nX : y\r\n\r\n"]
    {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
        let peer = Peer::answering(answer).unwrap();
        let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
        if let Ok(response) = tidegate.client().get("a", "/") {
            assert!(response.status == 502 || !response.complete, "{rest:?}: {response:?}");
        }
    }
}

#[test]
fn bytes_after_an_answer_reach_nobody_else() {
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let peer = Peer::answering(answer).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", "workers: 1"));
    let mut client = tidegate.client();
    for _ in 0..10 {
        assert_eq!(client.get("a", "/").unwrap().text(), "ok");
    }
}
