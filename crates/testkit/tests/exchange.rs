//! The client of every protocol against the origin of every protocol, with nothing between them.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};
use testkit::exchange::frames::{Frame, Outcome};
use testkit::exchange::{Answer, Connection, Ending, Event, Request, To, Transport};
use testkit::message::{fnv, pattern};
use testkit::origin::Origin;
use testkit::websocket;

const ALL: [Transport; 4] = [Transport::H1, Transport::H1Tls, Transport::H2c, Transport::H2];

/// An origin and the way to it.
struct Pair {
    origin: Origin,
    to: To,
}

impl Pair {
    fn start(transport: Transport) -> Pair {
        if !transport.is_tls() {
            let origin = Origin::start("one").unwrap();
            let to = To::plain(origin.address, transport);
            return Pair { origin, to };
        }
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let origin = Origin::start_tls("one", &cert, &key).unwrap();
        let to = To::secure(origin.address, transport, &cert, "a.example");
        Pair { origin, to }
    }

    fn connect(&self) -> Connection {
        self.to.connect().unwrap()
    }

    fn ask(&self, request: Request) -> Answer {
        self.connect().ask(request)
    }
}

/// Does this with every protocol.
fn each(check: impl Fn(&Pair, Transport)) {
    for transport in ALL {
        println!("{transport:?}");
        check(&Pair::start(transport), transport);
    }
}

#[track_caller]
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_request_is_reported_as_it_came() {
    each(|pair, transport| {
        let request = Request::post("/x?y=1", "abc").field("x-odd", "1").field("x-odd", "2");
        let answer = pair.ask(request);
        assert_eq!((answer.status(), answer.server(), &answer.ending), (200, "one", &Ending::Complete));
        let json = answer.json();
        let protocol = if transport.is_h2() { "HTTP/2" } else { "HTTP/1.1" };
        assert_eq!(json["protocol"], protocol);
        assert_eq!((&json["method"], &json["target"]), (&"POST".into(), &"/x?y=1".into()));
        assert_eq!(json["authority"], "a.example");
        let scheme = if transport.is_tls() { "https" } else { "http" };
        assert_eq!(json["scheme"], if transport.is_h2() { scheme.into() } else { serde_json::Value::Null });
        assert_eq!(answer.seen("x-odd"), ["1", "2"]);
        assert_eq!(
            (&json["body_length"], &json["body_fnv"]),
            (&3.into(), &format!("{:016x}", fnv(b"abc")).into())
        );
    });
}

#[test]
fn bodies_of_answers_come_whole() {
    each(|pair, _| {
        for size in [0, 1, 100_000, 3_000_000] {
            for path in [format!("/size/{size}"), format!("/close/{size}"), format!("/chunked/1/{size}")] {
                let answer = pair.ask(Request::get(&path));
                assert!(answer.is_complete() && answer.body == pattern(size), "{path}: {:?}", answer.ending);
                let sum = path.starts_with("/chunked").then(|| format!("{:016x}", fnv(&answer.body)));
                assert_eq!(answer.trailer("x-checksum"), sum.as_deref(), "{path}");
                let length = path.starts_with("/size").then(|| size.to_string());
                assert_eq!(answer.value("content-length"), length.as_deref(), "{path}");
            }
        }
    });
}

#[test]
fn answers_without_a_body_have_none() {
    each(|pair, _| {
        let mut connection = pair.connect();
        for (method, path, status) in [
            ("HEAD", "/size/9", 200),
            ("HEAD", "/chunked/2/5", 200),
            ("GET", "/status/204", 204),
            ("GET", "/status/304", 304),
        ] {
            let answer = connection.ask(Request::new(method, "a", path));
            assert_eq!(
                (answer.status(), answer.is_complete(), answer.body.len()),
                (status, true, 0),
                "{path}"
            );
        }
        assert_eq!(connection.ask(Request::get("/size/3")).body, pattern(3));
        assert_eq!(pair.origin.connections(), 1);
    });
}

#[test]
fn bodies_of_requests_come_whole_and_back() {
    each(|pair, _| {
        let body = pattern(3_000_000);
        for request in [
            Request::post("/echo", body.clone()),
            Request::new("POST", "a", "/echo").unsized_body().data(&body[..70_000]).data(&body[70_000..]),
        ] {
            let answer = pair.ask(request);
            assert!(answer.is_complete() && answer.body == body, "{:?}", answer.ending);
        }
        let empty = pair.ask(Request::post("/x", ""));
        assert_eq!((empty.status(), &empty.json()["body_length"]), (200, &0.into()));
    });
}

