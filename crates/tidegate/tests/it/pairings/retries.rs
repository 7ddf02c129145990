//! Requests that are sent again, and those that never are.

use super::bed::{Plan, Running};
use super::{Case, Except, Which};
use std::collections::HashSet;
use testkit::exchange::Request;

pub const CASES: &[Case] = &[
    Case::own("a failed connect goes to another server", ONE_LIVES, failed_connect),
    Case::own("a kept connection that was closed meanwhile is replaced", Plan::ONE, restarted),
    Case::own("a server that leaves a connection costs no request", Plan::ONE, left),
    Case::own("an idempotent request is sent to another server", TWO, idempotent),
    Case::own("a request that may have had an effect is not sent twice", TWO, not_idempotent),
    Case::own("a request that was refused unprocessed is sent again", Plan::ONE, refused).except(SAYS_SO),
    Case::own("a request that a leaving server did not see is sent again", Plan::ONE, unseen).except(SAYS_SO),
    Case::own("a body of which more was sent than is at hand is not sent again", Plan::ONE, large)
        .except(SAYS_SO),
];

const ONE_LIVES: Plan = Plan { servers: &["nowhere", "alive"], ..Plan::ONE };
const TWO: Plan = Plan { servers: &["good", "bad"], ..Plan::ONE };

const SAYS_SO: &[Except] = &[Except {
    client: Which::Any,
    server: Which::H1,
    why: "a server of HTTP/1 has no way to say that it did not process a request",
}];

fn failed_connect(running: &mut Running) {
    let mut connection = running.connect();
    for round in 0..6 {
        let answer = connection.ask(Request::post("/x", "abc"));
        assert_eq!((answer.status(), answer.server()), (200, "alive"), "round {round}");
        assert_eq!(answer.json()["body_length"], 3);
    }
    assert!(
        running.tidegate.logs(6).iter().any(|line| line["retries"] == 1),
        "{:#?}",
        running.tidegate.log()
    );
}

fn restarted(running: &mut Running) {
    let mut connection = running.connect();
    for round in 0..3 {
        for request in [Request::get("/"), Request::post("/x", "abc")] {
            let answer = connection.ask(request);
            assert_eq!(
                (answer.status(), answer.server()),
                (200, "one"),
                "round {round}: {:?}",
                answer.ending
            );
        }
        running.restart_origin();
    }
}

fn left(running: &mut Running) {
    let mut connection = running.connect();
    for round in 0..5 {
        for request in [Request::get("/leave"), Request::post("/leave", "abc"), Request::post("/x", "abc")] {
            let answer = connection.ask(request);
            assert_eq!(answer.status(), 200, "round {round}: {:?}", answer.ending);
        }
    }
    assert_eq!(running.requests(), 15);
}

fn idempotent(running: &mut Running) {
    let mut connection = running.connect();
    for _ in 0..6 {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = connection.ask(Request::new(method, "a.example", "/reset-at/bad"));
            assert_eq!((answer.status(), answer.server()), (200, "good"), "{method}");
        }
    }
    assert!(running.origins[1].requests() > 0, "the bad one was tried");
}

fn not_idempotent(running: &mut Running) {
    let mut connection = running.connect();
    let mut statuses = HashSet::new();
    for _ in 0..8 {
        statuses.insert(connection.ask(Request::post("/reset-at/bad", "x")).status());
    }
    assert_eq!(statuses, HashSet::from([200, 502]));
    assert_eq!(running.requests(), 8, "each was sent once");
}

fn refused(running: &mut Running) {
    answered_at_last(running, "refuse-once");
}

fn unseen(running: &mut Running) {
    answered_at_last(running, "unseen-once");
}

fn answered_at_last(running: &mut Running, endpoint: &str) {
    let mut connection = running.connect();
    for (number, request) in again(endpoint).into_iter().enumerate() {
        let answer = connection.ask(request);
        assert_eq!(
            (answer.status(), answer.is_complete()),
            (200, true),
            "request {number}: {:?}",
            answer.ending
        );
    }
    assert_eq!(running.requests(), 6, "each was sent twice");
}

/// Requests that are refused once.
fn again(endpoint: &str) -> [Request; 3] {
    [
        Request::get(&format!("/{endpoint}/1")),
        Request::post(&format!("/{endpoint}/2"), "abc"),
        Request::new("POST", "a.example", &format!("/{endpoint}/3")).unsized_body().data("abc"),
    ]
}

fn large(running: &mut Running) {
    let answer = running.ask(Request::post("/refuse-once/1", vec![b'x'; 5_000_000]));
    assert_eq!(answer.status(), 502, "{:?}", answer.ending);
    assert_eq!(running.requests(), 1);
}
