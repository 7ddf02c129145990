//! Connections: how they are shared, and how they end when the program is asked to stop.

use super::bed::{Plan, Running};
use super::{Case, Except, Which};
use crate::support::wait_for;
use testkit::exchange::{Ending, Exchange, Request};
use testkit::message::pattern;

pub const CASES: &[Case] = &[
    Case::own("many requests use few connections to the server", Plan::ONE, reuse),
    Case::own("requests side by side use few connections to the server", Plan::ONE, multiplexed).except(&[
        Except {
            client: Which::Any,
            server: Which::H1,
            why: "a connection of HTTP/1 has one request at a time",
        },
    ]),
    Case::shared("requests side by side do not wait for one another", side_by_side).except(&[Except {
        client: Which::H1,
        server: Which::Any,
        why: "answers of HTTP/1 come in the order of the requests",
    }]),
    Case::own("a client that goes takes nobody's connection along", Plan::ONE, others_go_on),
    Case::own("a drain lets running requests finish", Plan::ONE, drain),
    Case::own("a drain tells connections that are idle", Plan::ONE, drain_idle),
    Case::own("a drain ends after its limit", LIMIT, drain_limit),
];

const LIMIT: Plan = Plan { more: "drain: { limit: 200ms }", ..Plan::ONE };

/// Workers of the program under test, each of which may have connections of its own.
const WORKERS: u64 = 2;

fn reuse(running: &mut Running) {
    let mut connection = running.connect();
    for round in 0..60 {
        let request = if round % 2 == 0 { Request::get("/size/10") } else { Request::post("/x", "abc") };
        assert_eq!(connection.ask(request).status(), 200);
    }
    for _ in 0..20 {
        assert_eq!(running.ask(Request::get("/")).status(), 200);
    }
    let connections = running.origin().connections();
    assert!(connections <= WORKERS, "{connections}");
}

fn multiplexed(running: &mut Running) {
    let mut connections: Vec<_> = (0..30).map(|_| running.connect()).collect();
    for round in 0..2 {
        let exchanges: Vec<_> =
            connections.iter_mut().map(|connection| connection.start(Request::get("/slow/50"))).collect();
        assert!(exchanges.into_iter().all(|exchange| exchange.answer().status() == 200), "round {round}");
    }
    let connections = running.origin().connections();
    assert!(connections <= 4 * WORKERS, "{connections} connections for 30 requests at a time");
}

/// A request that is at the server until it is finished.
fn open_echo() -> Request {
    Request::new("POST", "a.example", "/echo").unsized_body().open()
}

/// Finishes it and checks its answer.
#[track_caller]
fn finish(exchange: Exchange) {
    exchange.send("last words");
    exchange.finish();
    let answer = exchange.answer();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "last words"), "{:?}", answer.ending);
    assert!(answer.is_complete(), "{:?}", answer.ending);
}

fn side_by_side(running: &Running) {
    let mut connection = running.connect();
    let waiting = connection.start(open_echo());
    for number in 0..10 {
        let answer = connection.ask(Request::get(&format!("/n/{number}")));
        assert_eq!(answer.json()["target"], format!("/n/{number}"));
    }
    assert!(connection.ask(Request::get("/size/500000")).body == pattern(500_000));
    // Nor does one that nobody reads hold up the others.
    let mut unread = connection.start(Request::get("/size/500000"));
    assert_eq!(unread.head().map(|head| head.status), Some(200));
    let other = connection.ask(Request::post("/x", "abc"));
    assert_eq!(other.json()["body_length"], 3, "{other:?}");
    assert!(unread.answer().body == pattern(500_000));
    finish(waiting);
}

fn others_go_on(running: &mut Running) {
    let mut staying = running.connect();
    let waiting = staying.start(open_echo());
    running.wait_in_flight(1);
    for round in 0..4 {
        let mut leaving = running.connect();
        let exchange = leaving.start(Request::get("/slow/60000"));
        running.wait_in_flight(2);
        if round % 2 == 0 {
            exchange.reset(8);
        } else {
            leaving.abort();
        }
        running.wait_in_flight(1);
    }
    finish(waiting);
    assert_eq!(staying.ask(Request::get("/n")).json()["target"], "/n");
}

fn drain(running: &mut Running) {
    let mut idle = running.connect();
    assert_eq!(idle.ask(Request::get("/")).status(), 200);
    let mut connections = [running.connect(), running.connect()];
    let exchanges = connections.each_mut().map(|connection| connection.start(open_echo()));
    running.wait_in_flight(2);
    running.tidegate.signal("TERM");
    assert_ne!(idle.end(), Ending::Late, "it is draining");
    exchanges.into_iter().for_each(finish);
    let wanted = if running.is_h2_client() { Ending::GoAway(0) } else { Ending::Closed };
    for mut connection in connections {
        assert_eq!(connection.end(), wanted);
    }
    wait_for("no new connection to be taken", || !running.accepts());
    assert_eq!(running.tidegate.wait().code(), Some(0));
}

fn drain_idle(running: &mut Running) {
    let mut idle = running.connect();
    assert_eq!(idle.ask(Request::get("/")).status(), 200);
    running.tidegate.signal("TERM");
    let wanted = if running.is_h2_client() { Ending::GoAway(0) } else { Ending::Closed };
    assert_eq!(idle.end(), wanted);
    assert_eq!(running.tidegate.wait().code(), Some(0));
}

fn drain_limit(running: &mut Running) {
    let mut connection = running.connect();
    let exchange = connection.start(Request::get("/stall/10"));
    running.wait_in_flight(1);
    running.tidegate.signal("TERM");
    let answer = exchange.answer();
    assert!(answer.is_cut(), "{:?}", answer.ending);
    assert_eq!(running.tidegate.wait().code(), Some(0));
    assert_eq!(running.tidegate.logs(1)[0]["reason"], "stopped");
}
