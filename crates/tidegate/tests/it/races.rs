//! What goes wrong only when two things happen at once: a retry while the body comes in, a time-out or an order to
//! end inside an answer, a farewell to a client that is still talking.

use crate::support::{Pair, Tidegate, simple, wait_for};
use std::time::{Duration, Instant};
use testkit::client::{Client, End};
use testkit::message::pattern;
use testkit::origin::Origin;
use testkit::peer::{Peer, Step};

fn bytes(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

/// A POST in two pieces, the second one just as the first server turns out to be gone.
fn post(client: &mut Client, marker: usize) -> Option<(u16, String)> {
    let body = format!("{marker:>9}{}", "x".repeat(1000));
    let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send(format!("{head}{}", &body[..9])).ok()?;
    // What follows must be taken for what it is, though a body that was lost leaves it in its place.
    client.send(format!("{}GET /secret HTTP/1.1\r\nHost: a\r\nCookie: victim\r\n\r\n", &body[9..])).ok()?;
    let response = client.read("POST").ok()?;
    assert!(response.status != 200 || response.text() == body, "{}", response.text());
    Some((response.status, response.text()))
}

#[test]
fn a_body_is_sent_again_whole_or_not_at_all() {
    let gone = Peer::start(vec![vec![Step::Reset]]).unwrap();
    let origin = Origin::start("alive").unwrap();
    let tidegate = Tidegate::start(&simple(&[gone.address, origin.address], "", ""));
    let address = tidegate.address();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for round in 0..250 {
                    let mut client = Client::connect(address).unwrap();
                    let answer = post(&mut client, thread * 1000 + round);
                    let status = answer.map_or(502, |(status, _)| status);
                    assert!([200, 502].contains(&status), "{status}");
                }
            });
        }
    });
}

#[test]
fn a_drain_cuts_no_answer_of_a_client_that_pipelines() {
    for _ in 0..5 {
        let mut pair = Pair::start();
        let mut client = pair.client();
        client.send("GET /drip/20/20 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        wait_for("the request at the server", || pair.origin.in_flight() == 1);
        pair.tidegate.signal("TERM");
        client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let response = client.read("GET").unwrap();
        assert!(response.complete && response.body.len() == 20);
        // Whether it is still served is open, not how the connection ends.
        assert_eq!(client.read_to_end().1, End::Closed);
        assert!(pair.tidegate.wait().success());
    }
}

#[test]
fn a_whole_answer_arrives_though_the_client_goes_on_sending() {
    let pair = Pair::start();
    let mut client = pair.client();
    let request = "GET /size/3000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    client.send(format!("{request}{}", "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50))).unwrap();
    let response = client.read("GET").unwrap();
    assert!(response.complete && response.body.len() == 3_000_000);
    assert_eq!(client.read_to_end(), (Vec::new(), End::Closed));
}

#[test]
fn nothing_is_written_into_an_interim_answer_that_was_begun() {
    let interim = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "a".repeat(40_000));
    let many = Step::Send(interim.repeat(300).into_bytes());
    let peer = Peer::start(vec![vec![Step::ReadRequest, many, Step::ReadToEnd]]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", "timeouts: { total: 500ms }"));
    let mut client = tidegate.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    tidegate.log_with_reason("total_timeout");
    let (read, end) = client.read_to_end();
    assert_ne!(end, End::StillOpen);
    let text = String::from_utf8(read).unwrap();
    let inside = text.split("HTTP/1.1 103 Early Hints\r\n").find(|part| part.contains("HTTP/1.1"));
    let inside = inside.map(|part| part.split_at(part.find("HTTP/1.1").unwrap()).0);
    assert!(inside.is_none_or(|before| before.ends_with("\r\n\r\n")), "an answer inside another one");
}

#[test]
fn a_server_gains_no_time_by_interim_answers_or_by_dripping() {
    let processing = [bytes("HTTP/1.1 102 Processing\r\n\r\n"), Step::Pause(Duration::from_millis(100))];
    let interims =
        std::iter::once(Step::ReadRequest).chain(processing.into_iter().cycle().take(200)).collect();
    let head = b"HTTP/1.1 200 OK\r\nX: ".iter().copied().chain(std::iter::repeat_n(b'x', 1000)).collect();
    let drip = vec![Step::ReadRequest, Step::SendSlowly(head, Duration::from_millis(20))];
    for script in [interims, drip] {
        let peer = Peer::start(vec![script]).unwrap();
        let tidegate = Tidegate::start(&simple(&[peer.address], "", "timeouts: { first_byte: 400ms }"));
        let started = Instant::now();
        let mut client = tidegate.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(client.read_final("GET").unwrap().status, 504);
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        tidegate.log_with_reason("first_byte_timeout");
    }
}

