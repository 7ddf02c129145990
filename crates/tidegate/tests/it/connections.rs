//! One connection after the other's manners: pipelining, HTTP/1.0, absolute-form, half-close.

use crate::support::{Pair, Tidegate, simple, wait_for};
use std::io::Write;
use testkit::client::End;
use testkit::peer::{Peer, Step};

#[test]
fn pipelined_requests_are_answered_in_order() {
    let pair = Pair::start();
    let mut client = pair.client();
    let mut requests = String::new();
    for number in 0..50 {
        requests.push_str(&format!(
            "POST /slow/{} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            number % 3
        ));
        requests.push_str(&format!("GET /n/{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    client.send(requests).unwrap();
    for number in 0..50 {
        assert_eq!(client.read("POST").unwrap().json()["target"], format!("/slow/{}", number % 3));
        assert_eq!(client.read("GET").unwrap().json()["target"], format!("/n/{number}"));
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let pair = Pair::start();
    let mut client = pair.client();
    for byte in b"GET /bytes HTTP/1.1\r\nHost: a\r\n\r\n" {
        client.send([*byte]).unwrap();
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    assert_eq!(client.read("GET").unwrap().json()["target"], "/bytes");
}

#[test]
fn close_is_obeyed() {
    let pair = Pair::start();
    let mut client = pair.client();
    let response = client.request("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(response.value("connection"), Some("close"));
    assert_eq!(client.read_to_end(), (Vec::new(), End::Closed));
}

#[test]
fn clients_of_http_10_are_closed_unless_they_ask() {
    let pair = Pair::start();
    let mut client = pair.client();
    let response = client.request("GET /size/5 HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(response.body.len(), 5);
    assert_eq!(client.read_to_end().1, End::Closed);
    let mut client = pair.client();
    for _ in 0..3 {
        let request = "GET /size/5 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
        let response = client.request(request).unwrap();
        assert!(response.head.has_token("connection", "keep-alive"));
        assert_eq!(response.body.len(), 5);
    }
}

#[test]
fn clients_of_http_10_get_no_chunks() {
    let pair = Pair::start();
    let mut client = pair.client();
    let response = client.request("GET /chunked/3/1000 HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(response.value("transfer-encoding"), None);
    assert!(response.complete);
    assert_eq!(response.body, testkit::message::pattern(3000));
    let head = pair.client().request("HEAD /chunked/3/1000 HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!((head.status, head.value("transfer-encoding")), (200, None));
}

#[test]
fn a_chunked_answer_cut_for_a_client_of_http_10_is_a_reset() {
    let pair = Pair::start();
    let response = pair.client().request("GET /cut-chunked/5000 HTTP/1.0\r\nHost: a\r\n\r\n");
    assert!(response.is_err() || !response.unwrap().complete);
}

#[test]
fn absolute_targets_are_served() {
    let pair = Pair::start();
    let mut client = pair.client();
    let response = client.request("GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(response.json()["target"], "/x?y", "servers get the origin form");
    let response = client.request("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(response.json()["target"], "/");
    assert_eq!(response.seen("host"), ["a"]);
}

#[test]
fn options_of_the_whole_server_pass() {
    let pair = Pair::start();
    let response = pair.client().request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!((response.status, &response.json()["target"]), (200, &"*".into()));
}

#[test]
fn a_client_that_has_finished_sending_gets_its_answer() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.send("POST /slow/100 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    client.finish_sending().unwrap();
    let response = client.read("POST").unwrap();
    assert_eq!((response.status, &response.json()["body_length"]), (200, &5.into()));
    assert_eq!(client.read_to_end(), (Vec::new(), End::Closed));
}

#[test]
fn a_server_that_has_finished_sending_is_heard() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
    let peer =
        Peer::start(vec![vec![Step::ReadRequest, Step::Send(answer), Step::FinishSending, Step::ReadToEnd]])
            .unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let mut client = tidegate.client();
    assert_eq!(client.get("a", "/").unwrap().text(), "ok");
    assert_eq!(client.get("a", "/").unwrap().text(), "ok");
}

#[test]
fn an_early_answer_is_read_while_the_body_is_still_sent() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234").unwrap();
    assert_eq!(client.read("POST").unwrap().text(), "early\n");
    client.send("56789").unwrap();
    // The answer was over first, so the connection ends, in good order: nothing was lost to a reset.
    assert_eq!(client.read_to_end(), (Vec::new(), End::Closed));
    wait_for("the rest of the body at the server", || pair.origin.in_flight() == 0);
}

/// Sends a body that is larger than all that can be on its way, to a server that follows `rest` after it has read the
/// head; the answer, which must be whole, and the log's reason.
fn answer_to_a_large_body(rest: &[Step]) -> (u16, serde_json::Value) {
    let script = [&[Step::ReadHead], rest].concat();
    let peer = Peer::start(vec![script]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let mut client = tidegate.client();
    let mut sender = client.sender().unwrap();
    let response = std::thread::scope(|scope| {
        scope.spawn(move || {
            // The answer ends this at some point.
            let _ = sender.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
            let _ = sender.write_all(&vec![b'x'; 50_000_000]);
        });
        let response = client.read("POST").unwrap();
        client.reset();
        response
    });
    assert!(response.complete);
    (response.status, tidegate.logs(1)[0]["reason"].clone())
}

#[test]
fn an_early_answer_survives_a_large_body() {
    for close in ["", "Connection: close\r\n"] {
        let answer = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n{close}\r\nno").into_bytes();
        for _ in 0..3 {
            // It goes on to read, as RFC 9112 section 9.6 asks of it.
            let (status, reason) = answer_to_a_large_body(&[Step::Send(answer.clone()), Step::ReadToEnd]);
            assert_eq!((status, reason), (403, serde_json::Value::Null), "{close:?}");
            // It closes with bytes unread, which is a reset and may take its answer along.
            let (status, reason) = answer_to_a_large_body(&[Step::Send(answer.clone()), Step::Close]);
            match status {
                403 => assert!(reason.is_null()),
                _ => assert_eq!((status, reason), (502, "server_closed".into())),
            }
        }
    }
    assert_eq!(answer_to_a_large_body(&[Step::Reset]), (502, "server_closed".into()));
}

#[test]
fn a_client_that_goes_takes_its_connection_to_the_server_along() {
    let pair = Pair::start();
    for way in ["reset", "drop"] {
        let mut client = pair.client();
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
        wait_for("the request at the server", || pair.origin.in_flight() == 1);
        match way {
            "reset" => client.reset(),
            _ => drop(client),
        }
        wait_for("the end of it at the server", || pair.origin.open() == 0);
    }
    pair.tidegate.log_with_reason("client_gone");
    assert_eq!(pair.client().get("a", "/").unwrap().status, 200);
}

#[test]
fn a_client_that_goes_while_it_waits_ends_the_request() {
    let pair = Pair::start();
    let client = pair.running("/slow/60000");
    client.reset();
    let line = pair.tidegate.log_with_reason("client_gone");
    assert_eq!(line["path"], "/slow/60000");
}
