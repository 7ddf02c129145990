//! Sides that are silent for too long.

use super::Case;
use super::bed::{Plan, Running};
use std::time::{Duration, Instant};
use testkit::exchange::{Answer, Connection, Request};

pub const CASES: &[Case] = &[
    Case::own("a server that does not answer in time is 504", FIRST_BYTE, first_byte),
    Case::own("a server that stops inside its answer is cut", BODY, stalled_server),
    Case::own("a client that stops inside its request is 408", BODY, stalled_client),
    Case::own("what moves slowly is not late", MOVING, moving),
    Case::own("the time for all bounds an answer that does not come", TOTAL, total_before),
    Case::own("the time for all bounds an answer that does not end", TOTAL, total_inside),
    Case::own("a connection that is not used is closed", IDLE, idle),
];

// Short, and yet long enough for what has to happen before on a machine that is busy.
const FIRST_BYTE: Plan = Plan { more: "timeouts: { first_byte: 300ms }", ..Plan::ONE };
const BODY: Plan = Plan { more: "timeouts: { body: 300ms }", ..Plan::ONE };
const MOVING: Plan = Plan { more: "timeouts: { body: 500ms }", ..Plan::ONE };
const TOTAL: Plan = Plan { more: "timeouts: { total: 300ms }", ..Plan::ONE };
const IDLE: Plan = Plan { more: "timeouts: { idle: 300ms }", ..Plan::ONE };

const TIME: Duration = Duration::from_millis(300);

/// Asks, and checks that it took about the time that is set. A worker that the many programs here keep from the
/// processor counts from the tick that it saw last: how exact the times are is tested where less is going on.
#[track_caller]
fn ask(connection: &mut Connection, request: Request) -> Answer {
    let begun = Instant::now();
    let answer = connection.ask(request);
    let taken = begun.elapsed();
    assert!(taken >= TIME / 2 && taken < TIME + Duration::from_secs(5), "{taken:?}");
    answer
}

fn first_byte(running: &mut Running) {
    let mut connection = running.connect();
    for request in [Request::get("/slow/60000"), Request::post("/slow/60000", "x")] {
        let answer = ask(&mut connection, request);
        assert_eq!((answer.status(), answer.is_complete()), (504, true), "{:?}", answer.ending);
        running.wait_in_flight(0);
    }
    running.tidegate.log_with_reason("first_byte_timeout");
    assert_eq!(connection.ask(Request::get("/")).status(), 200, "the client's connection goes on");
}

fn stalled_server(running: &mut Running) {
    let answer = ask(&mut running.connect(), Request::get("/stall/10"));
    assert_eq!((answer.status(), answer.body.len(), answer.is_cut()), (200, 10, true), "{:?}", answer.ending);
    running.wait_in_flight(0);
    running.tidegate.log_with_reason("server_stalled");
}

fn stalled_client(running: &mut Running) {
    let request = Request::new("POST", "a.example", "/x").length(10).data("abc").open();
    let answer = ask(&mut running.connect(), request);
    assert_eq!(answer.status(), 408, "{:?}", answer.ending);
    running.wait_in_flight(0);
    running.tidegate.log_with_reason("client_body_timeout");
}

fn moving(running: &mut Running) {
    let mut request = Request::new("POST", "a.example", "/x").length(12);
    for _ in 0..12 {
        request = request.pause(Duration::from_millis(50)).data("x");
    }
    let (mut sending, mut reading) = (running.connect(), running.connect());
    let (sent, read) = (sending.start(request), reading.start(Request::get("/drip/12/50")));
    assert_eq!(sent.answer().json()["body_length"], 12);
    let answer = read.answer();
    assert!(answer.is_complete() && answer.body.len() == 12, "{:?}", answer.ending);
}

fn total_before(running: &mut Running) {
    let answer = ask(&mut running.connect(), Request::get("/slow/60000"));
    assert_eq!((answer.status(), answer.is_complete()), (504, true), "{:?}", answer.ending);
    running.wait_in_flight(0);
}

fn total_inside(running: &mut Running) {
    let ask = || ask(&mut running.connect(), Request::get("/drip/10000/5"));
    // On a busy machine the time may be over before the answer begins, the first one's above all.
    let answer = (0..5).map(|_| ask()).find(|answer| answer.status() == 200).expect("an answer that begins");
    assert!(answer.is_cut(), "{:?}", answer.ending);
    running.wait_in_flight(0);
}

fn idle(running: &mut Running) {
    let mut connection = running.connect();
    assert_eq!(connection.ask(Request::get("/")).status(), 200);
    let begun = Instant::now();
    let ending = connection.end();
    let wanted = if running.is_h2_client() {
        testkit::exchange::Ending::GoAway(0)
    } else {
        testkit::exchange::Ending::Closed
    };
    assert_eq!(ending, wanted);
    assert!(begun.elapsed() >= TIME / 2, "{:?}", begun.elapsed());
}
