//! The connection after an answer of our own: what was read of the request is never read twice, the next request
//! begins exactly where the body ended, and a body is never sent to another server in part.

use crate::support::{Pair, Tidegate, simple, wait_for};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
use testkit::client::Client;
use testkit::origin::Origin;
use testkit::peer::{Peer, Step};

/// A pool whose server never answers in time.
fn impatient() -> Pair {
    Pair::with(", timeouts: { first_byte: 600ms }", "")
}

/// The paths of all requests that the program logs, once there are so many.
fn paths(tidegate: &Tidegate, count: usize) -> Vec<String> {
    tidegate.logs(count).iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect()
}

/// Nothing but `expected` was ever taken for a request of this connection: one more is answered, and what was smuggled
/// before it would be logged before it.
#[track_caller]
fn only(tidegate: &Tidegate, client: &mut Client, expected: &[&str]) {
    client.send("GET /end HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.read("GET").unwrap();
    wait_for("the last line", || tidegate.log().iter().any(|line| line["path"] == "/end"));
    assert_eq!(paths(tidegate, 1), [expected, &["/end"]].concat());
}

/// Waits until the server has the request that it will not answer in time.
#[track_caller]
fn at_the_server(pair: &Pair) {
    wait_for("the request at the server", || pair.origin.in_flight() == 1);
}

#[track_caller]
fn answered(client: &mut Client, status: u16) {
    let response = client.read("POST").unwrap_or_else(|error| panic!("{status}: {error}"));
    assert_eq!((response.status, response.complete), (status, true));
}

fn nowhere() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[test]
fn a_request_that_waits_behind_a_timed_out_one_is_served() {
    let pair = impatient();
    let slow = "GET /slow/3000 HTTP/1.1\r\nHost: a\r\n\r\n";
    let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = pair.client();
    // With the first one.
    client.send(format!("{slow}{next}")).unwrap();
    answered(&mut client, 504);
    answered(&mut client, 200);
    wait_for("the end of it at the server", || pair.origin.in_flight() == 0);
    // While the first one waits.
    client.send(slow).unwrap();
    at_the_server(&pair);
    client.send(next).unwrap();
    answered(&mut client, 504);
    answered(&mut client, 200);
    only(&pair.tidegate, &mut client, &["/slow/3000", "/next", "/slow/3000", "/next"]);
}

#[test]
fn a_half_read_ahead_request_keeps_its_body() {
    let pair = impatient();
    let mut client = pair.client();
    client.send("GET /slow/3000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    at_the_server(&pair);
    let body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(format!("POST /next HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len())).unwrap();
    answered(&mut client, 504);
    client.send(body).unwrap();
    answered(&mut client, 200);
    only(&pair.tidegate, &mut client, &["/slow/3000", "/next"]);
}

#[test]
fn chunks_are_not_decoded_twice() {
    // Without the extension, which is dropped in place, the data begins where the decoder would look again.
    let tidegate = Tidegate::start(&simple(&[nowhere()], "", ""));
    let smuggled = "POST /smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n";
    let extension = "a".repeat(smuggled.len() + 6);
    let data = format!("{}{smuggled}", "D".repeat(300));
    let mut client = tidegate.client();
    client
        .send(format!(
            "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             {:x};{extension}\r\n{data}\r\n0\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n",
            data.len()
        ))
        .unwrap();
    answered(&mut client, 502);
    answered(&mut client, 502);
    only(&tidegate, &mut client, &["/one", "/two"]);
}

#[test]
fn what_later_reads_have_overwritten_is_not_read_again() {
    let pair = impatient();
    let mut client = pair.client();
    let part = "D".repeat(300);
    client
        .send(format!(
            "POST /slow/3000 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n200\r\n{part}"
        ))
        .unwrap();
    at_the_server(&pair);
    let data = format!("{:D<212}", "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send(format!("{data}\r\n0\r\n\r\n")).unwrap();
    answered(&mut client, 504);
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    answered(&mut client, 200);
    only(&pair.tidegate, &mut client, &["/slow/3000", "/next"]);
}

#[test]
fn a_body_that_is_partly_read_goes_to_another_server_whole_or_not_at_all() {
    let origin = Origin::start("alive").unwrap();
    let peer = Peer::start(vec![vec![Step::Reset]]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address, origin.address], "", ""));
    for _ in 0..40 {
        let mut client = tidegate.client();
        client
            .send(format!("POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n{:x<20}", ""))
            .unwrap();
        // Time for the server to reset meanwhile. Either order is allowed, and forty times both come about.
        std::thread::sleep(Duration::from_millis(3));
        // The server may be gone already, and the answer on its way.
        let _ = client.send(format!("{:y<40}", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
        let response = client.read("POST").unwrap();
        assert!(matches!(response.status, 200 | 502), "{}", response.status);
        if response.status == 200 {
            assert_eq!(response.json()["body_length"], 60, "{}", response.text());
        }
    }
    assert!(paths(&tidegate, 40).iter().all(|path| path == "/one"), "{:?}", paths(&tidegate, 40));
}
