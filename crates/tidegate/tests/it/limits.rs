//! Bounds and time-outs: each one, with its status and its reason.

use crate::support::{Pair, Tidegate, simple};
use std::time::{Duration, Instant};
use testkit::client::End;
use testkit::origin::Origin;
use testkit::peer::{Peer, Step};

/// Whether `run` takes about this long: never less, and not absurdly more on a busy machine.
#[track_caller]
fn takes<T>(time: Duration, run: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = run();
    let taken = started.elapsed();
    assert!(taken >= time - Duration::from_millis(20), "only {taken:?}");
    assert!(taken < time + Duration::from_secs(5), "{taken:?}");
    result
}

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_head_that_does_not_come_in_time_is_408() {
    let pair = Pair::with("", "timeouts: { head: 300ms }");
    let mut client = pair.client();
    client.send("GET / HTTP/1.1\r\nHo").unwrap();
    let response = takes(SHORT, || client.read("GET").unwrap());
    assert_eq!(response.status, 408);
    assert_ne!(client.read_to_end().1, End::StillOpen);
    pair.tidegate.log_with_reason("head_timeout");
}

#[test]
fn a_head_that_drips_does_not_live_longer() {
    let pair = Pair::with("", "timeouts: { head: 300ms }");
    let mut client = pair.client();
    let mut sender = client.sender().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            use std::io::Write;
            let _ = sender.write_all(b"GET / HTTP/1.1\r\nX: ");
            while sender.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        assert_eq!(takes(SHORT, || client.read("GET").unwrap()).status, 408);
        drop(client);
    });
}

#[test]
fn a_body_that_stands_still_is_408() {
    let pair = Pair::with("", "timeouts: { body: 300ms }");
    let mut client = pair.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").unwrap();
    assert_eq!(takes(SHORT, || client.read("POST").unwrap()).status, 408);
    pair.tidegate.log_with_reason("client_body_timeout");
}

#[test]
fn a_listeners_times_hold_for_its_requests() {
    let origin = Origin::start("one").unwrap();
    let yaml = simple(&[origin.address], "", "timeouts: { body: 60s }");
    let yaml = yaml.replace("\"127.0.0.1:0\" }", "\"127.0.0.1:0\", timeouts: { body: 300ms } }");
    let tidegate = Tidegate::start(&yaml);
    let mut client = tidegate.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").unwrap();
    assert_eq!(takes(SHORT, || client.read("POST").unwrap()).status, 408);
    tidegate.log_with_reason("client_body_timeout");
}

#[test]
fn a_body_that_moves_slowly_is_not_timed_out() {
    let pair = Pair::with("", "timeouts: { body: 400ms }");
    let mut client = pair.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n").unwrap();
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(80));
        client.send("x").unwrap();
    }
    assert_eq!(client.read("POST").unwrap().status, 200);
    assert_eq!(client.get("a", "/drip/10/80").unwrap().body.len(), 10);
}

#[test]
fn an_idle_connection_is_closed() {
    let pair = Pair::with("", "timeouts: { idle: 300ms }");
    let mut client = pair.client();
    assert_eq!(client.get("a", "/").unwrap().status, 200);
    assert_eq!(takes(SHORT, || client.read_to_end()), (Vec::new(), End::Closed));
}

#[test]
fn a_server_that_does_not_answer_is_504() {
    let peer = Peer::start(vec![vec![Step::ReadRequest, Step::ReadToEnd]]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", "timeouts: { first_byte: 300ms }"));
    let response = takes(SHORT, || tidegate.client().get("a", "/").unwrap());
    assert_eq!(response.status, 504);
    tidegate.log_with_reason("first_byte_timeout");
    assert!(peer.wait(|seen| seen[0].ended), "its connection is closed");
}

#[test]
fn a_server_that_stops_inside_its_answer_is_cut() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_vec();
    let peer = Peer::start(vec![vec![Step::ReadRequest, Step::Send(answer), Step::ReadToEnd]]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", "timeouts: { body: 300ms }"));
    let response = takes(SHORT, || tidegate.client().get("a", "/").unwrap());
    assert!(!response.complete);
    tidegate.log_with_reason("server_stalled");
}

#[test]
fn the_whole_may_be_limited() {
    let pair = Pair::with("", "timeouts: { total: 300ms }");
    let response = takes(SHORT, || pair.client().get("a", "/slow/60000").unwrap());
    assert_eq!(response.status, 504);
    pair.tidegate.log_with_reason("total_timeout");
    let response = takes(SHORT, || pair.client().get("a", "/drip/1000/50").unwrap());
    assert!(!response.complete);
}

#[test]
fn connecting_may_not_take_for_ever() {
    // A listener whose queue is full answers no more: connections to it hang.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _full: Vec<_> =
        (0..4).map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100))).collect();
    let tidegate = Tidegate::start(&simple(&[address], "", "timeouts: { connect: 300ms }"));
    assert_eq!(takes(SHORT, || tidegate.client().get("a", "/").unwrap()).status, 504);
    tidegate.log_with_reason("connect_timeout");
}

#[test]
fn heads_are_bounded() {
    let pair = Pair::with("", "bounds: { head: 2k, headers: 10 }");
    let long = "x".repeat(3000);
    let response = pair.client().request(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")).unwrap();
    assert_eq!(response.status, 431);
    pair.tidegate.log_with_reason("head_too_large");
    let response = pair.client().request(format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    assert_eq!(response.status, 414);
    pair.tidegate.log_with_reason("target_too_long");
    let many = "X: y\r\n".repeat(10);
    let response = pair.client().request(format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).unwrap();
    assert_eq!(response.status, 431);
    pair.tidegate.log_with_reason("too_many_fields");
    let fitting = "X: y\r\n".repeat(9);
    let response = pair.client().request(format!("GET / HTTP/1.1\r\nHost: a\r\n{fitting}\r\n")).unwrap();
    assert_eq!(response.status, 200);
}

#[test]
fn bodies_are_bounded() {
    let pair = Pair::with("", "bounds: { body: 1k }");
    let body = "x".repeat(1025);
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    let response = pair.client().request(format!("{head}Content-Length: 1025\r\n\r\n{body}")).unwrap();
    assert_eq!(response.status, 413);
    assert_eq!(pair.origin.requests(), 0);
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n401\r\n{body}\r\n0\r\n\r\n");
    assert_eq!(pair.client().request(chunked).unwrap().status, 413);
    pair.tidegate.log_with_reason("body_too_large");
    let fits = format!("{head}Content-Length: 1024\r\n\r\n{}", &body[1..]);
    assert_eq!(pair.client().request(fits).unwrap().status, 200);
}
