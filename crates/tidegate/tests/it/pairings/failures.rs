//! Either side that goes away in the middle: the other one is told, and what is cut never looks whole.

use super::Case;
use super::bed::{Plan, Running};
use crate::support::wait_for;
use testkit::exchange::{Ending, Request};
use testkit::message::pattern;

pub const CASES: &[Case] = &[
    Case::own("a client that resets ends its request at the server", Plan::ONE, client_resets),
    Case::own("a client whose connection breaks ends its requests at the server", Plan::ONE, client_breaks),
    Case::own("an upload that is not finished ends with its client", Plan::ONE, unfinished_upload),
    Case::own("a server that resets before its answer is 502", Plan::ONE, reset_before_the_answer),
    Case::shared("an answer that is cut never looks whole", cut_inside_the_answer),
    Case::own("a server that is killed inside its answers cuts them", Plan::ONE, killed),
    Case::own("a server that cannot be reached is 502", NOWHERE, unreachable),
    Case::own("a failing server's answer passes as it is", Plan::ONE, failing),
];

const NOWHERE: Plan = Plan { servers: &["nowhere"], ..Plan::ONE };

/// `CANCEL` of RFC 9113.
const CANCEL: u32 = 8;

fn client_resets(running: &mut Running) {
    for path in ["/slow/60000", "/stall/10", "/drip/10000/5", "/size/100000000"] {
        let mut connection = running.connect();
        let exchange = connection.start(Request::get(path));
        running.wait_in_flight(1);
        exchange.reset(CANCEL);
        wait_for(&format!("the end of {path} at the server"), || running.origin().in_flight() == 0);
    }
    assert_eq!(running.ask(Request::get("/n")).json()["target"], "/n");
}

fn client_breaks(running: &mut Running) {
    let mut connection = running.connect();
    let exchanges: Vec<_> = (0..3).map(|_| connection.start(Request::get("/slow/60000"))).collect();
    // Requests of one connection of HTTP/1 wait for one another.
    running.wait_in_flight(if running.is_h2_client() { 3 } else { 1 });
    connection.abort();
    running.wait_in_flight(0);
    drop(exchanges);
    assert_eq!(running.ask(Request::get("/")).status(), 200);
}

fn unfinished_upload(running: &mut Running) {
    for path in ["/x", "/echo", "/sip/1"] {
        for request in [
            Request::new("POST", "a.example", path).length(100).data("half").open(),
            Request::new("POST", "a.example", path).unsized_body().data("half").open(),
        ] {
            let mut connection = running.connect();
            let exchange = connection.start(request);
            running.wait_in_flight(1);
            exchange.reset(CANCEL);
            wait_for(&format!("the end of {path} at the server"), || running.origin().in_flight() == 0);
        }
    }
}

fn reset_before_the_answer(running: &mut Running) {
    let mut connection = running.connect();
    for _ in 0..2 {
        let answer = connection.ask(Request::post("/reset", "x"));
        assert_eq!((answer.status(), answer.is_complete()), (502, true), "{:?}", answer.ending);
    }
    assert_eq!(connection.ask(Request::get("/")).status(), 200, "the client's connection goes on");
}

fn cut_inside_the_answer(running: &Running) {
    for path in
        ["/cut/0", "/cut/5000", "/cut/500000", "/cut-chunked/5000", "/cut-close/5000", "/cut-close/500000"]
    {
        let size: usize = path.rsplit('/').next().unwrap().parse().unwrap();
        let mut connection = running.connect();
        let answer = connection.ask(Request::get(path));
        // Where the cut came with the head there may be no answer at all; a whole one there never is.
        if answer.status() == 502 {
            continue;
        }
        assert!(answer.is_cut(), "{path}: {:?} after {}", answer.ending, answer.body.len());
        assert!(pattern(size).starts_with(&answer.body), "{path}");
        if running.is_h2_client() {
            assert!(matches!(answer.ending, Ending::Reset(_)), "{path}: {:?}", answer.ending);
            assert_eq!(connection.ask(Request::get("/")).status(), 200, "{path}: other streams go on");
        }
    }
}

fn killed(running: &mut Running) {
    let mut connections: Vec<_> = (0..3).map(|_| running.connect()).collect();
    let mut exchanges: Vec<_> =
        connections.iter_mut().map(|connection| connection.start(Request::get("/stall/100"))).collect();
    for exchange in &mut exchanges {
        assert_eq!(exchange.head().map(|head| head.status), Some(200));
        assert_eq!(exchange.read(100), pattern(100));
    }
    running.origins.remove(0).kill();
    for exchange in exchanges {
        let answer = exchange.answer();
        assert!(answer.is_cut(), "{:?}", answer.ending);
    }
}

fn unreachable(running: &mut Running) {
    let mut connection = running.connect();
    for request in [Request::get("/"), Request::post("/", "x")] {
        let answer = connection.ask(request);
        assert_eq!((answer.status(), answer.is_complete()), (502, true), "{:?}", answer.ending);
    }
    running.tidegate.log_with_reason("connection_refused");
}

fn failing(running: &mut Running) {
    running.origin().fail(true);
    let answer = running.ask(Request::post("/x", "abc"));
    assert_eq!((answer.status(), answer.text().as_str()), (500, "failing on purpose\n"));
    assert_eq!(running.requests(), 1, "it is not for us to ask again");
}