#[test]
fn trailers_go_both_ways() {
    each(|pair, _| {
        let request =
            |path| Request::new("POST", "a", path).data("abc").trailers(&[("x-sum", "7"), ("x-more", "8")]);
        let answer = pair.ask(request("/x"));
        assert_eq!(
            (answer.seen_trailer("x-sum").join(","), answer.seen_trailer("x-more").join(",")),
            ("7".to_owned(), "8".to_owned())
        );
        let answer = pair.ask(request("/echo"));
        assert_eq!(
            (answer.text().as_str(), answer.trailer("x-sum"), answer.is_complete()),
            ("abc", Some("7"), true)
        );
    });
}

#[test]
fn interim_answers_are_told() {
    each(|pair, _| {
        let answer = pair.ask(Request::get("/hints"));
        assert_eq!((answer.interim[0].status, answer.status()), (103, 200));
        assert_eq!(answer.interim[0].value("link"), Some("</style.css>; rel=preload"));
        let mut connection = pair.connect();
        let request = Request::new("POST", "a", "/x").length(5).field("expect", "100-continue").open();
        let mut exchange = connection.start(request);
        assert!(matches!(exchange.event(), Event::Interim(head) if head.status == 100));
        exchange.send("hello");
        exchange.finish();
        assert_eq!(exchange.answer().json()["body_length"], 5);
        let request =
            Request::new("POST", "a", "/status/413").length(5).field("expect", "100-continue").open();
        let answer = connection.ask(request);
        assert_eq!((answer.status(), answer.interim.len(), answer.is_complete()), (413, 0, true));
    });
}

#[test]
fn an_echo_comes_back_before_the_request_ends() {
    each(|pair, _| {
        let mut exchange = pair.connect().start(Request::new("POST", "a", "/echo").unsized_body().open());
        assert_eq!(exchange.head().unwrap().status, 200);
        for word in ["one", "two"] {
            exchange.send(word);
            assert_eq!(exchange.read(3), word.as_bytes());
        }
        exchange.finish();
        assert!(exchange.answer().is_complete());
    });
}

#[test]
fn answers_may_come_before_the_body() {
    each(|pair, transport| {
        let mut exchange =
            pair.connect().start(Request::new("POST", "a", "/early").length(6).data("abc").open());
        assert_eq!(exchange.head().unwrap().status, 200);
        assert_eq!(exchange.read(6), b"early\n");
        exchange.send("def");
        exchange.finish();
        wait_for("the end of the request", || pair.origin.in_flight() == 0);
        let request = Request::new("POST", "a", "/early-stop").length(6).data("abc").open();
        let mut connection = pair.connect();
        let answer = connection.ask(request);
        assert_eq!((answer.text().as_str(), answer.is_complete()), ("early\n", true));
        // A stream is over, or the connection.
        if transport.is_h2() {
            assert_eq!(connection.ask(Request::get("/")).status(), 200);
        } else {
            assert_eq!(answer.value("connection"), Some("close"));
        }
    });
}

#[test]
fn cuts_are_told_from_whole_answers() {
    each(|pair, transport| {
        for (path, h1, h2) in [
            ("/cut/5000", Ending::Aborted, Ending::Reset(2)),
            ("/cut/500000", Ending::Aborted, Ending::Reset(2)),
            ("/cut-close/5000", Ending::Aborted, Ending::Reset(2)),
            ("/cut-chunked/5000", Ending::Closed, Ending::Reset(2)),
        ] {
            let answer = pair.ask(Request::get(path));
            let length: usize = path.rsplit('/').next().unwrap().parse().unwrap();
            assert_eq!(answer.ending, if transport.is_h2() { h2 } else { h1 }, "{path}");
            // A reset of TCP takes along what was not read yet.
            let is_enough = answer.body.len() == length || !transport.is_h2() && length > 5000;
            assert!(is_enough && pattern(length).starts_with(&answer.body), "{path}: {}", answer.body.len());
        }
        let answer = pair.ask(Request::get("/short/5000"));
        assert!(answer.is_cut(), "{:?}", answer.ending);
        if transport.is_h2() {
            assert!(matches!(answer.ending, Ending::Malformed(_)), "{:?}", answer.ending);
        }
        let answer = pair.ask(Request::get("/reset"));
        let reset = if transport.is_h2() { Ending::Reset(2) } else { Ending::Aborted };
        assert_eq!((answer.status(), answer.ending), (0, reset));
    });
}

