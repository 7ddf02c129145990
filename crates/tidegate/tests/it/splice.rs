//! Large bodies, which pass through the kernel: whole, in order, at the pace of the slower side, and with all that
//! happens to small ones.

use crate::support::{Pair, Tidegate, simple, tool, wait_for};
use std::io::Write;
use std::time::{Duration, Instant};
use testkit::client::{Client, End};
use testkit::message::{fnv, pattern};
use testkit::origin::Origin;
use testkit::peer::{Gate, Peer, Step};

const LARGE: usize = 5_000_000;

/// More than all sockets and pipes on the way hold.
const HUGE: usize = 12_000_000;

/// Ends of pipes that the engine has open.
fn pipes(tidegate: &Tidegate) -> usize {
    let folder = format!("/proc/{}/fd", tidegate.engine_pid());
    let links = std::fs::read_dir(folder).unwrap().flatten().map(|entry| std::fs::read_link(entry.path()));
    links.flatten().filter(|link| link.to_string_lossy().starts_with("pipe:")).count()
}

/// Asks for `path`, reads nothing, and waits until the server is not let send any more.
fn stalled(pair: &Pair, path: &str) -> Client {
    let mut client = pair.client();
    let before = pair.origin.sent();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    let mut last = (0, Instant::now());
    wait_for("the server to be made to wait", || {
        let sent = pair.origin.sent() - before;
        if sent != last.0 {
            last = (sent, Instant::now());
        }
        sent > 0 && last.1.elapsed() > Duration::from_millis(200)
    });
    client
}

#[track_caller]
fn gets(client: &mut Client, size: usize) {
    let response = client.get("a", &format!("/size/{size}")).unwrap();
    assert!(response.complete && response.body == pattern(size), "{size} bytes, {:?}", response.end);
}

fn post(target: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn large_answers_pass_through_the_kernel_and_connections_are_kept() {
    let pair = Pair::with("", "workers: 1");
    let mut client = pair.client();
    gets(&mut client, 1000);
    let before = pipes(&pair.tidegate);
    for round in 0..4 {
        gets(&mut client, LARGE + round);
        gets(&mut client, 3 + round);
    }
    assert_eq!(pipes(&pair.tidegate), before + 2, "one pipe, kept for the next one");
    assert_eq!(pair.origin.connections(), 1, "connections are kept, on both sides");
    let lines = pair.tidegate.logs(9);
    assert_eq!(lines[1]["bytes"], LARGE);
    assert_eq!(lines[2]["bytes"], 3);
}

#[test]
fn large_requests_pass_through_the_kernel_and_connections_are_kept() {
    let pair = Pair::with("", "workers: 1");
    let mut client = pair.client();
    gets(&mut client, 1000);
    let before = pipes(&pair.tidegate);
    for round in 0..4 {
        let body = pattern(LARGE + round);
        let json = client.request(post("/x", &body)).unwrap().json();
        assert_eq!(json["body_length"], body.len());
        assert_eq!(json["body_fnv"], format!("{:016x}", fnv(&body)));
        gets(&mut client, 3 + round);
    }
    assert_eq!(pipes(&pair.tidegate), before + 2, "one pipe, kept for the next one");
    assert_eq!(pair.origin.connections(), 1, "connections are kept, on both sides");
    assert_eq!(pair.tidegate.logs(9)[1]["bytes_in"], LARGE);
}

#[test]
fn what_follows_a_large_body_is_left_alone() {
    let pair = Pair::start();
    let mut client = pair.client();
    let body = pattern(LARGE);
    let next = post("/next", b"abc");
    let mut sender = client.sender().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..5 {
                sender.write_all(&[post("/x", &body), next.clone()].concat()).unwrap();
            }
        });
        for _ in 0..5 {
            let sum = format!("{:016x}", fnv(&body));
            assert_eq!(client.read("POST").unwrap().json()["body_fnv"], sum);
            assert_eq!(client.read("POST").unwrap().json()["target"], "/next");
        }
    });
}

