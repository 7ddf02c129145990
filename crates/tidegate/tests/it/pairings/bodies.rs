//! Bodies in both directions, with readers and writers that are slow on either side, and trailers.

use super::Case;
use super::bed::{Plan, Running};
use crate::support::wait_for;
use std::time::{Duration, Instant};
use testkit::exchange::{Event, Request};
use testkit::message::{fnv, pattern};

pub const CASES: &[Case] = &[
    Case::shared("megabytes pass in both directions at once", megabytes),
    Case::shared("what was sent arrives before there is more", streamed),
    Case::shared("a client that reads slowly gets it all", slow_reader),
    Case::shared("a server that reads slowly gets it all", slow_server),
    Case::shared("a client that sends slowly is heard", slow_writer),
    Case::shared("a server that sends slowly is heard", dripping_server),
    Case::own("a client that does not read makes the server wait", Plan::ONE, stuck_client),
    Case::own("a server that does not read makes the client wait", Plan::ONE, stuck_server),
    Case::shared("trailers pass in both directions", trailers),
    Case::shared("an answer may be only trailers", only_trailers),
];

fn megabytes(running: &Running) {
    let body = pattern(3_000_000);
    let mut connection = running.connect();
    for request in [
        Request::post("/echo", body.clone()),
        Request::new("POST", "a.example", "/echo").unsized_body().data(body.clone()),
    ] {
        let answer = connection.ask(request);
        assert!(answer.is_complete(), "{:?} after {}", answer.ending, answer.body.len());
        assert!(answer.body == body);
    }
}

fn streamed(running: &Running) {
    for request in [
        Request::new("POST", "a.example", "/echo").length(9).open(),
        Request::new("POST", "a.example", "/echo").unsized_body().open(),
    ] {
        let mut connection = running.connect();
        let mut exchange = connection.start(request);
        for word in ["one", "two", "six"] {
            exchange.send(word);
            assert_eq!(String::from_utf8(exchange.read(3)).unwrap(), word);
        }
        exchange.finish();
        assert!(exchange.answer().is_complete());
    }
}

fn slow_reader(running: &Running) {
    let size = 1_000_000;
    for path in [format!("/size/{size}"), format!("/chunked/10/{}", size / 10)] {
        let mut connection = running.connect();
        let mut exchange = connection.start(Request::get(&path));
        let mut body = Vec::new();
        let mut pauses = 0;
        loop {
            match exchange.event() {
                Event::Data(piece) => {
                    body.extend(piece);
                    if pauses < 20 {
                        std::thread::sleep(Duration::from_millis(2));
                        pauses += 1;
                    }
                }
                Event::End(ending) => {
                    assert!(body == pattern(size), "{path}: {ending:?} after {}", body.len());
                    break;
                }
                Event::Interim(_) | Event::Head(_) | Event::Trailers(_) => {}
            }
        }
    }
}

fn slow_server(running: &Running) {
    let body = pattern(500_000);
    for request in [
        Request::post("/sip/1", body.clone()),
        Request::new("POST", "a.example", "/sip/1").unsized_body().data(body.clone()),
    ] {
        let answer = running.ask(request);
        assert_eq!(answer.json()["body_fnv"], format!("{:016x}", fnv(&body)), "{:?}", answer.ending);
    }
}

fn slow_writer(running: &Running) {
    let mut request = Request::new("POST", "a.example", "/x").length(10);
    for digit in 0..10 {
        request = request.data(digit.to_string()).pause(Duration::from_millis(3));
    }
    let answer = running.ask(request);
    assert_eq!(answer.json()["body_fnv"], format!("{:016x}", fnv(b"0123456789")));
}

fn dripping_server(running: &Running) {
    let mut connection = running.connect();
    let mut exchange = connection.start(Request::get("/drip/20/3"));
    let begun = Instant::now();
    assert!(!exchange.read(1).is_empty());
    let first = begun.elapsed();
    let rest = exchange.answer();
    assert!(rest.is_complete() && rest.body.len() <= 19, "{:?}", rest.ending);
    assert!(first < begun.elapsed(), "the first byte does not wait for the last");
}

/// Waits until a count is not nothing and stands still: whoever is behind it waits.
#[track_caller]
fn stands_still(count: impl Fn() -> u64) -> u64 {
    let mut last = (0, Instant::now());
    wait_for("a sender that is made to wait", || {
        let now = count();
        if now != last.0 {
            last = (now, Instant::now());
        }
        now > 0 && last.1.elapsed() > Duration::from_millis(150)
    });
    last.0
}

fn stuck_client(running: &mut Running) {
    // More than the buffers of both kernels take, which grow for who is fast.
    let size = 150_000_000;
    let mut connection = running.connect();
    let exchange = connection.start(Request::get(&format!("/size/{size}")));
    let sent = stands_still(|| running.origin().sent());
    assert!(sent < size * 2 / 3, "{sent} bytes were taken, and nobody reads them");
    // Others are served meanwhile.
    assert_eq!(running.ask(Request::get("/")).status(), 200);
    drop(exchange);
}

fn stuck_server(running: &mut Running) {
    // More than the buffers of both kernels take, which grow for who is fast.
    let size = 150_000_000;
    let mut connection = running.connect();
    let exchange = connection.start(Request::post("/sip/60000", vec![b'x'; size as usize]));
    let sent = stands_still(|| connection.written());
    assert!(sent < size * 2 / 3, "{sent} bytes were taken, and nobody reads them");
    assert_eq!(running.ask(Request::get("/")).status(), 200);
    // Nobody finds out about a client that goes now: what it sent is not read.
    running.origins.remove(0).kill();
    drop(exchange);
}

fn trailers(running: &Running) {
    let mut connection = running.connect();
    for (count, size) in [(0, 0), (1, 1), (3, 50_000)] {
        let answer =
            connection.ask(Request::get(&format!("/chunked/{count}/{size}")).field("te", "trailers"));
        let sum = format!("{:016x}", fnv(&pattern(count * size)));
        assert_eq!(answer.trailer("x-checksum"), Some(sum.as_str()), "{count} of {size}");
        assert!(answer.is_complete());
    }
    let request = |path| {
        let trailers = [("x-sum", "7"), ("x-more", "8")];
        Request::new("POST", "a.example", path).data("abc").trailers(&trailers)
    };
    let answer = connection.ask(request("/x"));
    assert_eq!(
        (answer.seen_trailer("x-sum"), answer.seen_trailer("x-more")),
        (vec!["7".into()], vec!["8".into()])
    );
    let answer = connection.ask(request("/echo"));
    assert_eq!(
        (answer.text().as_str(), answer.trailer("x-sum"), answer.trailer("x-more")),
        ("abc", Some("7"), Some("8"))
    );
}

fn only_trailers(running: &Running) {
    let mut connection = running.connect();
    for _ in 0..2 {
        let request =
            Request::post("/grpc/5", "").field("content-type", "application/grpc").field("te", "trailers");
        let answer = connection.ask(request);
        assert_eq!((answer.status(), answer.value("grpc-status")), (200, Some("5")));
        assert_eq!(answer.value("content-type"), Some("application/grpc"));
        assert!(answer.is_complete() && answer.body.is_empty(), "{:?}", answer.ending);
    }
}
