//! Answers of HTTP/1.1.

use super::Speech;
use crate::bench::body::{Body, head_bytes};
use std::rc::Rc;
use std::time::Instant;

/// One connection, with one request at a time.
pub(super) struct H1 {
    requests: Rc<Vec<Vec<u8>>>,
    next: usize,
    expect: u64,
    due: Option<Instant>,
    held: Vec<u8>,
    /// The body under way, and the bytes of data that it had so far.
    body: Option<(Body, u64)>,
}

impl H1 {
    /// Begins with another of the requests than its neighbours.
    pub(super) fn new(requests: Rc<Vec<Vec<u8>>>, start: usize, expect: u64) -> H1 {
        let next = start % requests.len();
        H1 { requests, next, expect, due: None, held: Vec::new(), body: None }
    }

    fn take(&mut self, bytes: &[u8], answered: &mut Vec<Instant>) -> Result<usize, String> {
        let mut at = 0;
        let (body, data) = match &mut self.body {
            Some(body) => (&mut body.0, &mut body.1),
            none => {
                let Some(end) = head_bytes(bytes) else { return Ok(0) };
                let head = &bytes[..end];
                if !head.starts_with(b"HTTP/1.1 200") {
                    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
                    return Err(format!("it answered `{}`", String::from_utf8_lossy(line)));
                }
                at = end;
                let body = none.insert((Body::of(head), 0));
                (&mut body.0, &mut body.1)
            }
        };
        let (taken, more, whole) = body.take(&bytes[at..]);
        *data += more;
        if whole {
            if *data != self.expect {
                return Err(format!("an answer has {data} bytes instead of {}", self.expect));
            }
            self.body = None;
            answered.push(self.due.take().ok_or("an answer without a request")?);
        }
        Ok(at + taken)
    }
}

impl Speech for H1 {
    fn send(&mut self, due: Instant, output: &mut Vec<u8>) {
        output.extend_from_slice(&self.requests[self.next]);
        self.next = (self.next + 1) % self.requests.len();
        self.due = Some(due);
    }

    fn receive(&mut self, bytes: &[u8], _: &mut Vec<u8>, answered: &mut Vec<Instant>) -> Result<(), String> {
        if self.held.is_empty() {
            let taken = self.take(bytes, answered)?;
            self.held.extend_from_slice(&bytes[taken..]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            let taken = self.take(&held, answered)?;
            held.drain(..taken);
            self.held = held;
        }
        // Bytes behind an answer have no request.
        match self.due.is_none() && !self.held.is_empty() {
            true => Err("bytes behind an answer".to_owned()),
            false => Ok(()),
        }
    }
}
