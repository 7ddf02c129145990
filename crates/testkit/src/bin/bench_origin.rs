//! `bench-origin ADDRESS BYTES`: the cheapest origin that is still correct, for measuring what is before it.
//!
//! One thread; every request gets the same answer; bodies are discarded by their Content-Length.

use std::net::SocketAddr;
use std::process::ExitCode;
use testkit::message::find;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().and_then(|text| text.parse::<SocketAddr>().ok());
    let bytes = arguments.next().and_then(|text| text.parse::<usize>().ok());
    let (Some(address), Some(bytes)) = (address, bytes) else {
        eprintln!("usage: bench-origin ADDRESS BYTES");
        return ExitCode::from(2);
    };
    match serve(address, bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-origin: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: SocketAddr, bytes: usize) -> std::io::Result<()> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {bytes}\r\n\r\n")
            .into_bytes();
    answer.resize(answer.len() + bytes, b'x');
    // It lives as long as the process.
    let answer: &'static [u8] = answer.leak();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("bench-origin listens on {}", listener.local_addr()?);
        loop {
            // Out of descriptors or a client that is gone already: the next one may do better.
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, answer));
            }
        }
    })
}

async fn connection(mut stream: TcpStream, answer: &'static [u8]) {
    let _ = stream.set_nodelay(true);
    let mut input = Vec::with_capacity(64 * 1024);
    let mut discard = 0;
    loop {
        match stream.read_buf(&mut input).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let answers = take_requests(&mut input, &mut discard);
        for _ in 0..answers {
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// Takes whole requests from the front of `input`; gives their number. `discard` is what is missing of the
/// last one's body.
fn take_requests(input: &mut Vec<u8>, discard: &mut usize) -> usize {
    let (mut at, mut answers) = (0, 0);
    loop {
        let skip = (*discard).min(input.len() - at);
        at += skip;
        *discard -= skip;
        let Some(end) = find(&input[at..], b"\r\n\r\n") else { break };
        *discard = content_length(&input[at..at + end]);
        at += end + 4;
        answers += 1;
    }
    input.drain(..at);
    answers
}

fn content_length(head: &[u8]) -> usize {
    head.split(|byte| *byte == b'\n')
        .filter_map(|line| line.split_at_checked(15))
        .find(|(name, _)| name.eq_ignore_ascii_case(b"content-length:"))
        .and_then(|(_, value)| std::str::from_utf8(value).ok()?.trim().parse().ok())
        .unwrap_or(0)
}
