//! Requests that HTTP/2 calls malformed (RFC 9113 section 8): each is refused, and none of it reaches a server, where
//! it might be read as two requests of HTTP/1, or as one with another end, host or target.

use super::bed::{Plan, Running};
use super::{Case, Except, Which};
use testkit::exchange::Request;
use testkit::exchange::frames::{Frame, Outcome};

pub const CASES: &[Case] = &[
    Case::own("malformed requests of HTTP/2 are refused", Plan::ONE, refused).except(ONLY_H2),
    Case::own("malformed bodies of HTTP/2 are refused", Plan::ONE, bodies).except(ONLY_H2),
];

const ONLY_H2: &[Except] = &[Except {
    client: Which::H1,
    server: Which::Any,
    why: "what HTTP/1 calls malformed is another list, tested where its framing is",
}];

type Fields<'a> = &'a [(&'a str, &'a str)];

/// The fields of section 8.3.1, with these at the place of some of them, and more behind.
fn request<'a>(instead: Fields<'a>, more: Fields<'a>) -> Vec<(&'a str, &'a str)> {
    let usual = [(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/")];
    let kept = usual.into_iter().filter(|(name, _)| instead.iter().all(|(other, _)| other != name));
    // An empty name stands for one that is left out.
    let instead = instead.iter().copied().filter(|(_, value)| *value != "-");
    instead.chain(kept).chain(more.iter().copied()).collect()
}

#[track_caller]
fn check(running: &Running, fields: &[(&str, &str)], is_last: bool, data: &[Frame]) {
    let mut raw = running.connect_raw();
    raw.frame(&Frame::headers(1, fields, is_last)).unwrap();
    for frame in data {
        // The other side may have given up already.
        let _ = raw.frame(frame);
    }
    let outcome = raw.outcome(1);
    let is_refusal = match outcome {
        Outcome::Answered(status) => status == 400 || status == 0,
        Outcome::Reset(_) | Outcome::GoAway(_) => true,
        Outcome::Ended | Outcome::Nothing => false,
    };
    assert!(is_refusal, "{fields:?} {data:?}: {outcome:?}");
}

fn refused(running: &mut Running) {
    for (instead, more) in [
        // Fields that would say something about the message in HTTP/1.
        (&[][..], &[("transfer-encoding", "chunked")][..]),
        (&[], &[("connection", "close")]),
        (&[], &[("keep-alive", "timeout=5")]),
        (&[], &[("proxy-connection", "keep-alive")]),
        (&[], &[("upgrade", "websocket")]),
        (&[], &[("te", "gzip")]),
        // Names and values that are none.
        (&[], &[("X-Upper", "1")]),
        (&[], &[("x y", "1")]),
        (&[], &[("x:y", "1")]),
        (&[], &[("x\r\ny", "1")]),
        (&[], &[("", "1")]),
        (&[], &[("x", "1\r\nX-Smuggled: 2")]),
        (&[], &[("x", "1\n2")]),
        (&[], &[("x", "1\r2")]),
        (&[], &[("x", "1\0")]),
        // Fields of the request itself.
        (&[(":method", "-")], &[]),
        (&[(":scheme", "-")], &[]),
        (&[(":path", "-")], &[]),
        (&[(":path", "")], &[]),
        (&[(":path", "x")], &[]),
        (&[(":path", "/a b")], &[]),
        (&[(":path", "/\r\nX-Smuggled: 2")], &[]),
        (&[(":path", "/a HTTP/1.1\r\nHost: evil\r\n\r\nGET /b")], &[]),
        (&[(":method", "GET /x HTTP/1.1\r\nA: b\r\n\r\nGET")], &[]),
        (&[(":method", "G T")], &[]),
        (&[(":authority", "a.example\r\nX: 1")], &[]),
        (&[(":authority", "user@a.example")], &[]),
        (&[(":authority", "a.example/x")], &[]),
        (&[(":authority", "a.example a")], &[]),
        (&[(":path", "/a"), (":path", "/b")], &[]),
        (&[(":authority", "a.example"), (":authority", "b.example")], &[]),
        (&[(":status", "200")], &[]),
        (&[(":unknown", "1")], &[]),
        (&[(":protocol", "websocket")], &[]),
        (&[(":authority", "-")], &[(":authority", "a.example"), ("x", "1"), (":path", "/late")]),
        // Hosts that contradict one another.
        (&[], &[("host", "b.example")]),
        (&[], &[("host", "a.example"), ("host", "b.example")]),
        (&[(":authority", "-")], &[("host", "a.example"), ("host", "b.example")]),
        (&[(":authority", "-")], &[]),
        // Lengths that are none.
        (&[], &[("content-length", "+0")]),
        (&[], &[("content-length", "0, 0")]),
        (&[], &[("content-length", "0"), ("content-length", "1")]),
        (&[], &[("content-length", "x")]),
    ] {
        check(running, &request(instead, more), true, &[]);
    }
    assert_eq!(running.requests(), 0, "nothing of them is seen by a server");
    assert_eq!(running.ask(Request::get("/")).status(), 200);
}

fn bodies(running: &mut Running) {
    let post = |length| {
        let mut fields = request(&[(":method", "POST")], &[]);
        fields.push(("content-length", length));
        fields
    };
    // Longer and shorter than they say, at once and later.
    check(running, &post("2"), false, &[Frame::data(1, b"abc", true)]);
    check(running, &post("2"), false, &[Frame::data(1, b"ab", false), Frame::data(1, b"c", true)]);
    check(running, &post("9"), false, &[Frame::data(1, b"abc", true)]);
    check(running, &post("9"), true, &[]);
    // Trailers that are none. Fields that begin with a colon are not among them: the library takes them away unseen.
    for trailer in [("transfer-encoding", "chunked"), ("X-Upper", "1"), ("x", "1\r\n2")] {
        let trailers = Frame::headers(1, &[trailer], true);
        check(
            running,
            &request(&[(":method", "POST")], &[]),
            false,
            &[Frame::data(1, b"abc", false), trailers],
        );
    }
    running.wait_in_flight(0);
    assert_eq!(running.ask(Request::get("/")).status(), 200);
}
