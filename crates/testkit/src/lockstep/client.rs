//! The client: makes one request after the other.

use super::http1::{Reader, chunks};
use super::tls::Connector;
use super::{Duplex, TOGETHER, bad, http2};
use crate::client::LIMIT;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// How much longer than elsewhere one read may take: the program in between runs fifty times slower than usual.
const SLOWER: u32 = 6;

/// What the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A GET after the other on one connection, with four fields.
    Small,
    /// The same with what a browser sends, some 700 bytes.
    Browser,
    /// POSTs of 16 KB on one connection.
    Post,
    /// POSTs of four chunks of 1 KB on one connection.
    Chunked,
    /// A GET on a connection of its own, which the other side closes.
    Reconnect,
    /// `Small` over TLS 1.3.
    Tls,
    /// `Reconnect` over TLS 1.3, each with a full handshake.
    TlsFull,
    /// `Reconnect` over TLS 1.3, all but the first with a resumed handshake.
    TlsResumed,
    /// One stream after the other on one connection of HTTP/2 without TLS.
    Http2,
    /// Ten streams at the same time, then the next ten.
    Http2Together,
    /// Unary calls of gRPC, one after the other on one connection of HTTP/2 without TLS.
    Grpc,
}

/// All, by name.
pub const WORKLOADS: [(&str, Workload); 11] = [
    ("small", Workload::Small),
    ("browser", Workload::Browser),
    ("post", Workload::Post),
    ("chunked", Workload::Chunked),
    ("reconnect", Workload::Reconnect),
    ("tls", Workload::Tls),
    ("tls-full", Workload::TlsFull),
    ("tls-resumed", Workload::TlsResumed),
    ("h2", Workload::Http2),
    ("h2-together", Workload::Http2Together),
    ("grpc", Workload::Grpc),
];

/// Makes `count` requests to `address`. `roots` is a PEM file with the certificate of TLS.
///
/// # Errors
/// When a request has no good answer, or a handshake is not of the wanted kind.
pub fn run(workload: Workload, address: SocketAddr, count: usize, roots: Option<&Path>) -> io::Result<()> {
    let connector =
        |resumes| Connector::new(roots.ok_or_else(|| bad("TLS needs a certificate to trust"))?, resumes);
    match workload {
        Workload::Small | Workload::Browser | Workload::Post | Workload::Chunked => {
            ask(&mut connect(address)?, &request(workload), count)
        }
        Workload::Reconnect => (0..count).try_for_each(|_| {
            let mut stream = connect(address)?;
            stream.write_all(&request(workload))?;
            last_answer(&mut stream)
        }),
        Workload::Tls => {
            let request = request(Workload::Small);
            let mut stream = connector(false)?.open(connect(address)?, &request)?;
            Reader::new().answer(&mut stream)?;
            ask(&mut stream, &request, count - 1)
        }
        Workload::TlsFull | Workload::TlsResumed => {
            let mut connector = connector(workload == Workload::TlsResumed)?;
            let request = request(Workload::Reconnect);
            (0..count).try_for_each(|_| last_answer(&mut connector.open(connect(address)?, &request)?))
        }
        Workload::Http2 => http2::ask(connect(address)?, count, 1, false),
        Workload::Http2Together => http2::ask(connect(address)?, count, TOGETHER, false),
        Workload::Grpc => http2::ask(connect(address)?, count, 1, true),
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, limit())?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(limit()))?;
    Ok(stream)
}

fn limit() -> Duration {
    LIMIT * SLOWER
}

fn ask(stream: &mut impl Duplex, request: &[u8], count: usize) -> io::Result<()> {
    let mut reader = Reader::new();
    (0..count).try_for_each(|_| {
        stream.write_all(request)?;
        reader.answer(stream).map(|_| ())
    })
}

/// Reads an answer and the end of the connection.
fn last_answer(stream: &mut impl Duplex) -> io::Result<()> {
    Reader::new().answer(stream)?;
    match stream.read(&mut [0; 1])? {
        0 => Ok(()),
        _ => Err(bad("there is something behind the last answer")),
    }
}

fn request(workload: Workload) -> Vec<u8> {
    let head = |line: &str, fields: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: lockstep/1\r\nAccept: */*\r\n{fields}\r\n"
        )
        .into_bytes()
    };
    match workload {
        Workload::Browser => BROWSER.replace('\n', "\r\n").into_bytes(),
        Workload::Post => {
            let mut bytes = head("POST /upload", "Content-Type: text/plain\r\nContent-Length: 16384\r\n");
            bytes.resize(bytes.len() + 16384, b'x');
            bytes
        }
        Workload::Chunked => {
            let mut bytes =
                head("POST /upload", "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n");
            bytes.extend(chunks(4));
            bytes
        }
        Workload::Reconnect => head("GET /", "Connection: close\r\n"),
        _ => head("GET /", ""),
    }
}

/// What a browser sends that has been to a shop before.
const BROWSER: &str = "\
GET /products/42?color=blue&size=m HTTP/1.1
Host: shop.example
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
Accept-Language: en-US,en;q=0.7,de;q=0.3
Accept-Encoding: gzip, deflate, br, zstd
Referer: http://shop.example/products?page=3&sort=price
Connection: keep-alive
Cookie: session=6f1c2a9be04d4c57a1d8f5b39e7720cd; theme=dark; consent=all; _ga=GA1.1.1029384756.1700000000
Upgrade-Insecure-Requests: 1
Sec-Fetch-Dest: document
Sec-Fetch-Mode: navigate
Sec-Fetch-Site: same-origin
Sec-Fetch-User: ?1
Priority: u=0, i
Pragma: no-cache
Cache-Control: no-cache

";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockstep::{Kind, serve};
    use std::net::TcpListener;

    #[test]
    fn a_browser_sends_some_700_bytes() {
        assert!((650..800).contains(&request(Workload::Browser).len()));
    }

    #[test]
    fn client_and_origin_understand_each_other() {
        for (workload, kind) in [
            (Workload::Small, Kind::Small),
            (Workload::Browser, Kind::Browser),
            (Workload::Small, Kind::Large),
            (Workload::Post, Kind::Small),
            (Workload::Chunked, Kind::Chunked),
            (Workload::Reconnect, Kind::Small),
            (Workload::Grpc, Kind::Grpc),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = listener.local_addr().expect("it is bound");
            std::thread::spawn(move || serve(&listener, kind));
            run(workload, address, 20, None).unwrap_or_else(|error| panic!("{workload:?}: {error}"));
        }
    }
}
