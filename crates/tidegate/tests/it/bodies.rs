//! Bodies in every framing and size, in both directions, with real servers.

use crate::support::{Nginx, Pair, Tidegate, simple, tool, wait_for};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testkit::message::{fnv, pattern};
use testkit::peer::{Gate, Peer, Step};

const SIZES: [usize; 9] = [0, 1, 1023, 16_384, 65_535, 65_536, 65_537, 1_000_000, 5_000_000];

#[test]
fn answers_of_every_size_arrive_whole() {
    let pair = Pair::start();
    let mut client = pair.client();
    for size in SIZES {
        let response = client.get("a", &format!("/size/{size}")).unwrap();
        assert!(response.complete && response.body == pattern(size), "size {size}");
        assert_eq!(response.value("content-length"), Some(size.to_string().as_str()));
    }
    assert_eq!(pair.origin.connections(), 1, "connections are kept, on both sides");
}

#[test]
fn requests_of_every_size_arrive_whole() {
    let pair = Pair::start();
    let mut client = pair.client();
    for size in SIZES {
        let body = pattern(size);
        let mut request =
            format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n").into_bytes();
        request.extend_from_slice(&body);
        let json = client.request(&request).unwrap().json();
        assert_eq!(json["body_length"], size, "size {size}");
        assert_eq!(json["body_fnv"], format!("{:016x}", fnv(&body)), "size {size}");
    }
}

#[test]
fn fifty_megabytes_pass_in_both_directions_at_once() {
    let pair = Pair::start();
    let body = pattern(50_000_000);
    let mut client = pair.client();
    let mut sender = client.sender().unwrap();
    let response = std::thread::scope(|scope| {
        scope.spawn(|| {
            let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
            sender.write_all(head.as_bytes()).unwrap();
            sender.write_all(&body).unwrap();
        });
        client.read("POST").unwrap()
    });
    assert!(response.complete && response.body == body);
}

/// What eight connections may hold (two buffers and storage each, and what the allocator keeps) while eight hundred
/// megabytes are on their way.
const HELD_KB_MAX: i64 = 16 * 1024;

/// Waits until a count of bytes is not nothing and stands still: whoever is behind it has stopped reading.
#[track_caller]
fn stands_still(what: &str, bytes: impl Fn() -> u64) -> u64 {
    let mut last = (0, Instant::now());
    wait_for(what, || {
        let now = bytes();
        if now != last.0 {
            last = (now, Instant::now());
        }
        now > 0 && last.1.elapsed() > Duration::from_millis(300)
    });
    last.0
}

#[test]
fn a_client_that_does_not_read_makes_the_server_wait() {
    let pair = Pair::start();
    let before = pair.tidegate.resident_kb();
    let size = 100_000_000;
    let mut clients: Vec<_> = (0..8).map(|_| pair.client()).collect();
    for client in &mut clients {
        client.send(format!("GET /size/{size} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    }
    wait_for("all requests at the server", || pair.origin.in_flight() == 8);
    let sent = stands_still("the server to be made to wait", || pair.origin.sent());
    assert!(sent < 8 * size as u64 / 2, "{sent} bytes were taken, and nobody reads them");
    let held = pair.tidegate.resident_kb() - before;
    assert!(held < HELD_KB_MAX, "{held} KB held");
    assert_eq!(pair.origin.in_flight(), 8, "the server is still sending");
    let response = clients.remove(0).read("GET").unwrap();
    assert!(response.complete && response.body == pattern(size));
}

#[test]
fn a_server_that_does_not_read_makes_the_client_wait() {
    // It reads on when the test has seen what it wants.
    let gate = Gate::default();
    let peer = Peer::start(vec![vec![Step::ReadHead, Step::Await(gate.clone()), Step::Reset]]).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let before = tidegate.resident_kb();
    let (size, sent) = (100_000_000, AtomicU64::new(0));
    let piece = vec![b'x'; 100_000];
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = tidegate.client();
                client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")).unwrap();
                let mut left = size;
                // Ends when the server is gone.
                while left > 0 && client.send(&piece).is_ok() {
                    left -= piece.len();
                    sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
                }
            });
        }
        assert!(peer.wait(|seen| seen.len() == 8), "all requests are at the server");
        let taken = stands_still("the clients to be made to wait", || sent.load(Ordering::SeqCst));
        assert!(taken < 8 * size as u64 / 2, "{taken} bytes were taken, and nobody reads them");
        let held = tidegate.resident_kb() - before;
        assert!(held < HELD_KB_MAX, "{held} KB held");
        gate.open();
    });
}

#[test]
fn an_echo_comes_back_before_the_request_ends() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc").unwrap();
    let head_and_half = loop_until(&mut client, "abc");
    assert!(head_and_half.starts_with("HTTP/1.1 200"));
    client.send("def").unwrap();
    assert_eq!(client.read_raw(3), b"def");
}

/// Reads until what came ends with `end`.
fn loop_until(client: &mut testkit::client::Client, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = client.read_raw(1);
        assert!(!byte.is_empty(), "ended after {text:?}");
        text.push(char::from(byte[0]));
    }
    text
}

