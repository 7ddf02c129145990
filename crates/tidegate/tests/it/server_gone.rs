//! Servers that go away: a cut never looks complete, a stale connection is replaced, a dead server is left.

use crate::support::{Pair, Tidegate, simple, tool};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use testkit::client::End;
use testkit::message::pattern;
use testkit::origin::Origin;
use testkit::peer::{Peer, Step};

/// An address where nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Many of them.
fn nowhere_at_all(count: u16) -> Vec<SocketAddr> {
    let port = nowhere().port();
    let address = |number: u16| {
        let [high, low] = number.to_be_bytes();
        SocketAddr::from(([127, 77, high, low], port))
    };
    (1..=count).map(address).collect()
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn a_cut_never_looks_complete() {
    let pair = Pair::start();
    for path in
        ["/cut/5000", "/short/5000", "/cut-chunked/5000", "/cut-close/5000", "/cut/2000000", "/short/2000000"]
    {
        let mut client = pair.client();
        // Where the cut came with the head there may be no answer at all; a whole one there never is.
        if let Ok(response) = client.get("a", path) {
            assert!(response.status == 502 || !response.complete, "{path}: {:?}", response.head);
        }
        let (rest, end) = client.read_to_end();
        assert!(rest.is_empty() && end != End::StillOpen, "{path}");
    }
    let lines = pair.tidegate.logs(6);
    assert!(lines.iter().all(|line| line["reason"] == "server_cut"), "{lines:#?}");
}

#[test]
fn where_only_the_close_marks_the_end_a_cut_is_a_reset() {
    let pair = Pair::start();
    for path in ["/cut-close/5000", "/cut-close/500000", "/cut-chunked/5000"] {
        let mut client = pair.client();
        client.send(format!("GET {path} HTTP/1.0\r\nHost: a\r\n\r\n")).unwrap();
        assert_eq!(client.read_to_end().1, End::Reset, "{path}");
    }
    let mut client = pair.client();
    client.send("GET /close/5000 HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    let (bytes, end) = client.read_to_end();
    assert!(bytes.ends_with(&pattern(5000)) && end == End::Closed, "a whole one ends in good order");
}

#[test]
fn servers_without_an_answer_are_502() {
    for script in [
        vec![Step::ReadRequest, Step::Close],
        vec![Step::ReadRequest, Step::Reset],
        vec![Step::ReadRequest, Step::Send(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), Step::Close],
    ] {
        let peer = Peer::start(vec![script.clone()]).unwrap();
        let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
        let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(tidegate.client().request(request).unwrap().status, 502, "{script:?}");
        assert_eq!(tidegate.logs(1)[0]["reason"], "server_closed", "{script:?}");
    }
}

#[test]
fn a_connection_that_cannot_be_made_is_502_and_says_why() {
    // Nobody can connect to a broadcast address, and nothing leaves this machine.
    let broadcast = SocketAddr::from(([127, 255, 255, 255], 9));
    for (address, reason) in [(nowhere(), "connection_refused"), (broadcast, "connect_failed")] {
        let tidegate = Tidegate::start(&simple(&[address], "", ""));
        assert_eq!(tidegate.client().get("a", "/").unwrap().status, 502, "{address}");
        let line = tidegate.log_with_reason(reason);
        assert_eq!((&line["status"], &line["server"]), (&502.into(), &address.to_string().into()));
    }
}

#[test]
fn without_a_descriptor_for_a_server_it_is_503() {
    let pair = Pair::with("", "timeouts: { connect: 200ms }\nworkers: 1");
    let mut client = pair.client();
    assert_eq!(client.request("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n").unwrap().status, 200);
    // The kept connection is in use, and from now on the process gets no descriptor.
    let busy = pair.running("/slow/60000");
    let engine = pair.tidegate.engine_pid().to_string();
    let limit = |count: usize| {
        let limit = format!("--nofile={count}:");
        assert_eq!(tool::run("prlimit", &["--pid", &engine, &limit]).code, 0);
    };
    // What is open stays open.
    limit(3);
    assert_eq!(client.get("a", "/").unwrap().status, 503);
    assert_eq!(pair.tidegate.log_with_reason("out_of_descriptors")["status"], 503);
    limit(500);
    assert_eq!(client.get("a", "/").unwrap().status, 200, "the same connection is served again");
    busy.reset();
}

#[test]
fn a_failed_connect_goes_to_another_server() {
    let origin = Origin::start("alive").unwrap();
    let tidegate = Tidegate::start(&simple(&[nowhere(), origin.address], "", ""));
    let mut client = tidegate.client();
    for _ in 0..10 {
        let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        let response = client.request(request).unwrap();
        assert_eq!((response.status, response.server()), (200, "alive"));
    }
    let lines = tidegate.logs(10);
    assert!(lines.iter().any(|line| line["retries"] == 1), "{lines:#?}");
}

#[test]
fn one_live_server_is_found_among_many_that_refuse() {
    let origin = Origin::start("alive").unwrap();
    for balance in ["round_robin", "least_requests", "p2c", "ring_hash(client.ip)"] {
        let mut servers = nowhere_at_all(9);
        servers.push(origin.address);
        let config = simple(&servers, &format!(", balance: {balance}"), "");
        let tidegate = Tidegate::start(&config);
        let mut client = tidegate.client();
        for round in 0..10 {
            assert_eq!(client.get("a", "/").unwrap().status, 200, "{balance}, request {round}");
        }
        let most = tidegate.logs(10).iter().filter_map(|line| line["retries"].as_u64()).max();
        assert!(most < Some(10), "{balance}: each server once, but {most:?}");
        assert!(balance != "round_robin" || most > Some(3), "{balance}: {most:?}");
    }
}

#[test]
fn the_time_for_all_bounds_refusals_too() {
    let tidegate = Tidegate::start(&simple(&nowhere_at_all(3000), "", "timeouts: { total: 1ms }"));
    assert_eq!(tidegate.client().get("a", "/").unwrap().status, 504);
    let line = tidegate.log_with_reason("total_timeout");
    assert!(line["retries"].as_u64() < Some(2999), "{line}");
}

#[test]
fn a_stale_connection_is_replaced_unnoticed() {
    // Each connection serves one request and closes as the next one comes in.
    let script = vec![Step::ReadRequest, Step::Send(ok("x")), Step::AwaitBytes, Step::Reset];
    let peer = Peer::start(vec![script]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", "workers: 1"));
    let mut client = tidegate.client();
    for _ in 0..20 {
        assert_eq!(client.get("a", "/").unwrap().text(), "x");
    }
}

#[test]
fn a_connection_that_closed_while_idle_is_not_used() {
    let script = vec![Step::ReadRequest, Step::Send(ok("x")), Step::Close];
    let peer = Peer::start(vec![script]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", "workers: 1"));
    let mut client = tidegate.client();
    for round in 0..20 {
        let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(client.request(request).unwrap().status, 200, "round {round}");
        assert!(peer.wait(|seen| seen.last().is_some_and(|last| last.over)));
    }
}

#[test]
fn a_request_that_may_have_had_an_effect_is_not_sent_twice() {
    let peer = Peer::start(vec![vec![Step::ReadRequest, Step::Reset]]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let request = "POST /order HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(tidegate.client().request(request).unwrap().status, 502);
    assert_eq!(peer.seen().len(), 1);
}

#[test]
fn an_idempotent_request_is_sent_to_another_server() {
    let peer = Peer::start(vec![vec![Step::ReadRequest, Step::Reset]]).unwrap();
    let origin = Origin::start("alive").unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address, origin.address], "", ""));
    let mut client = tidegate.client();
    for _ in 0..6 {
        assert_eq!(client.get("a", "/").unwrap().server(), "alive");
    }
    assert!(!peer.seen().is_empty(), "the bad one was tried");
}

#[test]
fn no_connection_of_a_client_that_left_is_used_again() {
    let pair = Pair::with("", "workers: 1");
    let client = pair.running("/drip/1000/5");
    client.reset();
    for _ in 0..5 {
        assert_eq!(pair.client().get("a", "/n").unwrap().json()["target"], "/n");
    }
}
