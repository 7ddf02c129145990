use super::*;
use std::collections::VecDeque;
use std::task::Waker;
use wire::grpc_web::TextDecoder;
use wire::h1::{ChunkDecoder, ChunkMode, Framing, HeadLimits, ResponseHead};

/// What a server's stream does when it is read next.
#[derive(Clone)]
enum Next {
    Gives(Vec<u8>),
    Waits,
    Fails,
    /// Only its end is asked for then.
    Trails(&'static str, &'static str),
}

/// A server's stream that does as it is told, and takes all that is written.
struct Scripted(VecDeque<Next>);

impl Translated for Scripted {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.0.front() {
            Some(Next::Waits) => {
                self.0.pop_front();
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.0.pop_front() {
            None | Some(Next::Trails(..)) => Poll::Ready(Ok(0)),
            Some(Next::Waits) => Poll::Pending,
            Some(Next::Fails) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Some(Next::Gives(mut bytes)) => {
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                let rest = bytes.split_off(count);
                if !rest.is_empty() {
                    self.0.push_front(Next::Gives(rest));
                }
                Poll::Ready(Ok(count))
            }
        }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(first.len() + second.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn holds_back(&self) -> bool {
        false
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_writable(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Option<HeaderMap>>> {
        let mut trailers = HeaderMap::new();
        if let Some(Next::Trails(name, value)) = self.0.pop_front() {
            trailers.insert(name, value.parse().unwrap());
        }
        Poll::Ready(Ok((!trailers.is_empty()).then_some(trailers)))
    }

    fn is_unprocessed(&self) -> bool {
        false
    }
}

/// The answer's text until it ends or fails, read in pieces of `room` bytes.
fn read(script: impl IntoIterator<Item = Next>, accept: &str, room: usize) -> (Vec<u8>, Option<io::Error>) {
    let mut stream = translated(Stream::Translated(Box::new(Scripted(script.into_iter().collect()))));
    let cx = &mut Context::from_waker(Waker::noop());
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\nContent-Type: application/grpc-web\r\n\r\n"
    );
    assert!(stream.poll_write(cx, request.as_bytes(), &[]).is_ready());
    let mut text = Vec::new();
    let mut buffer = vec![0; room];
    loop {
        let _ = stream.poll_readable(cx);
        match stream.poll_read(cx, &mut buffer) {
            Poll::Pending => {}
            Poll::Ready(Ok(0)) => return (text, None),
            Poll::Ready(Ok(count)) => text.extend_from_slice(&buffer[..count]),
            Poll::Ready(Err(error)) => return (text, Some(error)),
        }
    }
}

/// A head with its length's end cut off, its content without framing or form, and whether the body has ended.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    head: String,
    content: Vec<u8>,
    ended: bool,
}

#[track_caller]
fn understood(text: &[u8]) -> Read {
    let mut head = ResponseHead::new();
    let limits = HeadLimits { bytes: 48 * 1024, fields: 100 };
    assert!(head.parse(text, limits, Method::Post).unwrap());
    let (start, body) = text.split_at(head.length as usize);
    let start = String::from_utf8(start.to_vec()).unwrap();
    let mut body = body.to_vec();
    let (mut content, ended) = match head.framing {
        Framing::Chunked => {
            let fed = ChunkDecoder::new(ChunkMode::Decode, 4096).feed(&mut body).unwrap();
            assert_eq!(fed.consumed, body.len(), "nothing is behind the end");
            (body[..fed.kept].to_vec(), fed.done)
        }
        Framing::Length(length) => {
            let ended = body.len() as u64 == length;
            (body, ended)
        }
        other => panic!("the framing {other:?}"),
    };
    if start.contains("-text") {
        let length = TextDecoder::new().feed(&mut content).unwrap();
        content.truncate(length);
    }
    Read { head: start, content, ended }
}

const TEXT: &str = "application/grpc-web-text";
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc+proto\r\nx-a: b\r\n";
const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n";

fn pieces(text: &str, size: usize) -> Vec<Next> {
    text.as_bytes().chunks(size).flat_map(|piece| [Next::Waits, Next::Gives(piece.to_vec())]).collect()
}

#[test]
fn trailers_become_the_last_frame_however_it_comes() {
    let answer = format!("{HEAD}{CHUNKED}5\r\nhello\r\n2\r\n, \r\n0\r\ngrpc-status: 0\r\nX-B: c\r\n\r\n");
    let lines = b"grpc-status: 0\r\nx-b: c\r\n";
    let frame = [&[0x80, 0, 0, 0, u8::try_from(lines.len()).unwrap()], &lines[..]].concat();
    for (accept, content_type) in
        [("*/*", "application/grpc-web+proto"), (TEXT, "application/grpc-web-text+proto")]
    {
        let expected = Read {
            head: format!(
                "HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
            ),
            content: [b"hello, ", &frame[..]].concat(),
            ended: true,
        };
        for size in [1, 2, 3, 7, 20, 4096] {
            for room in [1, 2, 5, 23, 24, 25, 31, 64, 4096] {
                let (text, error) = read(pieces(&answer, size), accept, room);
                assert!(error.is_none());
                assert_eq!(understood(&text), expected, "{size} {room}");
            }
        }
    }
}

#[test]
fn interim_answers_come_first() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    let answer = format!("{interim}{interim}{HEAD}content-length: 0\r\ngrpc-status: 5\r\n\r\n");
    let expected = format!(
        "{interim}{interim}HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 0\r\ngrpc-status: 5\r\n\
         content-type: application/grpc-web+proto\r\n\r\n"
    );
    for size in [1, 30, 60, 4096] {
        for room in [1, 50, 4096] {
            let (text, error) = read(pieces(&answer, size), "", room);
            assert!(error.is_none());
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}

#[test]
fn what_is_not_grpc_stays_as_it_is() {
    for answer in [
        "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\nwhere",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-a: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/grpc-web\r\ncontent-length: 1\r\n\r\nx",
    ] {
        for (size, room) in [(1, 1), (7, 40), (4096, 4096)] {
            let (text, error) = read(pieces(answer, size), TEXT, room);
            assert!(error.is_none());
            assert_eq!(String::from_utf8(text).unwrap(), answer);
        }
    }
}

#[test]
fn trailers_behind_a_length_are_a_frame_too() {
    for (length, content) in [(5, "hello"), (0, "")] {
        let answer = format!("{HEAD}content-length: {length}\r\n\r\n{content}");
        for accept in ["", TEXT] {
            for (size, room) in [(1, 30), (4096, 1), (4096, 4096)] {
                let mut script = pieces(&answer, size);
                script.push(Next::Trails("grpc-status", "0"));
                let (text, error) = read(script, accept, room);
                assert!(error.is_none());
                let read = understood(&text);
                assert!(!read.head.contains("content-length"), "{}", read.head);
                let frame = b"\x80\0\0\0\x10grpc-status: 0\r\n";
                assert_eq!(read.content, [content.as_bytes(), &frame[..]].concat());
                assert!(read.ended);
            }
        }
    }
}

#[test]
fn what_is_cut_has_no_end() {
    let whole = format!("{HEAD}{CHUNKED}5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n");
    let content = whole.find("5\r\nhello").unwrap();
    for accept in ["", TEXT] {
        for end in content..whole.len() {
            for fails in [true, false] {
                let mut script = pieces(&whole[..end], 9);
                if fails {
                    script.push(Next::Fails);
                }
                let (text, error) = read(script, accept, 64);
                assert_eq!(error.is_some(), fails);
                let read = understood(&text);
                assert!(!read.ended && b"hello".starts_with(&read.content), "{end}: {read:?}");
            }
        }
    }
}

#[test]
fn a_wrong_answer_is_told_as_such() {
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(60_000));
    for (answer, reason) in [
        (format!("{HEAD}{CHUNKED}5\r\nhello\r\n0\r\nhost: x\r\n\r\n"), "trailer_forbidden"),
        (format!("{HEAD}{CHUNKED}x"), "chunk_size_invalid"),
        (long, "head_too_large"),
    ] {
        for size in [5, 4096, 100_000] {
            let (text, error) = read(pieces(&answer, size), TEXT, 4096);
            let error = error.and_then(ProxyError::carried_by).unwrap();
            assert_eq!(error.detail(), Some(reason), "{error}");
            assert!(!text.ends_with(b"0\r\n\r\n"));
        }
    }
}

#[test]
fn a_server_that_takes_nothing_yet_has_taken_nothing() {
    struct Shut;
    impl Translated for Shut {
        fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
        fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8], _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn holds_back(&self) -> bool {
            false
        }
        fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_writable(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
        fn is_unprocessed(&self) -> bool {
            true
        }
    }
    let mut stream = translated(Stream::Translated(Box::new(Shut)));
    let cx = &mut Context::from_waker(Waker::noop());
    let head =
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 4\r\n\r\n";
    assert!(stream.poll_write(cx, head, b"AAAA").is_pending());
    assert!(stream.holds_back() && stream.is_unprocessed());
    assert!(stream.poll_write(cx, head, b"AAAA").is_pending());
}

#[test]
fn content_of_any_size_comes_through() {
    for (number, bytes) in [1, 2, 4095, 49_129, 65_536, 200_001].into_iter().enumerate() {
        let mut answer = format!("{HEAD}{CHUNKED}");
        let mut expected = Vec::new();
        for start in 0..3 {
            let content = &"abcdefg"[start..].repeat(bytes)[..bytes + start];
            answer.push_str(&format!("{:x}\r\n{content}\r\n", content.len()));
            expected.extend_from_slice(content.as_bytes());
        }
        answer.push_str("0\r\n\r\n");
        for (size, room) in [(1000, 16_000), (65_536, 65_536), (100_000, 24), (16_384, 1000 + number)] {
            for accept in ["", TEXT] {
                let (text, error) = read(pieces(&answer, size), accept, room);
                let read = understood(&text);
                assert!(error.is_none() && read.ended && read.content == expected, "{bytes} {size} {room}");
            }
        }
    }
}
