//! Tunnels after `Upgrade`.

use crate::support::Pair;
use testkit::client::{Client, End};
use testkit::message::pattern;

const UPGRADE: &str = "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

fn tunnel(pair: &Pair) -> Client {
    let mut client = pair.client();
    let response = client.request(UPGRADE).unwrap();
    assert_eq!((response.status, response.value("upgrade")), (101, Some("echo")));
    assert!(response.head.has_token("connection", "upgrade"));
    client
}

#[test]
fn bytes_pass_both_ways() {
    let pair = Pair::start();
    let mut client = tunnel(&pair);
    for size in [1, 100, 100_000] {
        let bytes = pattern(size);
        client.send(&bytes).unwrap();
        assert!(client.read_raw(size) == bytes, "{size}");
    }
}

#[test]
fn bytes_sent_with_the_request_are_not_lost() {
    let pair = Pair::start();
    let mut client = pair.client();
    assert_eq!(client.request(format!("{UPGRADE}early")).unwrap().status, 101);
    assert_eq!(client.read_raw(5), b"early");
}

#[test]
fn a_half_closed_tunnel_delivers_what_is_left() {
    let pair = Pair::start();
    let mut client = tunnel(&pair);
    client.send("last words").unwrap();
    client.finish_sending().unwrap();
    let (bytes, end) = client.read_to_end();
    assert_eq!((bytes.as_slice(), end), (b"last words".as_slice(), End::Closed));
    assert_eq!(pair.tidegate.logs(1)[0]["status"], 101);
}

#[test]
fn an_idle_tunnel_ends() {
    let pair = Pair::with("", "timeouts: { idle: 300ms }");
    let mut client = tunnel(&pair);
    for _ in 0..8 {
        std::thread::sleep(std::time::Duration::from_millis(60));
        client.send("x").unwrap();
        assert_eq!(client.read_raw(1), b"x", "traffic keeps it open");
    }
    assert_ne!(client.read_to_end().1, End::StillOpen);
}

#[test]
fn a_server_may_decline() {
    let pair = Pair::start();
    let request = "GET /size/4 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    let mut client = pair.client();
    assert_eq!(client.request(request).unwrap().body.len(), 4);
    assert_eq!(client.get("a", "/").unwrap().status, 200, "the connection goes on");
}

#[test]
fn h2c_is_not_passed_on() {
    let pair = Pair::start();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    let response = pair.client().request(request).unwrap();
    assert_eq!(response.status, 200);
    assert!(response.seen("upgrade").is_empty());
    assert!(response.seen("http2-settings").is_empty());
}
