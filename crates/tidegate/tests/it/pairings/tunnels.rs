//! WebSockets: an `Upgrade` of HTTP/1, an extended CONNECT of HTTP/2 (RFC 8441), and each turned into the other.

use super::Case;
use super::bed::{Plan, Running};
use std::time::Duration;
use testkit::exchange::{Connection, Ending, Event, Exchange, Request};
use testkit::message::pattern;
use testkit::websocket;

pub const CASES: &[Case] = &[
    Case::shared("a websocket is opened, echoes and is closed", echo),
    Case::shared("a websocket's protocol is chosen by the server", protocol),
    Case::shared("a server may decline a websocket", declined),
    Case::own("a client that resets ends its websocket", Plan::ONE, client_resets),
    Case::own("a server that is killed ends its websockets", Plan::ONE, server_killed),
    Case::own("an idle websocket ends", IDLE, idle),
    Case::own("a websocket goes on during a drain", Plan::ONE, drain),
    Case::own("a websocket may begin a session", STICKY, session),
];

const IDLE: Plan = Plan { more: "timeouts: { idle: 400ms }", ..Plan::ONE };
const STICKY: Plan = Plan { pool: ", sticky: cookie", ..Plan::THREE };

/// Opens one.
#[track_caller]
fn open(running: &Running, connection: &mut Connection) -> Exchange {
    let mut exchange = connection.start(Request::websocket("/upgrade"));
    let head = exchange.head().expect("an answer");
    if running.is_h2_client() {
        assert_eq!(head.status, 200);
        // RFC 8441 section 5: what these say is said otherwise.
        for name in ["connection", "upgrade", "sec-websocket-accept"] {
            assert_eq!(head.value(name), None, "{name}");
        }
    } else {
        assert_eq!(head.status, 101);
        assert!(head.value("upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")));
        let accept = websocket::accept(websocket::KEY);
        assert_eq!(head.values("sec-websocket-accept"), [accept.as_str()]);
    }
    exchange
}

#[track_caller]
fn echoes(exchange: &mut Exchange, bytes: &[u8]) {
    exchange.send(bytes);
    assert!(exchange.read(bytes.len()) == bytes, "{} bytes", bytes.len());
}

fn echo(running: &Running) {
    let mut connection = running.connect();
    let mut exchange = open(running, &mut connection);
    for size in [1, 100, 200_000] {
        echoes(&mut exchange, &pattern(size));
    }
    exchange.send("last words");
    exchange.finish();
    assert_eq!(exchange.read(10), b"last words");
    assert_eq!(exchange.event(), Event::End(Ending::Complete));
}

fn protocol(running: &Running) {
    let mut connection = running.connect();
    let request = Request::websocket("/upgrade").field("sec-websocket-protocol", "chat, superchat");
    let mut exchange = connection.start(request);
    assert_eq!(exchange.head().unwrap().values("sec-websocket-protocol"), ["chat"]);
    exchange.finish();
}

fn declined(running: &Running) {
    let mut connection = running.connect();
    let mut exchange = connection.start(Request::websocket("/status/403"));
    assert_eq!(exchange.head().unwrap().status, 403);
    assert_eq!(exchange.read(11), b"status 403\n");
    assert_eq!(exchange.event(), Event::End(Ending::Complete));
    drop(exchange);
    assert_eq!(running.ask(Request::get("/")).status(), 200);
}

fn client_resets(running: &mut Running) {
    let mut connection = running.connect();
    let mut exchange = open(running, &mut connection);
    echoes(&mut exchange, b"x");
    running.wait_in_flight(1);
    exchange.reset(8);
    running.wait_in_flight(0);
}

fn server_killed(running: &mut Running) {
    let mut connection = running.connect();
    let mut exchange = open(running, &mut connection);
    echoes(&mut exchange, b"x");
    running.origins.remove(0).kill();
    match exchange.event() {
        Event::End(ending) => assert!(![Ending::Complete, Ending::Late].contains(&ending), "{ending:?}"),
        other => panic!("{other:?}"),
    }
}

fn idle(running: &mut Running) {
    let mut connection = running.connect();
    let mut exchange = open(running, &mut connection);
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(60));
        echoes(&mut exchange, b"traffic keeps it open");
    }
    match exchange.event() {
        Event::End(ending) => assert_ne!(ending, Ending::Late),
        other => panic!("{other:?}"),
    }
    running.wait_in_flight(0);
}

fn drain(running: &mut Running) {
    let mut idle = running.connect();
    assert_eq!(idle.ask(Request::get("/")).status(), 200);
    let mut connection = running.connect();
    let mut exchange = open(running, &mut connection);
    running.tidegate.signal("TERM");
    assert_ne!(idle.end(), Ending::Late, "it is draining");
    for _ in 0..3 {
        echoes(&mut exchange, b"ping");
    }
    exchange.finish();
    assert_eq!(exchange.event(), Event::End(Ending::Complete));
    assert_eq!(running.tidegate.wait().code(), Some(0));
}

fn session(running: &mut Running) {
    let mut connection = running.connect();
    let mut exchange = connection.start(Request::websocket("/upgrade"));
    let head = exchange.head().unwrap();
    assert!(head.opens_tunnel());
    assert!(head.value("set-cookie").is_some_and(|cookie| cookie.starts_with("tidegate=")), "{head:?}");
    let cookie = head.value("set-cookie").unwrap().split(';').next().unwrap();
    let answer = running.ask(Request::get("/").field("cookie", cookie));
    assert_eq!(Some(answer.server()), head.value("x-server"));
}
