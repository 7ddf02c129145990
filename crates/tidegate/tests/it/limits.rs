//! Bounds and time-outs: each one, with its status and its reason.

use crate::support::{Pair, Tidegate, simple, wait_for};
use std::io::Write;
use std::time::{Duration, Instant};
use testkit::client::{Client, End};
use testkit::origin::Origin;
use testkit::peer::{Gate, Peer, Step};

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
            let _ = sender.write_all(b"GET / HTTP/1.1\r\nX: ");
            while sender.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        assert_eq!(takes(SHORT, || client.read("GET").unwrap()).status, 408);
        client.finish_sending().unwrap();
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

/// A listener whose queue is full, which answers no more: connections to it hang. What keeps it so comes along.
fn unreachable() -> (std::net::SocketAddr, impl Sized) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let full: Vec<_> =
        (0..4).map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100))).collect();
    (address, (socket, full))
}

#[test]
fn connecting_may_not_take_for_ever() {
    let (address, _full) = unreachable();
    let tidegate = Tidegate::start(&simple(&[address], "", "timeouts: { connect: 300ms }"));
    assert_eq!(takes(SHORT, || tidegate.client().get("a", "/").unwrap()).status, 504);
    tidegate.log_with_reason("connect_timeout");
}

#[test]
fn the_whole_includes_connecting() {
    let (address, _full) = unreachable();
    let tidegate = Tidegate::start(&simple(&[address], "", "timeouts: { connect: 3s, total: 300ms }"));
    let asked = Instant::now();
    assert_eq!(takes(SHORT, || tidegate.client().get("a", "/").unwrap()).status, 504);
    assert!(asked.elapsed() < Duration::from_secs(2), "only after {:?}", asked.elapsed());
    tidegate.log_with_reason("total_timeout");
}

#[test]
fn a_client_that_stops_reading_is_cut() {
    let pair = Pair::with("", "timeouts: { body: 300ms }");
    let mut client = pair.client();
    client.send("GET /size/100000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let line = takes(SHORT, || pair.tidegate.log_with_reason("client_stalled"));
    assert_eq!(line["status"], 200, "that is what it was told before");
    wait_for("the server to be let go", || pair.origin.open() == 0);
    assert!(!client.read("GET").unwrap().complete);
}

#[test]
fn a_server_that_takes_no_body_is_504() {
    let gate = Gate::default();
    let peer = Peer::start(vec![vec![Step::ReadHead, Step::Await(gate.clone())]]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", "timeouts: { body: 300ms }"));
    let mut client = tidegate.client();
    let mut sender = client.sender().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = sender.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
            // Ends when the connection does.
            let _ = sender.write_all(&vec![b'x'; 50_000_000]);
        });
        assert_eq!(takes(SHORT, || client.read("POST").unwrap()).status, 504);
        client.reset();
    });
    tidegate.log_with_reason("server_stalled");
    gate.open();
}

#[test]
fn connections_to_servers_are_closed_when_they_have_been_idle() {
    let pair = Pair::with(", timeouts: { idle: 300ms }", "");
    let mut client = pair.client();
    takes(SHORT, || {
        assert_eq!(client.get("a", "/").unwrap().status, 200);
        assert_eq!(pair.origin.open(), 1, "it is kept");
        wait_for("its end", || pair.origin.open() == 0);
    });
    assert_eq!(client.get("a", "/").unwrap().status, 200, "the client's own connection goes on");
    assert_eq!(pair.origin.connections(), 2);
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

#[test]
fn a_site_has_its_own_bound_of_bodies_and_a_listener_of_heads() {
    let origin = Origin::start("one").unwrap();
    let tidegate = Tidegate::start(&format!(
        "listeners:\n  - {{ name: web, address: \"127.0.0.1:0\" }}\n  \
         - {{ name: narrow, address: \"127.0.0.1:0\", bounds: {{ head: 1k, headers: 5 }}, timeouts: {{ head: 300ms }} }}\n\
         bounds: {{ body: 1k, head: 8k }}\npools: {{ app: {{ servers: [\"{}\"] }} }}\n\
         sites:\n  small: {{ to: app }}\n  large: {{ to: app, bounds: {{ body: 1m }} }}\n  tiny: {{ to: app, bounds: {{ body: 10b }} }}\n",
        origin.address
    ));
    for (host, size, status) in [
        ("small", 1024, 200),
        ("small", 1025, 413),
        ("large", 1 << 20, 200),
        ("large", (1 << 20) + 1, 413),
        ("tiny", 10, 200),
        ("tiny", 11, 413),
    ] {
        let body = "x".repeat(size);
        let head = format!("POST / HTTP/1.1\r\nHost: {host}\r\n");
        let sized = format!("{head}Content-Length: {size}\r\n\r\n{body}");
        assert_eq!(tidegate.client().request(sized).unwrap().status, status, "{size} bytes for {host}");
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n");
        assert_eq!(tidegate.client().request(chunked).unwrap().status, status, "{size} in chunks for {host}");
    }
    let narrow = || Client::connect(tidegate.addresses["narrow"]).unwrap();
    for (fields, wide_status, narrow_status) in [
        (format!("X: {}\r\n", "x".repeat(900)), 200, 200),
        (format!("X: {}\r\n", "x".repeat(1100)), 200, 431),
        (format!("X: {}\r\n", "x".repeat(9000)), 431, 431),
        ("X: y\r\n".repeat(4), 200, 200),
        ("X: y\r\n".repeat(5), 200, 431),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: small\r\n{fields}\r\n");
        assert_eq!(
            tidegate.client().request(&request).unwrap().status,
            wide_status,
            "{} bytes",
            fields.len()
        );
        assert_eq!(narrow().request(&request).unwrap().status, narrow_status, "{} bytes", fields.len());
    }
    let mut slow = narrow();
    slow.send("GET / HTTP/1.1\r\nHo").unwrap();
    assert_eq!(takes(SHORT, || slow.read("GET").unwrap()).status, 408);
}
