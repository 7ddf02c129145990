//! Health checks as servers see them: what is asked, how often, and what counts as well.

use crate::support::{Tidegate, wait_for};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testkit::origin::Origin;
use testkit::peer::{Peer, Seen, Step};

/// A pool of its own for each server, with this health check, reached by the host of the same name.
fn start(pools: &[(&str, SocketAddr, &str)]) -> Tidegate {
    let mut yaml = "listeners: [{ name: web, address: \"127.0.0.1:0\" }]\npools:\n".to_owned();
    for (name, address, health) in pools {
        yaml.push_str(&format!("  {name}: {{ servers: [\"{address}\"], health: {health} }}\n"));
    }
    yaml.push_str("sites:\n");
    for (name, ..) in pools {
        yaml.push_str(&format!("  {name}: {{ to: {name} }}\n"));
    }
    Tidegate::start(&yaml)
}

/// The first text that a connection to a peer brought.
fn text(seen: &[Seen]) -> String {
    String::from_utf8_lossy(&seen[0].bytes).into_owned()
}

fn well() -> Peer {
    Peer::answering("HTTP/1.1 204 No Content\r\n\r\n").unwrap()
}

#[test]
fn statuses_that_are_expected_are_a_success() {
    let origin = Origin::start("one").unwrap();
    let mut pools = Vec::new();
    for (name, path, expect, is_up) in [
        ("default-204", "/status/204", "", true),
        ("default-302", "/status/302", "", true),
        ("default-404", "/status/404", "", false),
        ("default-500", "/status/500", "", false),
        ("one", "/status/404", ", expect: 404", true),
        ("another", "/status/200", ", expect: 404", false),
        ("class", "/status/503", ", expect: 5xx", true),
        ("range", "/status/299", ", expect: \"200-299\"", true),
        ("beyond", "/status/300", ", expect: \"200-299\"", false),
        ("list", "/status/401", ", expect: [200, 401, 5xx]", true),
    ] {
        pools.push((name, format!("{{ path: {path}{expect}, every: 1h }}"), is_up));
    }
    let configured: Vec<_> =
        pools.iter().map(|(name, health, _)| (*name, origin.address, health.as_str())).collect();
    let tidegate = start(&configured);
    let mut client = tidegate.client();
    for (name, health, is_up) in &pools {
        let status = client.get(name, "/").unwrap().status;
        assert_eq!(status, if *is_up { 200 } else { 503 }, "{name}: {health}");
    }
}

#[test]
fn a_check_names_the_host_that_it_should() {
    let (plain, named, elsewhere) = (well(), well(), well());
    // It serves on one port and is checked on another.
    let origin = Origin::start("one").unwrap();
    let port = elsewhere.address.port();
    let tidegate = start(&[
        ("plain", plain.address, "/healthz"),
        ("named", named.address, "{ path: /check?deep, host: check.example }"),
        ("elsewhere", origin.address, &format!("{{ path: /p, port: {port} }}")),
    ]);
    assert_eq!(tidegate.client().get("elsewhere", "/").unwrap().status, 200);
    for (peer, line, host) in [
        (&plain, "GET /healthz HTTP/1.1", plain.address.to_string()),
        (&named, "GET /check?deep HTTP/1.1", "check.example".to_owned()),
        (&elsewhere, "GET /p HTTP/1.1", elsewhere.address.to_string()),
    ] {
        let text = text(&peer.seen());
        assert!(text.starts_with(&format!("{line}\r\nHost: {host}\r\n")), "{text}");
        assert!(text.contains("\r\nConnection: close\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }
}

#[test]
fn a_check_by_connecting_sends_nothing_and_believes_any_listener() {
    let peer = Peer::start(vec![vec![Step::ReadToEnd]]).unwrap();
    let origin = Origin::start("failing").unwrap();
    origin.fail(true);
    let tidegate = start(&[
        ("silent", peer.address, "tcp"),
        ("tcp", origin.address, "{ tcp: true, every: 50ms }"),
        ("http", origin.address, "{ path: /healthz, every: 50ms }"),
    ]);
    assert!(peer.wait(|seen| seen[0].over && seen[0].bytes.is_empty()), "{:?}", peer.seen());
    let mut client = tidegate.client();
    assert_eq!(client.get("http", "/").unwrap().status, 503, "it is down");
    assert_eq!(client.get("tcp", "/").unwrap().status, 500, "it is asked, and says so itself");
}

#[test]
fn a_check_that_is_not_answered_in_time_has_failed() {
    let peer = Peer::start(vec![vec![Step::ReadRequest, Step::ReadToEnd]]).unwrap();
    let tidegate = start(&[("mute", peer.address, "{ path: /healthz, every: 50ms, timeout: 200ms }")]);
    assert_eq!(tidegate.client().get("mute", "/").unwrap().status, 503);
    wait_for("the reason", || tidegate.stderr().iter().any(|line| line.contains("timeout")));
    assert!(peer.wait(|seen| seen[0].ended), "the check is given up");
}

#[test]
fn checks_come_as_often_as_they_should() {
    let (often, rarely) = (well(), well());
    let tidegate = start(&[
        ("often", often.address, "{ path: /healthz, every: 100ms }"),
        ("rarely", rarely.address, "{ path: /healthz, every: 1h }"),
    ]);
    let reach = |count: usize| {
        assert!(often.wait(|seen| seen.len() >= count), "{} checks", often.seen().len());
        Instant::now()
    };
    let from = reach(3);
    let taken = reach(23) - from;
    // A tenth of jitter either way; a busy machine may be late, and never early.
    assert!(taken > Duration::from_millis(1600), "twenty checks in {taken:?}");
    assert!(taken < Duration::from_secs(8), "twenty checks in {taken:?}");
    assert_eq!(rarely.seen().len(), 1);
    drop(tidegate);
    let after = often.seen().len();
    assert_eq!(after, often.seen().len(), "none comes after the end");
}
