//! What comes before the answer, and answers that come before the request has ended.

use super::Case;
use super::bed::{Plan, Running};
use testkit::exchange::{Event, Request};
use testkit::message::pattern;

pub const CASES: &[Case] = &[
    Case::shared("a continue comes from the server itself", continues),
    Case::shared("a server may refuse before the body", refused_before_the_body),
    Case::shared("early hints pass", hints),
    Case::own("an answer may come while the body is still sent", Plan::ONE, early),
    Case::shared("an answer may come from a server that wants no body", early_stop),
    Case::shared("an answer that comes early survives a large body", early_to_a_large_body),
];

fn expecting(path: &str) -> Request {
    Request::new("POST", "a.example", path).length(5).field("expect", "100-continue").open()
}

fn continues(running: &Running) {
    let mut connection = running.connect();
    for _ in 0..2 {
        let mut exchange = connection.start(expecting("/x"));
        match exchange.event() {
            Event::Interim(head) => assert_eq!(head.status, 100),
            other => panic!("{other:?}"),
        }
        exchange.send("hello");
        exchange.finish();
        assert_eq!(exchange.answer().json()["body_length"], 5);
    }
}

fn refused_before_the_body(running: &Running) {
    let answer = running.ask(expecting("/status/413"));
    assert_eq!((answer.status(), answer.interim.len()), (413, 0), "no 100 comes before it");
    assert_eq!((answer.text().as_str(), answer.is_complete()), ("status 413\n", true));
}

fn hints(running: &Running) {
    let mut connection = running.connect();
    for _ in 0..2 {
        let answer = connection.ask(Request::get("/hints"));
        assert_eq!((answer.interim.len(), answer.status()), (1, 200));
        let hints = &answer.interim[0];
        assert_eq!((hints.status, hints.value("link")), (103, Some("</style.css>; rel=preload")));
    }
}

fn early(running: &mut Running) {
    let mut connection = running.connect();
    let mut exchange =
        connection.start(Request::new("POST", "a.example", "/early").length(6).data("abc").open());
    assert_eq!(exchange.head().map(|head| head.status), Some(200));
    assert_eq!(exchange.read(6), b"early\n");
    exchange.send("def");
    exchange.finish();
    assert!(exchange.answer().is_complete());
    // Whether the rest was passed on or the request given up: nothing is left of it.
    running.wait_in_flight(0);
    assert_eq!(running.ask(Request::get("/")).status(), 200);
}

fn early_stop(running: &Running) {
    let request = Request::new("POST", "a.example", "/early-stop").length(6).data("abc").open();
    let answer = running.ask(request);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "early\n"));
    assert!(answer.is_complete(), "{:?}", answer.ending);
}

fn early_to_a_large_body(running: &Running) {
    for path in ["/early", "/early-stop"] {
        let answer = running.ask(Request::post(path, pattern(5_000_000)));
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (200, "early\n"),
            "{path}: {:?}",
            answer.ending
        );
        assert!(answer.is_complete(), "{path}: {:?}", answer.ending);
    }
}
