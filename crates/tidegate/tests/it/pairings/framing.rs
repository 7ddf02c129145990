//! Where messages end: lengths, bodies without one, and messages without a body.

use super::bed::{Plan, Running};
use super::{Case, Except, Which};
use crate::support::wait_for;
use testkit::exchange::{Ending, Request};
use testkit::message::{fnv, pattern};

pub const CASES: &[Case] = &[
    Case::shared("answers of a known length keep it", known_answers),
    Case::shared("answers of an unknown length come whole", unknown_answers),
    Case::shared("requests of a known length keep it", known_requests),
    Case::shared("requests of an unknown length come whole", unknown_requests),
    Case::shared("requests without a body have none", no_request_body),
    Case::shared("answers without a body have none, and the connection goes on", no_answer_body),
    Case::shared("an answer that is shorter than it says is cut", short_answers),
    Case::own("a request that is shorter than it says is no request", Plan::ONE, short_requests),
    Case::shared("a body that is longer than it says is refused", long_requests).except(&[Except {
        client: Which::H1,
        server: Which::Any,
        why: "HTTP/1 takes what is behind the length for the next request",
    }]),
];

const SIZES: [usize; 6] = [0, 1, 1023, 16_384, 65_536, 300_000];

fn known_answers(running: &Running) {
    let mut connection = running.connect();
    for size in SIZES {
        let answer = connection.ask(Request::get(&format!("/size/{size}")));
        assert!(answer.is_complete() && answer.body == pattern(size), "{size}: {:?}", answer.ending);
        assert_eq!(answer.values("content-length"), [size.to_string()], "{size}");
    }
}

fn unknown_answers(running: &Running) {
    let mut connection = running.connect();
    for size in SIZES {
        for path in [format!("/chunked/3/{size}"), format!("/close/{size}")] {
            let answer = connection.ask(Request::get(&path));
            let size = if path.starts_with("/chunked") { 3 * size } else { size };
            assert!(answer.is_complete() && answer.body == pattern(size), "{path}: {:?}", answer.ending);
            // The end is known where the framing of the client's protocol says so: it is never guessed.
            assert_eq!(answer.value("content-length"), None, "{path}");
        }
    }
}

fn known_requests(running: &Running) {
    let mut connection = running.connect();
    for size in SIZES {
        let body = pattern(size);
        let answer = connection.ask(Request::post("/x", body.clone()));
        assert_eq!(answer.seen("content-length"), [size.to_string()], "{size}");
        assert!(answer.seen("transfer-encoding").is_empty(), "{size}");
        assert_eq!(answer.json()["body_fnv"], format!("{:016x}", fnv(&body)), "{size}");
    }
}

fn unknown_requests(running: &Running) {
    let mut connection = running.connect();
    for size in SIZES {
        let body = pattern(size);
        let (first, second) = body.split_at(size / 3);
        let request = Request::new("POST", "a.example", "/x").unsized_body().data(first).data(second);
        let answer = connection.ask(request);
        assert!(answer.seen("content-length").is_empty(), "{size}");
        assert_eq!(answer.json()["body_length"], size);
        assert_eq!(answer.json()["body_fnv"], format!("{:016x}", fnv(&body)), "{size}");
    }
}

fn no_request_body(running: &Running) {
    let mut connection = running.connect();
    for method in ["GET", "DELETE", "OPTIONS", "POST"] {
        let answer = connection.ask(Request::new(method, "a.example", "/x"));
        assert_eq!((answer.status(), &answer.json()["method"]), (200, &method.into()));
        assert_eq!(answer.json()["body_length"], 0, "{method}");
        assert!(answer.seen("transfer-encoding").is_empty(), "{method}");
    }
}

fn no_answer_body(running: &Running) {
    let mut connection = running.connect();
    for (method, path, status, length) in [
        ("HEAD", "/size/1000", 200, Some("1000")),
        ("HEAD", "/chunked/2/5", 200, None),
        ("GET", "/status/204", 204, None),
        ("GET", "/status/304", 304, None),
        ("HEAD", "/status/404", 404, Some("11")),
    ] {
        let answer = connection.ask(Request::new(method, "a.example", path));
        assert_eq!((answer.status(), answer.is_complete()), (status, true), "{path}: {:?}", answer.ending);
        assert_eq!((answer.body.len(), answer.value("content-length")), (0, length), "{path}");
        assert_eq!(connection.ask(Request::get("/size/3")).body, pattern(3), "what follows {path}");
    }
}

fn short_answers(running: &Running) {
    for path in ["/short/0", "/short/5000", "/short/500000"] {
        let answer = running.ask(Request::get(path));
        assert!(answer.status() == 502 || answer.is_cut(), "{path}: {:?}", answer.ending);
    }
}

fn short_requests(running: &mut Running) {
    let answer = running.ask(Request::new("POST", "a.example", "/x").length(10).data("abc"));
    assert!(answer.status() == 400 || answer.is_cut(), "{} {:?}", answer.status(), answer.ending);
    assert_ne!(answer.status(), 200);
    wait_for("the end of it at the server", || running.origin().in_flight() == 0);
    assert_eq!(running.ask(Request::get("/")).status(), 200);
}

fn long_requests(running: &Running) {
    let answer = running.ask(Request::new("POST", "a.example", "/x").length(2).data("abc"));
    assert!(answer.status() == 400 || matches!(answer.ending, Ending::Reset(_)), "{:?}", answer.ending);
}
