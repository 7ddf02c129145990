//! Checks against scripted servers.

use super::*;
use policy::model::Probe;
use policy::source::Span;
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

fn server(address: SocketAddr) -> Server {
    Server { name: address.to_string(), address, weight: 1, at: Span::default() }
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
    let mut elsewhere = health(http());
    elsewhere.port = Some(scripted("HTTP/1.1 204 No\r\n\r\n").await.port());
    check(&probe(&server(address), &elsewhere).await, "ok");
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
