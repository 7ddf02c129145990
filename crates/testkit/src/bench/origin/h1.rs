//! Requests of HTTP/1.1: each is answered when its body is whole.

use super::answers::Answers;
use crate::bench::body::{Body, fields, head_bytes};
use crate::bench::output::Output;
use crate::websocket;

/// What becomes of the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// More requests may follow.
    Same,
    /// It ends with what is written.
    Close,
    /// What follows are frames.
    WebSocket,
}

/// Requests of one connection.
#[derive(Default)]
pub(super) struct Requests {
    current: Option<Request>,
}

struct Request {
    body: Body,
    length: u64,
    answer: Answer,
    is_last: bool,
}

enum Answer {
    Fixed(&'static [u8]),
    Length,
    Upgrade(String),
}

impl Requests {
    /// Takes whole requests, and parts of bodies, from the front.
    pub(super) fn take(&mut self, bytes: &[u8], answers: &mut Answers, output: &mut Output) -> (usize, Next) {
        let mut at = 0;
        loop {
            let current = match &mut self.current {
                Some(current) => current,
                none => {
                    let Some(end) = head_bytes(&bytes[at..]) else { return (at, Next::Same) };
                    let head = &bytes[at..at + end];
                    at += end;
                    none.insert(Request::new(head, answers))
                }
            };
            let (taken, data, whole) = current.body.take(&bytes[at..]);
            at += taken;
            current.length += data;
            if !whole {
                return (at, Next::Same);
            }
            let next = current.write(output);
            self.current = None;
            if next != Next::Same {
                return (at, next);
            }
        }
    }
}

impl Request {
    fn new(head: &[u8], answers: &mut Answers) -> Request {
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let path = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let mut is_last = line.ends_with(b"HTTP/1.0");
        let mut key = None;
        for (name, value) in fields(head) {
            if name.eq_ignore_ascii_case(b"connection") {
                is_last = is_last || value.eq_ignore_ascii_case(b"close");
            } else if name.eq_ignore_ascii_case(b"sec-websocket-key") {
                key = Some(String::from_utf8_lossy(value).into_owned());
            }
        }
        let answer = match key {
            Some(key) => Answer::Upgrade(key),
            None if path == b"/length" => Answer::Length,
            None => Answer::Fixed(answers.of(path)),
        };
        Request { body: Body::of(head), length: 0, answer, is_last }
    }

    fn write(&self, output: &mut Output) -> Next {
        match &self.answer {
            Answer::Fixed(answer) => output.fixed(answer),
            Answer::Length => {
                let digits = self.length.to_string();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{digits}", digits.len());
                output.own(head.as_bytes());
            }
            Answer::Upgrade(key) => {
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {}\r\n\r\n",
                    websocket::accept(key)
                );
                output.own(head.as_bytes());
                return Next::WebSocket;
            }
        }
        if self.is_last { Next::Close } else { Next::Same }
    }
}
