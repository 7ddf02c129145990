//! Interim answers: 100 end to end, refused by the server, and 103.

use crate::support::{Pair, Tidegate, simple};
use testkit::peer::{Peer, Step};

const EXPECTING: &str = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[test]
fn a_continue_comes_from_the_server_itself() {
    let pair = Pair::start();
    let mut client = pair.client();
    for _ in 0..3 {
        client.send(format!("POST /x {EXPECTING}")).unwrap();
        assert_eq!(client.read("POST").unwrap().status, 100);
        client.send("hello").unwrap();
        let response = client.read("POST").unwrap();
        assert_eq!((response.status, &response.json()["body_length"]), (200, &5.into()));
    }
}

#[test]
fn a_server_may_refuse_before_the_body() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.send(format!("POST /status/413 {EXPECTING}")).unwrap();
    let response = client.read("POST").unwrap();
    assert_eq!(response.status, 413, "no 100 comes before it");
    assert!(response.complete);
}

#[test]
fn an_unknown_expectation_is_refused() {
    let pair = Pair::start();
    let response = pair.client().request("GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n").unwrap();
    assert_eq!(response.status, 417);
}

#[test]
fn early_hints_pass_through() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.send("GET /hints HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let hints = client.read("GET").unwrap();
    assert_eq!((hints.status, hints.value("link")), (103, Some("</style.css>; rel=preload")));
    assert_eq!(client.read("GET").unwrap().status, 200);
}

#[test]
fn several_interim_answers_may_come_in_one_piece() {
    let answer = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n\
                  HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let peer = Peer::answering(answer).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let mut client = tidegate.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.read("GET").unwrap().status, 102);
    assert_eq!(client.read("GET").unwrap().status, 103);
    assert_eq!(client.read("GET").unwrap().text(), "ok");
}

#[test]
fn clients_of_http_10_get_no_interim_answers() {
    let answer =
        "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let peer = Peer::start(vec![vec![Step::ReadRequest, Step::Send(answer.into()), Step::Close]]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let response = tidegate.client().request("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(response.unwrap().status, 200);
    let mut client = tidegate.client();
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.read("GET").unwrap().status, 200);
}
