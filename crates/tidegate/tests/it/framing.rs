//! Strict framing through the live program: what is ambiguous is refused, in both directions.

use crate::support::{Pair, Tidegate, simple};
use testkit::client::{End, Response};
use testkit::peer::{Gate, Peer, Step};

/// Sends requests that must be refused with this status and for this reason, reach no server and end the connection.
#[track_caller]
fn refused(pair: &Pair, cases: &[(impl AsRef<str>, u16, &str)]) {
    let mut answers = Vec::new();
    for (request, status, _) in cases {
        let request = request.as_ref();
        let mut client = pair.client();
        let response = client.request(request).unwrap_or_else(|error| panic!("{request:?}: {error}"));
        assert_eq!(response.status, *status, "{request:?}");
        let (rest, end) = client.read_to_end();
        assert!(rest.is_empty() && end != End::StillOpen, "{request:?}: {end:?}, {rest:?}");
        answers.push(response);
    }
    assert_eq!(pair.origin.requests(), 0, "the server sees none of them");
    for ((request, status, reason), line) in cases.iter().zip(lines(&pair.tidegate, &answers)) {
        let told = (line["status"].as_u64(), line["reason"].as_str());
        assert_eq!(told, (Some(u64::from(*status)), Some(*reason)), "{:?}: {line}", request.as_ref());
    }
}

/// The lines of the log that belong to answers of our own, which name their request.
#[track_caller]
fn lines(tidegate: &Tidegate, answers: &[Response]) -> Vec<serde_json::Value> {
    let lines = tidegate.logs(answers.len());
    let line = |answer: &Response| {
        let id = &answer.json()["request_id"];
        lines.iter().find(|line| line["request_id"] == *id).expect("a line for each answer").clone()
    };
    answers.iter().map(line).collect()
}

/// A request with these fields besides Host.
fn with(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn ambiguous_lengths_are_refused() {
    let with_both = "content_length_with_transfer_encoding";
    let cases = [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400, with_both),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400, with_both),
        ("Content-Length: 5\r\nContent-Length: 5", 400, "content_length_repeated"),
        ("Content-Length: 5\r\nContent-Length: 6", 400, "content_length_repeated"),
        ("Content-Length: 5, 5", 400, "content_length_invalid"),
        ("Content-Length: +5", 400, "content_length_invalid"),
        ("Content-Length: -5", 400, "content_length_invalid"),
        ("Content-Length: 0x5", 400, "content_length_invalid"),
        ("Content-Length: 5 5", 400, "content_length_invalid"),
        ("Content-Length:", 400, "content_length_invalid"),
        ("Content-Length: 99999999999999999999999", 400, "content_length_invalid"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400, "transfer_encoding_invalid"),
        ("Transfer-Encoding: chunked, chunked", 400, "transfer_encoding_invalid"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400, "transfer_encoding_invalid"),
        ("Transfer-Encoding: xchunked", 501, "transfer_encoding_unknown"),
        ("Transfer-Encoding: gzip", 501, "transfer_encoding_unknown"),
        ("Transfer-Encoding : chunked", 400, "malformed_head"),
        ("Transfer-Encoding:\u{b}chunked", 400, "malformed_head"),
        ("Expect: miracles", 417, "unknown_expectation"),
    ];
    let mut cases: Vec<_> =
        cases.iter().map(|(fields, status, reason)| (with(fields), *status, *reason)).collect();
    let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    cases.push((old.to_owned(), 400, "transfer_encoding_invalid"));
    refused(&Pair::start(), &cases);
}

#[test]
fn malformed_heads_are_refused() {
    refused(
        &Pair::start(),
        &[
            ("GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", 400, "bare_lf"),
            ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400, "bare_lf"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", 400, "malformed_head"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", 400, "malformed_head"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400, "malformed_head"),
            ("GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", 400, "malformed_head"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400, "malformed_head"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400, "malformed_head"),
            ("GET / HTTP/1.1\r\n\r\n", 400, "host_missing"),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "host_repeated"),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "host_invalid"),
            ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "host_invalid"),
            ("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400, "host_invalid"),
            ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "host_mismatch"),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Host\r\n\r\n", 400, "connection_nomination"),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\n\r\n", 400, "connection_nomination"),
            ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"),
            ("GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"),
            ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_head"),
            ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_head"),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "unsupported_version"),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "malformed_head"),
            ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_head"),
            ("G\u{7}T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_head"),
        ],
    );
}