#[test]
fn a_connection_with_bytes_behind_a_large_answer_is_not_used_again() {
    let body = pattern(LARGE);
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").into_bytes();
    answer.extend_from_slice(&body);
    answer.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    let peer = Peer::start(vec![vec![Step::ReadRequest, Step::Send(answer), Step::ReadToEnd]]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", "workers: 1"));
    let mut client = tidegate.client();
    for round in 0..3 {
        let response = client.get("a", "/").unwrap();
        assert!(response.complete && response.body == body, "round {round}");
    }
    assert_eq!(peer.seen().len(), 3);
}

#[test]
fn both_directions_may_be_large_at_once() {
    let pair = Pair::with("", "workers: 1");
    let body = pattern(LARGE);
    let mut client = pair.client();
    for _ in 0..3 {
        let mut sender = client.sender().unwrap();
        let response = std::thread::scope(|scope| {
            scope.spawn(|| sender.write_all(&post("/echo", &body)).unwrap());
            client.read("POST").unwrap()
        });
        assert!(response.complete && response.body == body);
    }
    assert_eq!(pair.origin.connections(), 1);
}

#[test]
fn answers_that_end_by_closing_are_whole() {
    let pair = Pair::with("", "workers: 1");
    let mut client = pair.client();
    for size in [LARGE, 600_000] {
        let response = client.get("a", &format!("/close/{size}")).unwrap();
        assert!(response.complete && response.body == pattern(size));
        assert_eq!(response.value("transfer-encoding"), Some("chunked"));
        gets(&mut client, 3);
    }
    let mut old = pair.client();
    old.send(format!("GET /close/{LARGE} HTTP/1.0\r\nHost: a\r\n\r\n")).unwrap();
    let response = old.read("GET").unwrap();
    assert!(response.complete && response.body == pattern(LARGE), "{:?}", response.end);
    assert_eq!(pair.tidegate.logs(5)[4]["bytes"], LARGE);
}

#[test]
fn a_client_that_stalls_gets_the_rest_when_it_reads_on() {
    let pair = Pair::with("", "workers: 1");
    let before = pipes(&pair.tidegate);
    let mut stalling: Vec<_> = (0..3).map(|_| stalled(&pair, &format!("/size/{HUGE}"))).collect();
    assert_eq!(pipes(&pair.tidegate), before + 6, "each holds a pipe");
    gets(&mut pair.client(), LARGE);
    for client in &mut stalling {
        let response = client.read("GET").unwrap();
        assert!(response.complete && response.body == pattern(HUGE), "{:?}", response.end);
    }
    gets(&mut stalling[0], 3);
}

#[test]
fn what_a_client_has_left_behind_reaches_nobody_else() {
    let pair = Pair::with("", "workers: 1");
    let before = pipes(&pair.tidegate);
    for _ in 0..5 {
        let client = stalled(&pair, &format!("/size/{HUGE}"));
        client.reset();
        wait_for("the server to be let go", || pair.origin.in_flight() == 0);
        gets(&mut pair.client(), LARGE);
    }
    assert_eq!(pipes(&pair.tidegate), before + 2, "pipes with something in them are closed");
    assert_eq!(pair.tidegate.log_with_reason("client_gone")["status"], 200);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_request_is_noticed() {
    let pair = Pair::with("", "workers: 1");
    for _ in 0..5 {
        let mut client = pair.client();
        let request = post("/x", &pattern(LARGE));
        client.send(&request[..LARGE / 2]).unwrap();
        wait_for("the request at the server", || pair.origin.in_flight() == 1);
        client.finish_sending().unwrap();
        wait_for("its end there", || pair.origin.in_flight() == 0);
        let body = pattern(LARGE);
        let json = pair.client().request(post("/x", &body)).unwrap().json();
        assert_eq!(json["body_fnv"], format!("{:016x}", fnv(&body)));
    }
    pair.tidegate.log_with_reason("client_gone");
}

#[test]
fn a_server_that_cuts_in_the_middle_is_never_taken_for_complete() {
    let pair = Pair::with("", "workers: 1");
    for path in [format!("/cut/{LARGE}"), format!("/short/{LARGE}"), format!("/cut-close/{LARGE}")] {
        let mut client = pair.client();
        // A reset may take with it what was on its way.
        if let Ok(response) = client.get("a", &path) {
            assert!(!response.complete, "{path}");
        }
        gets(&mut pair.client(), LARGE);
    }
    let mut old = pair.client();
    old.send(format!("GET /cut-close/{LARGE} HTTP/1.0\r\nHost: a\r\n\r\n")).unwrap();
    assert_eq!(old.read_to_end().1, End::Reset);
    wait_for("lines", || {
        pair.tidegate.log().iter().filter(|line| line["reason"] == "server_cut").count() == 4
    });
}

#[test]
fn a_server_that_stalls_in_the_middle_is_cut() {
    let pair = Pair::with("", "workers: 1\ntimeouts: { body: 300ms }");
    let mut client = pair.client();
    let response = client.get("a", &format!("/stall/{LARGE}")).unwrap();
    assert!(!response.complete && pattern(LARGE).starts_with(&response.body));
    assert_eq!(pair.tidegate.log_with_reason("server_stalled")["bytes"], LARGE);
    gets(&mut pair.client(), LARGE);
}

#[test]
fn a_client_that_takes_nothing_runs_out_of_time() {
    let pair = Pair::with("", "workers: 1\ntimeouts: { body: 300ms }");
    let before = pipes(&pair.tidegate);
    let mut client = pair.client();
    client.send(format!("GET /size/{HUGE} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    let line = pair.tidegate.log_with_reason("client_stalled");
    wait_for("the server to be let go", || pair.origin.open() == 0);
    assert_eq!(pipes(&pair.tidegate), before);
    let response = client.read("GET").unwrap();
    assert!(!response.complete && pattern(HUGE).starts_with(&response.body));
    let logged = usize::try_from(line["bytes"].as_u64().unwrap()).unwrap();
    assert!(response.body.len() <= logged && logged < HUGE, "{} of {logged}", response.body.len());
    gets(&mut pair.client(), LARGE);
}

#[test]
fn a_client_that_reads_slowly_does_not_run_out_of_time() {
    let pair = Pair::with("", "workers: 1\ntimeouts: { body: 2s }");
    let mut client = pair.client();
    client.send(format!("GET /size/{HUGE} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    // Twice the limit in all, before which there is nothing to be seen of the end.
    let mut pieces = Vec::new();
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(400));
        pieces.push(client.read_raw(1_000_000));
    }
    let start = testkit::message::find(&pieces[0], b"\r\n\r\n").unwrap() + 4;
    let mut body = pieces.concat().split_off(start);
    body.extend_from_slice(&client.read_raw(HUGE - body.len()));
    assert!(body == pattern(HUGE), "{} bytes", body.len());
    gets(&mut client, 3);
}

#[test]
fn a_server_that_takes_no_large_body_runs_out_of_time() {
    let gate = Gate::default();
    let peer = Peer::start(vec![vec![Step::ReadHead, Step::Await(gate.clone())]]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", "timeouts: { body: 300ms }"));
    let client = tidegate.client();
    let mut sender = client.sender().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || sender.write_all(&post("/", &pattern(HUGE))));
        tidegate.log_with_reason("server_stalled");
        client.reset();
    });
    gate.open();
}

#[test]
fn an_answer_before_the_end_of_a_large_request_is_passed_on() {
    let pair = Pair::with("", "workers: 1");
    for _ in 0..3 {
        let mut client = pair.client();
        let mut sender = client.sender().unwrap();
        std::thread::scope(|scope| {
            // Ends when the connection does.
            scope.spawn(move || sender.write_all(&post("/early-stop", &pattern(HUGE))));
            assert_eq!(client.read("POST").unwrap().status, 200);
            client.reset();
        });
        gets(&mut pair.client(), LARGE);
    }
}

#[test]
fn a_drain_lets_a_large_answer_finish() {
    let mut pair = Pair::with("", "workers: 1");
    let mut client = stalled(&pair, &format!("/size/{HUGE}"));
    pair.tidegate.signal("TERM");
    wait_for("the drain", || pair.tidegate.stderr().iter().any(|line| line.contains("draining")));
    let response = client.read("GET").unwrap();
    assert!(response.complete && response.body == pattern(HUGE), "{:?}", response.end);
    assert_eq!(client.read_to_end().1, End::Closed);
    assert_eq!(pair.tidegate.wait().code(), Some(0));
}

#[test]
fn a_drain_that_is_over_cuts_a_large_answer() {
    let mut pair = Pair::with("", "workers: 1\ndrain: { limit: 300ms }");
    let mut client = stalled(&pair, &format!("/size/{HUGE}"));
    pair.tidegate.signal("TERM");
    assert_eq!(pair.tidegate.wait().code(), Some(0));
    assert!(!client.read("GET").unwrap().complete);
    assert_eq!(pair.tidegate.log_with_reason("stopped")["status"], 200);
}

#[test]
fn without_descriptors_for_pipes_bodies_are_copied() {
    let origin = Origin::start("one").unwrap();
    let yaml = simple(&[origin.address], "", "workers: 1");
    let tidegate = Tidegate::start_in(tempfile::tempdir().unwrap(), &yaml, &["prlimit", "--nofile=64:64"]);
    let mut client = tidegate.client();
    gets(&mut client, 3);
    let before = pipes(&tidegate);
    let engine = tidegate.engine_pid().to_string();
    // What is open stays open, and nothing comes to it.
    assert_eq!(tool::run("prlimit", &["--pid", &engine, "--nofile=3:"]).code, 0);
    let body = pattern(LARGE);
    for _ in 0..3 {
        gets(&mut client, LARGE);
        let json = client.request(post("/x", &body)).unwrap().json();
        assert_eq!(json["body_fnv"], format!("{:016x}", fnv(&body)));
    }
    assert_eq!(pipes(&tidegate), before);
    assert_eq!(tool::run("prlimit", &["--pid", &engine, "--nofile=64:"]).code, 0);
    gets(&mut client, LARGE);
    assert_eq!(pipes(&tidegate), before + 2, "then one can be had again");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn pipes_do_not_take_the_descriptors_of_connections() {
    let origin = Origin::start("one").unwrap();
    let yaml = simple(&[origin.address], "", "workers: 1");
    let tidegate = Tidegate::start_in(tempfile::tempdir().unwrap(), &yaml, &["prlimit", "--nofile=128:128"]);
    let before = pipes(&tidegate);
    let pair = Pair { tidegate, origin };
    let mut clients: Vec<_> = (0..10).map(|_| stalled(&pair, &format!("/size/{HUGE}"))).collect();
    let held = pipes(&pair.tidegate) - before;
    assert!((2..=16).contains(&held), "{held} ends of pipes");
    // The first has a pipe, the last has none.
    for client in [0, 9] {
        let response = clients[client].read("GET").unwrap();
        assert!(response.complete && response.body == pattern(HUGE), "{:?}", response.end);
    }
}
