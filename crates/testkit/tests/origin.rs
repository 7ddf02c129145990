//! The origin, the client, the peer and the load against one another.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use testkit::client::{Client, End, NoResponse};
use testkit::load::Load;
use testkit::message::{fnv, pattern};
use testkit::origin::Origin;
use testkit::peer::{Peer, Step};

/// Asks a fresh origin.
fn ask(request: &str) -> testkit::client::Response {
    let origin = Origin::start("one").unwrap();
    Client::connect(origin.address).unwrap().request(request).unwrap()
}

#[test]
fn a_request_is_reported_as_it_came() {
    let response =
        ask("POST /x?y=1 HTTP/1.1\r\nHost: a\r\nX-Odd: 1\r\nx-odd: 2\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!((response.status, response.server()), (200, "one"));
    let json = response.json();
    assert_eq!(json["target"], "/x?y=1");
    assert_eq!(json["headers"][1][0], "X-Odd");
    assert_eq!(response.seen("x-odd"), ["1", "2"]);
    assert_eq!(json["body_length"], 3);
    assert_eq!(json["body_fnv"], format!("{:016x}", fnv(b"abc")));
}

#[test]
fn bodies_come_whole_in_every_framing() {
    for path in ["/size/100000", "/chunked/10/10000", "/close/100000"] {
        let response = ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(response.complete, "{path}");
        assert!(response.body == pattern(100_000), "{path}");
        if path.starts_with("/chunked") {
            let sum = format!("{:016x}", fnv(&response.body));
            assert_eq!(response.trailers, [("X-Checksum".to_owned(), sum)]);
        }
    }
}

#[test]
fn answers_that_are_cut_are_told_from_whole_ones() {
    for path in ["/cut/5000", "/short/5000", "/cut-chunked/5000", "/cut-close/5000"] {
        let response = ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(!response.complete, "{path}");
        assert_eq!(response.body.len(), 5000, "{path}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::start("one").unwrap();
    let mut client = Client::connect(origin.address).unwrap();
    client
        .send("GET /a HTTP/1.1\r\nHost: a\r\n\r\nHEAD /size/9 HTTP/1.1\r\nHost: a\r\n\r\nGET /status/404 HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert_eq!(client.read("GET").unwrap().json()["target"], "/a");
    assert_eq!(client.read("HEAD").unwrap().value("content-length"), Some("9"));
    assert_eq!(client.read("GET").unwrap().status, 404);
    assert_eq!(origin.requests(), 3);
    assert_eq!(origin.connections(), 1);
}

#[test]
fn interim_answers_and_tunnels() {
    let origin = Origin::start("one").unwrap();
    let mut client = Client::connect(origin.address).unwrap();
    client
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .unwrap();
    assert_eq!(client.read("POST").unwrap().status, 100);
    client.send("hi").unwrap();
    assert_eq!(client.read("POST").unwrap().text(), "hi");
    client.send("GET /hints HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.read("GET").unwrap().status, 103);
    assert_eq!(client.read("GET").unwrap().status, 200);
    let upgrade = "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nfirst";
    assert_eq!(client.request(upgrade).unwrap().status, 101);
    assert_eq!(client.read_raw(5), b"first");
    client.finish_sending().unwrap();
    assert_eq!(client.read_to_end(), (Vec::new(), End::Closed));
}

#[test]
fn a_killed_origin_resets_and_its_port_can_be_used_again() {
    let origin = Origin::start("one").unwrap();
    let address = origin.address;
    let mut client = Client::connect(address).unwrap();
    assert_eq!(client.get("a", "/").unwrap().status, 200);
    origin.kill();
    assert_eq!(client.read_to_end().1, End::Reset);
    assert!(Client::connect(address).is_err());
    let origin = Origin::start_at("again", address).unwrap();
    assert_eq!(Client::connect(address).unwrap().get("a", "/").unwrap().server(), "again");
    origin.stop();
}

#[test]
fn a_failing_origin_says_so() {
    let origin = Origin::start("one").unwrap();
    origin.fail(true);
    assert_eq!(Client::connect(origin.address).unwrap().get("a", "/healthz").unwrap().status, 500);
    origin.fail(false);
    assert_eq!(Client::connect(origin.address).unwrap().get("a", "/healthz").unwrap().status, 200);
    assert_eq!(origin.requests(), 0);
}

#[test]
fn peers_follow_their_scripts() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
    let peer = Peer::start(vec![
        vec![Step::ReadRequest, Step::Send(answer.clone()), Step::AwaitBytes, Step::Reset],
        vec![Step::ReadHead, Step::SendSlowly(answer, Duration::from_millis(1)), Step::Close],
    ])
    .unwrap();
    let mut client = Client::connect(peer.address).unwrap();
    assert_eq!(client.get("a", "/").unwrap().text(), "ok");
    assert!(matches!(client.get("a", "/"), Err(NoResponse::Ended(_, End::Reset))));
    let mut client = Client::connect(peer.address).unwrap();
    assert_eq!(client.get("a", "/second").unwrap().text(), "ok");
    assert!(peer.wait(|seen| seen.len() == 2 && seen[1].over));
    assert!(peer.seen()[1].bytes.starts_with(b"GET /second HTTP/1.1\r\n"));
}

#[test]
fn a_load_counts_what_fails() {
    let origin = Origin::start("one").unwrap();
    let load = Load::start(origin.address, "a", 2, 1000);
    while load.answered() < 500 {
        std::thread::yield_now();
    }
    let report = load.stop();
    assert!(report.good >= 500, "{report:?}");
    assert_eq!((report.failed(), report.cut), (0, 0), "{report:?}");
    let load = Load::start(origin.address, "a", 1, 1000);
    origin.fail(true);
    let before = load.answered();
    while load.answered() < before + 10 {
        std::thread::yield_now();
    }
    assert!(load.stop().bad_status >= 9);
}
