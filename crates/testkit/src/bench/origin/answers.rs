//! Answers that are made once and written many times.

use std::collections::HashMap;
use std::fmt::Write;

/// Bytes of the body that paths without a meaning get.
const USUAL_BYTES: usize = 1024;

/// Bytes of a chunk.
const CHUNK_BYTES: usize = 4096;

/// All answers that were wanted so far, by path.
#[derive(Default)]
pub(super) struct Answers {
    by_path: HashMap<Vec<u8>, &'static [u8]>,
    usual: Option<&'static [u8]>,
}

impl Answers {
    /// That to this path.
    pub(super) fn of(&mut self, path: &[u8]) -> &'static [u8] {
        if let Some(answer) = self.by_path.get(path) {
            return answer;
        }
        let usual = *self.usual.get_or_insert_with(|| keep(sized("", USUAL_BYTES)));
        // Paths that mean nothing are many where routes differ in paths; they are not remembered.
        let Some(answer) = made(path) else { return usual };
        let answer = keep(answer);
        self.by_path.insert(path.to_vec(), answer);
        answer
    }
}

/// Sizes are few, so what is made may live as long as the process.
fn keep(bytes: Vec<u8>) -> &'static [u8] {
    bytes.leak()
}

fn made(path: &[u8]) -> Option<Vec<u8>> {
    let path = std::str::from_utf8(path).ok()?;
    let (kind, number) = path.strip_prefix('/')?.split_once('/')?;
    let number = number.parse().ok()?;
    match kind {
        "size" => Some(sized("", number)),
        "chunks" => Some(chunked(number)),
        "fields" => Some(sized(&fields(number), USUAL_BYTES)),
        _ => None,
    }
}

fn sized(fields: &str, bytes: usize) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{fields}Content-Length: {bytes}\r\n\r\n");
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + bytes, b'x');
    answer
}

fn chunked(bytes: usize) -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for at in (0..bytes).step_by(CHUNK_BYTES) {
        let size = CHUNK_BYTES.min(bytes - at);
        answer.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        answer.resize(answer.len() + size, b'x');
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

/// Fields as applications send them, so many together with the two that every answer has.
fn fields(count: usize) -> String {
    const USUAL: [&str; 10] = [
        "Date: Tue, 03 Mar 2026 10:11:12 GMT",
        "Server: bench",
        "Cache-Control: private, max-age=0, must-revalidate",
        "ETag: \"5f3a-61c2b7e9a4d80\"",
        "Last-Modified: Mon, 02 Mar 2026 08:00:00 GMT",
        "Vary: Accept-Encoding, Cookie",
        "Strict-Transport-Security: max-age=31536000; includeSubDomains",
        "X-Content-Type-Options: nosniff",
        "X-Frame-Options: SAMEORIGIN",
        "Set-Cookie: session=9f8e7d6c5b4a39281706f5e4d3c2b1a0; Path=/; HttpOnly; SameSite=Lax",
    ];
    let mut text = String::new();
    for number in 0..count.saturating_sub(2) {
        // A text takes all that is written to it.
        let _ = match USUAL.get(number) {
            Some(field) => write!(text, "{field}\r\n"),
            None => write!(text, "X-Field-{number}: value-{number}\r\n"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::body::{Body, head_bytes};

    #[test]
    fn answers_have_what_their_path_asks_for() {
        let mut answers = Answers::default();
        for (path, data, lines) in [
            ("/", 1024, 3),
            ("/r/77", 1024, 3),
            ("/size/100000", 100_000, 3),
            ("/fields/12", 1024, 13),
            ("/fields/50", 1024, 51),
            ("/chunks/16384", 16_384, 3),
            ("/chunks/5000", 5000, 3),
        ] {
            let answer = answers.of(path.as_bytes());
            let head = head_bytes(answer).expect("it has a head");
            let mut body = Body::of(&answer[..head]);
            assert_eq!(body.take(&answer[head..]), (answer.len() - head, data, true), "{path}");
            let text = String::from_utf8_lossy(&answer[..head - 4]);
            assert_eq!(text.split("\r\n").count(), lines, "{path}");
        }
    }
}