#[test]
fn chunks_trailers_and_their_framing_pass_through() {
    let pair = Pair::start();
    let mut client = pair.client();
    for (count, size) in [(0, 0), (1, 1), (3, 5), (100, 1000), (50, 100_000)] {
        let response = client.get("a", &format!("/chunked/{count}/{size}")).unwrap();
        assert!(response.complete && response.body == pattern(count * size), "{count} of {size}");
        let sum = format!("{:016x}", fnv(&response.body));
        assert_eq!(response.trailers, [("X-Checksum".to_owned(), sum)], "{count} of {size}");
    }
    let request = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3;name=value;quoted=\"a;b\"\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n";
    let json = client.request(request).unwrap().json();
    assert_eq!(json["body_fnv"], format!("{:016x}", fnv(b"abcde")));
    assert_eq!(json["trailers"][0][0], "X-Sum");
}

#[test]
fn chunk_extensions_are_dropped_in_both_directions() {
    let chunks = "5;secret=\"a;b\"\r\nhello\r\n0;last\r\nX-Sum: 7\r\n\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    let peer = Peer::answering(answer).unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address], "", ""));
    let request = format!("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    let response = tidegate.client().request(request).unwrap();
    assert_eq!((response.text().as_str(), response.complete), ("hello", true));
    assert_eq!(response.extensions, Vec::<String>::new());
    assert_eq!(response.trailers, [("X-Sum".to_owned(), "7".to_owned())]);
    let seen = peer.seen().remove(0).bytes;
    let body = &seen[testkit::message::find(&seen, b"\r\n\r\n").unwrap() + 4..];
    assert_eq!(String::from_utf8_lossy(body), "5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n");
}

#[test]
fn chunked_bodies_may_come_in_any_pieces() {
    let pair = Pair::start();
    let mut client = pair.client();
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   b\r\nhello world\r\n3\r\n!!!\r\n0\r\n\r\n";
    for byte in request.as_bytes() {
        client.send([*byte]).unwrap();
        std::thread::sleep(Duration::from_micros(200));
    }
    assert_eq!(client.read("POST").unwrap().text(), "hello world!!!");
}

#[test]
fn answers_that_end_by_closing_stay_recognisable() {
    let pair = Pair::start();
    let mut client = pair.client();
    for size in [0, 10, 100_000, 1_000_000] {
        let response = client.get("a", &format!("/close/{size}")).unwrap();
        assert!(response.complete && response.body == pattern(size), "size {size}");
        assert_eq!(response.value("transfer-encoding"), Some("chunked"), "size {size}");
        assert!(!response.head.has_token("connection", "close") && response.end.is_none(), "size {size}");
        assert_eq!(client.get("a", "/next").unwrap().json()["target"], "/next", "the connection goes on");
    }
}

#[test]
fn answers_without_a_body_have_none() {
    let pair = Pair::start();
    let mut client = pair.client();
    for _ in 0..3 {
        let head = client.request("HEAD /size/1000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!((head.status, head.value("content-length")), (200, Some("1000")));
        let chunked = client.request("HEAD /chunked/2/5 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(chunked.status, 200);
        assert_eq!(client.get("a", "/status/204").unwrap().status, 204);
        assert_eq!(client.get("a", "/status/304").unwrap().status, 304);
        assert_eq!(client.get("a", "/size/3").unwrap().body, pattern(3));
    }
}

#[test]
fn nginx_behind_it_serves_files_ranges_and_revalidation() {
    let file = pattern(20_000_000);
    let nginx = Nginx::start("location /put { dav_methods PUT; }", &[("file.bin", &file)]);
    let tidegate = Tidegate::start(&simple(&[nginx.address], "", ""));
    let mut client = tidegate.client();
    let whole = client.get("a", "/file.bin").unwrap();
    assert!(whole.complete && whole.body == file);
    let tag = whole.value("etag").unwrap().to_owned();
    let request = format!("GET /file.bin HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n");
    assert_eq!(client.request(request).unwrap().status, 304);
    let part = client.request("GET /file.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=100-299\r\n\r\n").unwrap();
    assert_eq!(part.status, 206);
    assert_eq!(part.body, file[100..300]);
    assert_eq!(client.get("a", "/missing").unwrap().status, 404);
}

#[test]
fn nginx_behind_it_takes_uploads_from_curl() {
    let nginx = Nginx::start("location / { dav_methods PUT; }", &[]);
    let tidegate = Tidegate::start(&simple(&[nginx.address], "", ""));
    let body = pattern(10_000_000);
    let file = tidegate.folder.path().join("upload.bin");
    std::fs::write(&file, &body).unwrap();
    for (name, more) in [("length.bin", "X-Plain: 1"), ("chunked.bin", "Transfer-Encoding: chunked")] {
        let url = format!("http://{}/{name}", tidegate.address());
        let output = tool::curl(&["-f", "-T", file.to_str().unwrap(), "-H", more, &url]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(std::fs::read(nginx.folder.path().join(name)).unwrap() == body, "{name}");
    }
}
