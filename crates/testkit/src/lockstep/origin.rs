//! The origin: a thread for each connection, always the same answer.

use super::http1::{Reader, chunks};
use super::{TOGETHER, http2};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Barrier};

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1 KB.
    Small,
    /// 1 KB behind the twelve fields that a shop sends.
    Browser,
    /// 100 KB.
    Large,
    /// Four chunks of 1 KB.
    Chunked,
    /// 1 KB each to ten requests on as many connections, when all ten are there.
    Together,
    /// A message to calls of gRPC, over HTTP/2.
    Grpc,
}

/// All, by name.
pub const KINDS: [(&str, Kind); 6] = [
    ("small", Kind::Small),
    ("browser", Kind::Browser),
    ("large", Kind::Large),
    ("chunked", Kind::Chunked),
    ("together", Kind::Together),
    ("grpc", Kind::Grpc),
];

/// Serves until the process ends.
///
/// # Errors
/// When connections can no longer be accepted.
pub fn serve(listener: &TcpListener, kind: Kind) -> io::Result<()> {
    // They live as long as the process.
    let answer: &'static [u8] = answer(kind).leak();
    let all = Arc::new(Barrier::new(if kind == Kind::Together { TOGETHER } else { 1 }));
    loop {
        let (stream, _) = listener.accept()?;
        let all = Arc::clone(&all);
        // A client that is gone is told of by what it did not get.
        std::thread::spawn(move || converse(stream, kind, answer, &all).ok());
    }
}

fn converse(mut stream: TcpStream, kind: Kind, answer: &[u8], all: &Barrier) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if kind == Kind::Grpc {
        return http2::answer(stream);
    }
    let mut reader = Reader::new();
    while let Some(head) = reader.request(&mut stream)? {
        all.wait();
        stream.write_all(answer)?;
        if head.has_token("connection", "close") {
            break;
        }
    }
    Ok(())
}

fn answer(kind: Kind) -> Vec<u8> {
    let (fields, length) = match kind {
        Kind::Browser => (BROWSER, 1024),
        Kind::Large => ("Content-Type: text/plain\n", 100 * 1024),
        Kind::Small | Kind::Together | Kind::Grpc => ("Content-Type: text/plain\n", 1024),
        Kind::Chunked => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
            return [&head[..], &chunks(4)].concat();
        }
    };
    let fields = fields.replace('\n', "\r\n");
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n").into_bytes();
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

const BROWSER: &str = "\
Date: Wed, 25 Nov 2026 10:00:00 GMT
Content-Type: text/html; charset=utf-8
Cache-Control: private, max-age=0, must-revalidate
ETag: \"5f2a-6a0c1e7d3b9f4\"
Last-Modified: Tue, 24 Nov 2026 18:30:00 GMT
Vary: Accept-Encoding, Cookie
Set-Cookie: session=6f1c2a9be04d4c57a1d8f5b39e7720cd; Path=/; HttpOnly; SameSite=Lax
Strict-Transport-Security: max-age=31536000; includeSubDomains
X-Content-Type-Options: nosniff
Referrer-Policy: strict-origin-when-cross-origin
Content-Security-Policy: default-src 'self'; img-src 'self' https://cdn.shop.example
";