#[test]
fn a_server_that_does_not_give_leave_to_send_is_late_itself() {
    let peer = Peer::start(vec![vec![Step::ReadHead, Step::ReadToEnd]]).unwrap();
    let times = "timeouts: { first_byte: 700ms, body: 200ms }";
    let tidegate = Tidegate::start(&simple(&[peer.address], "", times));
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(tidegate.client().request(request).unwrap().status, 504);
    assert!(tidegate.log_with_reason("first_byte_timeout")["duration_ms"].as_f64().unwrap() > 600.0);
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket";

#[test]
fn protocols_change_only_as_offered_and_when_all_was_sent() {
    let switch = |fields: &str| bytes(&format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n"));
    let get = format!("GET / HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n\r\n");
    let post = format!("POST / HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\nContent-Length: 9\r\n\r\nabc");
    for (request, answer, wanted) in [
        (&get, UPGRADE, 101),
        (&get, "Connection: Upgrade\r\nUpgrade: WebSocket", 101),
        (&get, "Connection: Upgrade\r\nUpgrade: h2c", 502),
        (&get, "Connection: Upgrade\r\nUpgrade: websocket, h2c", 502),
        (&get, "X: y", 502),
        (&get, "Upgrade: websocket", 502),
        (&post, UPGRADE, 502),
    ] {
        let peer = Peer::start(vec![vec![Step::ReadHead, switch(answer), Step::ReadToEnd]]).unwrap();
        let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
        assert_eq!(tidegate.client().request(request).unwrap().status, wanted, "{request} {answer}");
        if wanted == 502 {
            tidegate.log_with_reason("unasked_upgrade");
        }
    }
}

#[test]
fn a_session_may_begin_with_a_tunnel() {
    let pair = Pair::with(", sticky: cookie", "");
    let request = "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    let response = pair.client().request(request).unwrap();
    assert_eq!(response.status, 101);
    assert!(response.value("set-cookie").unwrap().starts_with("tidegate="));
}

#[test]
fn an_empty_line_behind_a_body_is_no_request() {
    let pair = Pair::with("", "timeouts: { head: 200ms, idle: 400ms }");
    let mut client = pair.client();
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n";
    for _ in 0..3 {
        assert_eq!(client.request(post).unwrap().status, 200);
    }
    assert_eq!(client.read_to_end(), (Vec::new(), End::Closed), "no answer to nothing");
}

#[test]
fn what_is_cut_when_it_stops_has_its_line() {
    let mut pair = Pair::with("", "drain: { limit: 100ms }");
    let mut tunnel = pair.client();
    let upgrade = "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    assert_eq!(tunnel.request(upgrade).unwrap().status, 101);
    let mut clients: Vec<_> = (0..100).map(|_| pair.client()).collect();
    for client in &mut clients {
        client.send("GET /slow/60000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    wait_for("the requests at the server", || pair.origin.in_flight() >= 100);
    pair.tidegate.stop();
    let lines = pair.tidegate.logs(101);
    assert!(lines.iter().all(|line| line["reason"] == "stopped"), "{lines:#?}");
}

/// Runs with few descriptors; each of many clients, one after the other, must be answered at once.
fn few_descriptors(descriptors: usize, yaml: &str, clients: impl Fn(&Tidegate) -> Vec<Client>) {
    let limit = format!("--nofile={descriptors}");
    let folder = tempfile::tempdir().unwrap();
    let tidegate = Tidegate::start_in(folder, yaml, &["prlimit", &limit]);
    for (number, mut client) in clients(&tidegate).into_iter().enumerate() {
        client.set_limit(Duration::from_secs(3)).unwrap();
        let answer = client.get("a", "/");
        assert!(answer.is_ok(), "client {number}: {}", answer.unwrap_err());
    }
}

#[test]
fn connections_that_are_kept_for_later_hold_nobody_up() {
    let origins: Vec<_> = (0..60).map(|number| Origin::start(&number.to_string()).unwrap()).collect();
    let servers: Vec<_> = origins.iter().map(|origin| origin.address).collect();
    few_descriptors(110, &simple(&servers, "", "workers: 1"), |tidegate| {
        let ask = |_| {
            let mut client = tidegate.client();
            client.get("a", "/").unwrap();
            client
        };
        (0..70).map(ask).skip(69).collect()
    });
}

#[test]
fn listeners_that_wait_hold_no_descriptors() {
    let origin = Origin::start("one").unwrap();
    let listeners: Vec<_> =
        (0..40).map(|number| format!("{{ name: l{number}, address: \"127.0.0.1:0\" }}")).collect();
    let yaml = format!(
        "listeners: [{}]\nworkers: 2\npools: {{ app: {{ servers: [\"{}\"] }} }}\nsites: {{ '*': {{ to: app }} }}\n",
        listeners.join(", "),
        origin.address
    );
    few_descriptors(200, &yaml, |tidegate| {
        tidegate.addresses.values().map(|address| Client::connect(*address).unwrap()).collect()
    });
}

#[test]
fn a_long_answer_head_is_not_bounded_by_what_requests_may_have() {
    let answer = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(5000));
    let peer = Peer::answering(answer).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", "bounds: { head: 2k }"));
    assert_eq!(tidegate.client().get("a", "/").unwrap().status, 200);
}

#[test]
fn many_chunks_with_extensions_pass() {
    let pair = Pair::start();
    let data = pattern(64);
    let chunk = [
        b"40;chunk-signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n",
        &data[..],
        b"\r\n",
    ]
    .concat();
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let request = [&head[..], &chunk.repeat(500), b"0\r\n\r\n"].concat();
    let response = pair.client().request(request).unwrap();
    assert!(response.status == 200 && response.body == data.repeat(500), "{}", response.status);
}
