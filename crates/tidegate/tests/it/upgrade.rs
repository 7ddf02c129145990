//! Tunnels after `Upgrade`.

use crate::support::{Pair, Tidegate, simple, wait_for};
use testkit::client::{Client, End};
use testkit::message::pattern;
use testkit::peer::{Peer, Step};

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

/// A server that switches protocols, says `hello`, and goes on by this script; a tunnel to it.
fn to_a_server(rest: &[Step]) -> (Peer, Tidegate, Client) {
    let hello = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello";
    let peer = Peer::start(vec![[&[Step::ReadRequest, Step::Send(hello.to_vec())], rest].concat()]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let mut client = tidegate.client();
    assert_eq!(client.request(UPGRADE).unwrap().status, 101);
    assert_eq!(client.read_raw(5), b"hello");
    (peer, tidegate, client)
}

#[test]
fn a_server_that_has_finished_first_still_hears_its_client() {
    let (peer, tidegate, mut client) = to_a_server(&[Step::FinishSending, Step::ReadToEnd]);
    assert_eq!(client.read_to_end(), (Vec::new(), End::Closed));
    client.send("last ").unwrap();
    client.send("words").unwrap();
    client.finish_sending().unwrap();
    assert!(peer.wait(|seen| seen[0].over));
    assert!(peer.seen()[0].bytes.ends_with(b"\r\n\r\nlast words"));
    let line = tidegate.logs(1).remove(0);
    assert_eq!((&line["status"], &line["bytes"], &line["bytes_in"]), (&101.into(), &5.into(), &10.into()));
    assert!(line["reason"].is_null(), "{line}");
}

#[test]
fn a_server_that_resets_ends_the_tunnel() {
    let (_peer, tidegate, mut client) = to_a_server(&[Step::AwaitBytes, Step::Reset]);
    client.send("x").unwrap();
    assert_eq!(client.read_to_end(), (Vec::new(), End::Reset), "what was cut does not look complete");
    assert_eq!(tidegate.log_with_reason("server_cut")["status"], 101);
}

#[test]
fn a_client_that_resets_ends_the_tunnel() {
    let pair = Pair::start();
    let mut client = tunnel(&pair);
    client.send("x").unwrap();
    assert_eq!(client.read_raw(1), b"x");
    client.reset();
    wait_for("the end of it at the server", || pair.origin.open() == 0);
    assert_eq!(pair.tidegate.log_with_reason("client_gone")["status"], 101);
}

#[test]
fn a_tunnel_goes_on_during_a_drain() {
    let mut pair = Pair::start();
    let mut client = tunnel(&pair);
    let mut idle = pair.client();
    assert_eq!(idle.get("a", "/").unwrap().status, 200);
    pair.tidegate.signal("TERM");
    assert_eq!(idle.read_to_end().1, End::Closed, "it is draining");
    for _ in 0..10 {
        client.send("ping").unwrap();
        assert_eq!(client.read_raw(4), b"ping");
    }
    client.finish_sending().unwrap();
    assert_eq!(client.read_to_end(), (Vec::new(), End::Closed));
    assert_eq!(pair.tidegate.wait().code(), Some(0), "nothing is left to wait for");
}

#[test]
fn a_tunnel_lasts_no_longer_than_a_drain() {
    let mut pair = Pair::with("", "drain: { limit: 300ms }");
    let mut client = tunnel(&pair);
    pair.tidegate.signal("TERM");
    assert_ne!(client.read_to_end().1, End::StillOpen);
    assert_eq!(pair.tidegate.wait().code(), Some(0));
    assert_eq!(pair.tidegate.log()[0]["reason"], "stopped");
}

#[test]
fn a_tunnel_is_cut_when_all_is_stopped_at_once() {
    let mut pair = Pair::start();
    let mut client = tunnel(&pair);
    let mut idle = pair.client();
    assert_eq!(idle.get("a", "/").unwrap().status, 200);
    pair.tidegate.signal("TERM");
    assert_eq!(idle.read_to_end().1, End::Closed, "it is draining");
    pair.tidegate.signal("TERM");
    assert_ne!(client.read_to_end().1, End::StillOpen);
    assert_eq!(pair.tidegate.wait().code(), Some(1));
    assert!(pair.tidegate.log().iter().any(|line| line["reason"] == "stopped" && line["status"] == 101));
}

/// RFC 6455 section 1.3 and 5.7: a key with its answer, and the text `Hello` in a frame, masked and not.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
pub const MASKED: &[u8] = &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
pub const PLAIN: &[u8] = &[0x81, 0x05, b'H', b'e', b'l', b'l', b'o'];

/// A WebSocket server that echoes two messages, and answers a close with a close.
pub fn websocket_server() -> Peer {
    let accepted = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    );
    let frame = |length| vec![Step::Read(length), Step::Send(PLAIN.to_vec())];
    let close = vec![Step::Read(6), Step::Send(vec![0x88, 0x00]), Step::FinishSending, Step::ReadToEnd];
    let script = [
        vec![Step::ReadRequest, Step::Send(accepted.into())],
        frame(MASKED.len()),
        frame(MASKED.len()),
        close,
    ];
    Peer::start(vec![script.concat()]).unwrap()
}

/// The request that opens a WebSocket.
pub fn websocket_request(host: &str) -> String {
    format!(
        "GET /chat?room=1 HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nOrigin: http://{host}\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
}

#[test]
fn a_websocket_is_opened_echoes_and_is_closed() {
    let peer = websocket_server();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let mut client = tidegate.client();
    let response = client.request(websocket_request("a")).unwrap();
    assert_eq!((response.status, response.value("sec-websocket-accept")), (101, Some(ACCEPT)));
    assert!(response.value("upgrade").unwrap().eq_ignore_ascii_case("websocket"));
    assert!(response.head.has_token("connection", "upgrade"));
    assert_eq!(response.value("sec-websocket-protocol"), Some("chat"));
    for _ in 0..2 {
        client.send(MASKED).unwrap();
        assert_eq!(client.read_raw(PLAIN.len()), PLAIN);
    }
    client.send([0x88, 0x80, 1, 2, 3, 4]).unwrap();
    assert_eq!(client.read_to_end(), (vec![0x88, 0x00], End::Closed));
    client.finish_sending().unwrap();
    assert!(peer.wait(|seen| seen[0].over));
    let seen = String::from_utf8_lossy(&peer.seen()[0].bytes).into_owned();
    assert!(seen.starts_with("GET /chat?room=1 HTTP/1.1\r\n"), "{seen}");
    for line in ["Upgrade: websocket", "Connection: upgrade", &format!("Sec-WebSocket-Key: {KEY}")] {
        let count = seen.lines().filter(|known| known.eq_ignore_ascii_case(line)).count();
        assert_eq!(count, 1, "{line} in {seen}");
    }
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