#[test]
fn a_refused_request_is_served_when_it_comes_again() {
    each(|pair, transport| {
        for (path, h2) in [("/refuse-once/a", Ending::Reset(7)), ("/unseen-once/b", Ending::GoAway(0))] {
            let answer = pair.ask(Request::get(path));
            assert_eq!(answer.ending, if transport.is_h2() { h2 } else { Ending::Closed }, "{path}");
            let answer = pair.ask(Request::get(path));
            assert_eq!((answer.status(), &answer.json()["target"]), (200, &path.into()));
        }
    });
}

#[test]
fn a_connection_that_is_left_says_so() {
    each(|pair, transport| {
        let mut connection = pair.connect();
        let answer = connection.ask(Request::get("/leave"));
        assert!(answer.status() == 200 && answer.is_complete());
        if !transport.is_h2() {
            assert_eq!(answer.value("connection"), Some("close"));
        }
        assert_eq!(connection.end(), if transport.is_h2() { Ending::GoAway(0) } else { Ending::Closed });
    });
}

#[test]
fn an_origin_that_stops_lets_requests_end() {
    for transport in ALL {
        let pair = Pair::start(transport);
        let mut connection = pair.connect();
        let exchange = connection.start(Request::get("/slow/500"));
        wait_for("the request", || pair.origin.in_flight() == 1);
        pair.origin.stop();
        assert_eq!(exchange.answer().status(), 200, "{transport:?}");
        assert_eq!(connection.end(), if transport.is_h2() { Ending::GoAway(0) } else { Ending::Closed });
    }
}

#[test]
fn an_origin_that_is_killed_resets() {
    for transport in ALL {
        let pair = Pair::start(transport);
        let exchange = pair.connect().start(Request::get("/slow/60000"));
        wait_for("the request", || pair.origin.in_flight() == 1);
        pair.origin.kill();
        assert_eq!(exchange.answer().ending, Ending::Aborted, "{transport:?}");
    }
}

#[test]
fn a_client_that_resets_ends_its_request() {
    each(|pair, _| {
        for path in ["/slow/60000", "/stall/10", "/drip/100000/5", "/size/100000000", "/echo", "/sip/5"] {
            let mut connection = pair.connect();
            let request = Request::new("POST", "a", path).unsized_body().data("abc").open();
            let exchange = connection.start(request);
            wait_for("the request", || pair.origin.in_flight() == 1);
            if !["/echo", "/sip/5"].contains(&path) {
                exchange.finish();
            }
            exchange.reset(8);
            wait_for(path, || pair.origin.in_flight() == 0);
        }
        let mut connection = pair.connect();
        let _exchange = connection.start(Request::get("/slow/60000"));
        wait_for("the request", || pair.origin.in_flight() == 1);
        connection.abort();
        wait_for("its end", || pair.origin.in_flight() == 0);
    });
}

#[test]
fn readers_and_writers_may_be_slow() {
    each(|pair, _| {
        let size = 500_000;
        let mut exchange = pair.connect().start(Request::get(&format!("/size/{size}")));
        let mut body = Vec::new();
        while let event @ (Event::Head(_) | Event::Data(_)) = exchange.event() {
            std::thread::sleep(Duration::from_millis(1));
            if let Event::Data(piece) = event {
                body.extend(piece);
            }
        }
        assert!(body == pattern(size));
        let request = Request::post("/sip/1", pattern(size));
        assert_eq!(pair.ask(request).json()["body_length"], size);
        let pause = Duration::from_millis(5);
        let request = Request::new("POST", "a", "/x").length(6).data("abc").pause(pause).data("def");
        assert_eq!(pair.ask(request).json()["body_fnv"], format!("{:016x}", fnv(b"abcdef")));
    });
}

#[test]
fn a_sender_waits_for_a_server_that_does_not_read() {
    each(|pair, _| {
        let exchange = pair.connect().start(Request::get("/size/50000000"));
        wait_for("the request", || pair.origin.in_flight() == 1);
        let mut last = 0;
        wait_for("the server to be made to wait", || {
            std::thread::sleep(Duration::from_millis(30));
            std::mem::replace(&mut last, pair.origin.sent()) == last && last > 0
        });
        assert!(last < 40_000_000, "{last}");
        drop(exchange);
    });
}