#[test]
fn a_gateway_opens_no_tunnel_by_connect() {
    let pair = Pair::start();
    let response = pair.client().request("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n").unwrap();
    assert_eq!(response.status, 405);
    assert!(response.value("allow").unwrap().contains("GET"));
    pair.tidegate.log_with_reason("connect_not_served");
    assert_eq!(pair.origin.requests(), 0);
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
    let pair = Pair::with("", "bounds: { head: 1k }");
    let long = format!("0\r\n{}\r\n", "X-Trailer: y\r\n".repeat(100));
    let mut told = Vec::new();
    let cases = [
        ("5 \r\nhello\r\n0\r\n\r\n", "chunk_size_invalid"),
        (" 5\r\nhello\r\n0\r\n\r\n", "chunk_size_invalid"),
        ("5\nhello\n0\n\n", "chunk_line_end"),
        ("5\r\nhello\n0\r\n\r\n", "chunk_line_end"),
        ("5;a\nb\r\nhello\r\n0\r\n\r\n", "chunk_line_end"),
        ("5;a\0b\r\nhello\r\n0\r\n\r\n", "chunk_extension_invalid"),
        ("0x5\r\nhello\r\n0\r\n\r\n", "chunk_size_invalid"),
        ("-5\r\nhello\r\n0\r\n\r\n", "chunk_size_invalid"),
        ("\r\nhello\r\n0\r\n\r\n", "chunk_size_invalid"),
        ("fffffffffffffffff\r\nhello", "chunk_size_invalid"),
        ("5\r\nhello!\r\n0\r\n\r\n", "chunk_line_end"),
        ("0\r\nContent-Length: 5\r\n\r\n", "trailer_forbidden"),
        ("0\r\nX : y\r\n\r\n", "trailer_invalid"),
        (&long, "trailer_too_large"),
    ];
    for (body, _) in &cases {
        let mut client = pair.client();
        let request = format!("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let response = client.request(&request).unwrap_or_else(|error| panic!("{body:?}: {error}"));
        assert_eq!(response.status, 400, "{body:?}");
        assert_ne!(client.read_to_end().1, End::StillOpen, "{body:?}");
        told.push(response);
    }
    for ((body, reason), line) in cases.iter().zip(lines(&pair.tidegate, &told)) {
        assert_eq!(line["reason"], *reason, "{body:?}");
    }
}

#[test]
fn malformed_answers_become_502() {
    let head = |detail| ("bad_answer_head", detail);
    let cases = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            head("content_length_with_transfer_encoding"),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
            head("content_length_repeated"),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", head("content_length_invalid")),
        ("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", head("content_length_invalid")),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n", head("bare_lf")),
        ("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 2\r\n\r\nok", head("malformed_head")),
        ("HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", head("malformed_head")),
        ("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok", head("malformed_head")),
        ("HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok", head("malformed_head")),
        ("HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", head("malformed_head")),
        ("HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", head("unsupported_version")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", head("transfer_encoding_unknown")),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            ("unasked_upgrade", ""),
        ),
        ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", head("unexpected_body")),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", head("unsupported_version")),
        ("garbage", head("unsupported_version")),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            ("bad_answer_body", "chunk_size_invalid"),
        ),
        ("HTTP/1.1 200 OK\r\nContent-", ("server_closed", "")),
        ("", ("server_closed", "")),
    ];
    let script = |answer: &str| vec![Step::ReadRequest, Step::Send(answer.into()), Step::Close];
    let peer = Peer::start(cases.iter().map(|(answer, _)| script(answer)).collect()).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let mut told = Vec::new();
    for (answer, _) in &cases {
        let mut client = tidegate.client();
        let response = client.get("a", "/").unwrap_or_else(|error| panic!("{answer:?}: {error}"));
        assert_eq!((response.status, response.complete), (502, true), "{answer:?}");
        told.push(response);
        assert_eq!(peer.seen().len(), told.len(), "{answer:?}: it was asked once");
    }
    for ((answer, (reason, detail)), line) in cases.iter().zip(lines(&tidegate, &told)) {
        assert_eq!(
            (&line["status"], line["reason"].as_str()),
            (&502.into(), Some(*reason)),
            "{answer:?}: {line}"
        );
        assert_eq!(line["detail"].as_str().unwrap_or_default(), *detail, "{answer:?}: {line}");
    }
}

#[test]
fn unusual_answers_are_passed_on() {
    for (answer, status, text) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
        ("HTTP/1.0 200 OK\r\n\r\nok", 200, "ok"),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, ""),
        ("HTTP/1.1 299 \r\nContent-Length: 2\r\n\r\nok", 299, "ok"),
    ] {
        let peer = Peer::answering(answer).unwrap();
        let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
        let response = tidegate.client().get("a", "/").unwrap();
        assert_eq!((response.status, response.text().as_str()), (status, text), "{answer:?}");
        assert!(tidegate.logs(1)[0]["reason"].is_null());
    }
}

#[test]
fn an_answer_whose_chunks_go_wrong_never_looks_complete() {
    for (rest, detail) in [
        ("5\r\nhello\r\nzz\r\n", "chunk_size_invalid"),
        ("5\r\nhello!!", "chunk_line_end"),
        ("5\nhello\r\n0\r\n\r\n", "chunk_line_end"),
        ("5\r\nhello\r\n0\r\nX : y\r\n\r\n", "trailer_invalid"),
    ] {
        for apart in [false, true] {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let gate = Gate::default();
            let sent = if apart {
                vec![Step::Send(head.into()), Step::Await(gate.clone()), Step::Send(rest.into())]
            } else {
                vec![Step::Send(format!("{head}{rest}").into())]
            };
            let script = [&[Step::ReadRequest], &sent[..], &[Step::Close]].concat();
            let peer = Peer::start(vec![script]).unwrap();
            let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
            let mut client = tidegate.client();
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            if apart {
                let line = client.read_raw(17);
                assert_eq!(line, b"HTTP/1.1 200 OK\r\n", "the head is passed on at once");
                gate.open();
                let (bytes, end) = client.read_to_end();
                assert!(!bytes.ends_with(b"0\r\n\r\n") && end != End::StillOpen, "{rest:?}: {end:?}");
            } else {
                let response = client.read("GET").unwrap();
                assert_eq!((response.status, response.complete), (502, true), "{rest:?}");
            }
            let line = tidegate.log_with_reason("bad_answer_body");
            assert_eq!(line["detail"], detail, "{rest:?}: {line}");
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
