//! Checks against scripted servers.

use super::*;
use ::h2::server;
use bytes::Bytes;
use http::Response;
use policy::model::{Probe, Protocol};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn health(probe: Probe) -> Health {
    Health {
        probe,
        every: Duration::from_millis(20),
        timeout: Duration::from_millis(500),
        rise: 2,
        fall: 3,
        port: None,
    }
}

fn http() -> Probe {
    Probe::Http { path: "/healthz".into(), host: None, expect: vec![(200, 399)] }
}

/// A server that is spoken to in HTTP/1.1.
fn server(address: SocketAddr) -> Target {
    Target::plain(address, Protocol::H1)
}

/// Answers each connection with `answer`, then closes.
async fn scripted(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[track_caller]
fn check(verdict: &Verdict, expected: &str) {
    let text = match verdict {
        Ok(()) => "ok".to_owned(),
        Err(reason) => reason.to_string(),
    };
    assert!(text.starts_with(expected), "{text} is not {expected}");
}

#[tokio::test]
async fn verdicts() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\n", "ok"),
        ("HTTP/1.1 103 Hint\r\n\r\nHTTP/1.1 302 Found\r\n\r\n", "ok"),
        ("HTTP/1.1 503 No\r\n\r\n", "status 503"),
        ("", "closed without an answer"),
        ("SSH-2.0\r\n\r\n", "unsupported version"),
        ("HTTP/1.1 200 OK\nbare\r\n\r\n", "malformed head"),
    ] {
        let address = scripted(answer).await;
        check(&probe(&server(address), &health(http())).await, expected);
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    check(&probe(&server(closed), &health(http())).await, "Connection refused");
    check(&probe(&server(closed), &health(Probe::Tcp)).await, "Connection refused");
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    check(&probe(&server(address), &health(http())).await, "timeout");
    check(&probe(&server(address), &health(Probe::Tcp)).await, "ok");
}

/// What a server of HTTP/2 says to each request.
#[derive(Clone, Copy)]
struct Answer {
    status: u16,
    fields: &'static [(&'static str, &'static str)],
    content: &'static [u8],
    /// `None` where the content, or the head, is the end.
    trailers: Option<&'static [(&'static str, &'static str)]>,
}

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc+proto")];
const OK: Option<&[(&str, &str)]> = Some(&[("grpc-status", "0")]);

fn fields(pairs: &[(&'static str, &'static str)]) -> http::HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// Answers each request in HTTP/2; `heads` gets what was asked, with the content.
async fn http2(answer: Answer, heads: SyncSender<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut connection) = server::handshake(stream).await else { continue };
            while let Some(Ok((mut request, mut respond))) = connection.accept().await {
                let heads = heads.clone();
                tokio::spawn(async move {
                    let content = request.body_mut().data().await.map(|data| data.unwrap());
                    let head =
                        format!("{} {} {:?} {content:?}", request.method(), request.uri(), request.headers());
                    let _ = heads.send(head);
                    let mut response = Response::new(());
                    *response.status_mut() = answer.status.try_into().unwrap();
                    *response.headers_mut() = fields(answer.fields);
                    let ends = answer.content.is_empty() && answer.trailers.is_none();
                    let mut stream = respond.send_response(response, ends).unwrap();
                    if !answer.content.is_empty() {
                        stream
                            .send_data(Bytes::from_static(answer.content), answer.trailers.is_none())
                            .unwrap();
                    }
                    if let Some(trailers) = answer.trailers {
                        stream.send_trailers(fields(trailers)).unwrap();
                    }
                });
            }
        }
    });
    address
}

/// What a check of a server with this answer comes to, and what it asked.
async fn verdict(probe: Probe, answer: Answer) -> (Verdict, String) {
    let (sender, heads) = sync_channel(8);
    let target = Target::plain(http2(answer, sender).await, Protocol::H2);
    let verdict = super::probe(&target, &health(probe)).await;
    (verdict, heads.recv().unwrap())
}

#[tokio::test]
async fn verdicts_in_http2() {
    for (status, expected) in [(200, "ok"), (204, "ok"), (503, "status 503")] {
        let answer = Answer { status, fields: &[], content: b"", trailers: None };
        let (found, asked) = verdict(http(), answer).await;
        check(&found, expected);
        assert!(asked.starts_with("GET http://127.0.0.1:") && asked.contains("/healthz {"), "{asked}");
        // A body that goes on is not waited for.
        let (found, _) = verdict(http(), Answer { content: &[b'x'; 40_000], ..answer }).await;
        check(&found, expected);
    }
    let old = Target::plain(scripted("HTTP/1.1 400 No\r\n\r\n").await, Protocol::H2);
    check(&probe(&old, &health(http())).await, "the server does not speak HTTP/2");
    let closing = Target::plain(scripted("").await, Protocol::H2);
    check(&probe(&closing, &health(http())).await, "closed without an answer");
    let odd = Probe::Http { path: "/healthz".into(), host: Some("a:b:c".into()), expect: vec![(200, 399)] };
    check(&probe(&closing, &health(odd)).await, "cannot be asked for in HTTP/2: ");
}