#[test]
fn many_requests_share_a_connection() {
    each(|pair, transport| {
        let mut connection = pair.connect();
        let exchanges: Vec<_> =
            (0..50).map(|number| connection.start(Request::get(&format!("/n/{number}")))).collect();
        for (number, exchange) in exchanges.into_iter().enumerate() {
            assert_eq!(exchange.answer().json()["target"], format!("/n/{number}"), "{transport:?}");
        }
        assert_eq!((pair.origin.requests(), pair.origin.connections()), (50, 1));
    });
}

#[test]
fn websockets_are_opened_and_closed() {
    each(|pair, transport| {
        let mut exchange = pair.connect().start(Request::websocket("/upgrade"));
        let head = exchange.head().unwrap();
        assert_eq!(head.status, if transport.is_h2() { 200 } else { 101 });
        if !transport.is_h2() {
            assert_eq!(head.value("sec-websocket-accept"), Some(websocket::accept(websocket::KEY).as_str()));
        }
        for size in [1, 100_000] {
            exchange.send(pattern(size));
            assert!(exchange.read(size) == pattern(size));
        }
        exchange.finish();
        assert_eq!(exchange.event(), Event::End(Ending::Complete));
    });
}

#[test]
fn websockets_may_be_declined() {
    each(|pair, _| {
        let mut connection = pair.connect();
        let answer = connection.start(Request::websocket("/status/403")).answer();
        assert_eq!(
            (answer.status(), answer.text().as_str(), answer.is_complete()),
            (403, "status 403\n", true)
        );
    });
}

#[test]
fn an_answer_of_grpc_may_be_only_trailers() {
    each(|pair, _| {
        let answer = pair.ask(Request::post("/grpc/5", "").field("te", "trailers"));
        assert_eq!((answer.status(), answer.value("grpc-status"), answer.body.len()), (200, Some("5"), 0));
        assert!(answer.is_complete());
    });
}

#[test]
fn requests_may_be_shorter_than_they_say() {
    each(|pair, transport| {
        let answer = pair.ask(Request::new("POST", "a", "/x").length(10).data("abc"));
        assert!(answer.status() == 0 && answer.is_cut(), "{:?}", answer.ending);
        if transport.is_h2() {
            assert_eq!(answer.ending, Ending::Reset(1));
        }
        wait_for("the end of it", || pair.origin.in_flight() == 0);
    });
}

#[test]
fn an_authority_may_be_left_out_or_stand_beside_a_host() {
    each(|pair, transport| {
        let answer = pair.ask(Request::new("GET", "", "/x").field("host", "b.example"));
        let authority = if transport.is_h2() { serde_json::Value::Null } else { "b.example".into() };
        assert_eq!(
            (&answer.json()["authority"], answer.seen("host")),
            (&authority, vec!["b.example".to_owned()])
        );
        let answer = pair.ask(Request::get("/x").field("host", "b.example"));
        let hosts: &[&str] = if transport.is_h2() { &["b.example"] } else { &["a.example", "b.example"] };
        assert_eq!(answer.seen("host"), hosts);
        assert_eq!(answer.json()["authority"], "a.example");
    });
}

#[test]
fn frames_may_be_written_by_hand() {
    for transport in [Transport::H2c, Transport::H2] {
        let pair = Pair::start(transport);
        let good = [(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
        let mut raw = pair.to.connect_raw().unwrap();
        raw.frame(&Frame::headers(1, &good, false)).unwrap();
        raw.frame(&Frame::data(1, b"abc", true)).unwrap();
        assert_eq!(raw.outcome(1), Outcome::Answered(200));
        let long = "x".repeat(1000);
        raw.frame(&Frame::headers(3, &[&good[..], &[("x-long", &long)]].concat(), true)).unwrap();
        assert_eq!(raw.outcome(3), Outcome::Answered(200));
        raw.frame(&Frame::headers(5, &[&good[..], &[("te", "gzip")]].concat(), true)).unwrap();
        assert_eq!(raw.outcome(5), Outcome::Reset(1));
        raw.frame(&Frame::new(6, 0, 0, [0; 7])).unwrap();
        assert!(matches!(raw.outcome(5), Outcome::GoAway(_)));
        assert_eq!(pair.origin.requests(), 2);
    }
}
