//! The origin, the relay and the load of the bench, against each other.

use mio::net::TcpListener;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use testkit::bench::load::{Load, Plan};
use testkit::bench::{origin, relay};

/// A listener, and where.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("there are free ports");
    let address = listener.local_addr().expect("it has an address");
    (listener, address)
}

/// An origin and a relay before it, until the process ends.
fn servers() -> [SocketAddr; 2] {
    let (own, origin) = listener();
    thread::spawn(|| origin::serve(own));
    let (own, relay) = listener();
    thread::spawn(move || relay::serve(own, origin));
    [origin, relay]
}

/// How many requests were answered, or why it failed.
fn load(address: SocketAddr, words: &str) -> Result<u64, String> {
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    let report = Load::new(Plan::new(address, &words)?)?.run();
    report.failed.map_or(Ok(report.requests), Err)
}

#[test]
fn every_kind_of_load_is_answered_with_and_without_a_relay() {
    for address in servers() {
        for words in [
            "path=/size/1024",
            "path=/size/3000000 expect=3000000 connections=2",
            "browser path=/fields/12",
            "path=/length body=16384 expect=5",
            "path=/chunks/16384 body=16384 chunked expect=16384",
            "path=/r/{} host=h{}.example vary=1000",
            "reuse=fresh",
            "reuse=fresh rate=500",
            "protocol=websocket body=128",
            "protocol=grpc body=100 connections=2 streams=10",
            "rate=2000",
        ] {
            let done = load(address, &format!("{words} seconds=0.1"));
            assert!(done.as_ref().is_ok_and(|requests| *requests > 0), "{words}: {done:?}");
        }
    }
}

#[test]
fn an_answer_that_is_not_the_expected_one_fails() {
    for address in servers() {
        let wrong = load(address, "path=/size/1024 expect=1025");
        assert_eq!(wrong, Err("an answer has 1024 bytes instead of 1025".to_owned()));
    }
    let (own, address) = listener();
    drop(own);
    assert!(load(address, "").is_err(), "nobody listens there");
}