fn grpc(service: &str) -> Probe {
    Probe::Grpc { service: service.into(), host: Some("carts.internal".into()) }
}

#[tokio::test]
async fn verdicts_by_grpc() {
    let serving = Answer { status: 200, fields: GRPC, content: &[0, 0, 0, 0, 2, 8, 1], trailers: OK };
    let (found, asked) = verdict(grpc("shop.v1.Cart"), serving).await;
    check(&found, "ok");
    assert!(asked.starts_with("POST http://carts.internal/grpc.health.v1.Health/Check "), "{asked}");
    for field in
        ["\"content-type\": \"application/grpc\"", "\"te\": \"trailers\"", "\"grpc-timeout\": \"500m\""]
    {
        assert!(asked.contains(field), "{asked}");
    }
    assert!(asked.ends_with("Some(b\"\\0\\0\\0\\0\\x0e\\n\\x0cshop.v1.Cart\")"), "{asked}");
    let (_, asked) = verdict(grpc(""), serving).await;
    assert!(asked.ends_with("Some(b\"\\0\\0\\0\\0\\0\")"), "{asked}");
    let unimplemented: &[(&str, &str)] = &[("content-type", "application/grpc"), ("grpc-status", "12")];
    let unavailable: Option<&[(&str, &str)]> = Some(&[("grpc-status", "14"), ("grpc-message", "not yet")]);
    let odd: Option<&[(&str, &str)]> = Some(&[("grpc-status", "99")]);
    for (answer, expected) in [
        (Answer { content: &[0, 0, 0, 0, 2, 8, 2], ..serving }, "NOT_SERVING"),
        (Answer { content: &[0, 0, 0, 0, 2, 8, 3], ..serving }, "SERVICE_UNKNOWN"),
        (Answer { content: &[0, 0, 0, 0, 0], ..serving }, "UNKNOWN"),
        (Answer { content: &[0, 0, 0, 0, 2, 8, 9], ..serving }, "unheard of"),
        (
            Answer { fields: unimplemented, content: b"", trailers: None, ..serving },
            "grpc-status 12 UNIMPLEMENTED",
        ),
        (Answer { trailers: unavailable, ..serving }, "grpc-status 14 UNAVAILABLE: not yet"),
        (Answer { trailers: odd, ..serving }, "grpc-status 99 unheard of"),
        (Answer { status: 404, ..serving }, "status 404"),
        (Answer { fields: &[("content-type", "text/html")], ..serving }, "the answer is none of gRPC"),
        (Answer { fields: &[], ..serving }, "the answer is none of gRPC"),
        (Answer { trailers: None, ..serving }, "the answer is none of gRPC"),
        (Answer { trailers: Some(&[("x", "y")]), ..serving }, "the answer is none of gRPC"),
        (Answer { content: b"", ..serving }, "the answer is none of gRPC"),
        (Answer { content: &[1, 0, 0, 0, 2, 8, 1], ..serving }, "the answer is none of gRPC"),
        (Answer { content: &[0; 5000], ..serving }, "the answer is none of gRPC"),
    ] {
        check(&verdict(grpc(""), answer).await.0, expected);
    }
}

#[test]
fn answers_of_grpc_are_read_strictly() {
    let framed = |message: &[u8]| {
        let mut frame = vec![0, 0, 0, 0, message.len() as u8];
        frame.extend(message);
        grpc::answer(&frame)
    };
    for (message, expected) in [
        (&[][..], Some(0)),
        (&[8, 1], Some(1)),
        (&[8, 0x81, 0], Some(1)),
        // Fields of other numbers and of every kind, before and behind.
        (&[16, 7, 8, 1, 0x1a, 2, 8, 2, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4], Some(1)),
        (&[8, 2, 8, 1], Some(1)),
        (&[8], None),
        (&[8, 0x81], None),
        (&[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], None),
        (&[0x1a, 2, 8], None),
        (&[0x21, 1, 2, 3], None),
        (&[0x2d, 1], None),
        (&[0x0b], None),
    ] {
        assert_eq!(framed(message), expected, "{message:?}");
    }
    for frame in
        [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 3, 8, 1], &[0, 0, 0, 0, 1, 8, 1], &[0, 255, 255, 255, 255]]
    {
        assert_eq!(grpc::answer(frame), None, "{frame:?}");
    }
}

#[test]
fn rise_and_fall() {
    let health = health(Probe::Tcp);
    let mut streak = Streak::default();
    assert!(streak.note(true, &health) && streak.up, "the first result decides");
    assert!(!streak.note(false, &health) && !streak.note(false, &health));
    assert!(!streak.note(true, &health), "a success in between begins the count anew");
    assert!(!streak.note(false, &health) && !streak.note(false, &health));
    assert!(streak.note(false, &health) && !streak.up);
    assert!(!streak.note(true, &health));
    assert!(streak.note(true, &health) && streak.up);
}
