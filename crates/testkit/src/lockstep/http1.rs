//! Messages of HTTP/1, one after the other on one connection.

use super::{Duplex, bad};
use crate::message::{Body, Head};
use std::io;

/// The largest piece that is read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Reads messages from one connection.
pub(super) struct Reader {
    input: Vec<u8>,
    piece: Vec<u8>,
}

impl Reader {
    pub fn new() -> Reader {
        Reader { input: Vec::new(), piece: vec![0; PIECE_BYTES] }
    }

    /// Reads a request to its end; `None` when the connection ends before one begins.
    pub fn request(&mut self, stream: &mut impl Duplex) -> io::Result<Option<Head>> {
        let Some(head) = self.head(stream)? else { return Ok(None) };
        let body = head.request_body().map_err(|error| bad(error.to_string()))?;
        self.body(stream, body)?;
        Ok(Some(head))
    }

    /// Reads an answer with the status 200 to its end; the bytes of its body.
    pub fn answer(&mut self, stream: &mut impl Duplex) -> io::Result<usize> {
        let head = self.head(stream)?.ok_or_else(|| bad("the connection ended without an answer"))?;
        if head.words().1 != "200" {
            return Err(bad(format!("answered {:?}", head.line)));
        }
        let body = head.response_body("GET", 200).map_err(|error| bad(error.to_string()))?;
        self.body(stream, body)
    }

    fn head(&mut self, stream: &mut impl Duplex) -> io::Result<Option<Head>> {
        loop {
            if let Some((head, length)) = Head::parse(&self.input).map_err(|error| bad(error.to_string()))? {
                self.input.drain(..length);
                return Ok(Some(head));
            }
            if !self.more(stream)? {
                return if self.input.is_empty() { Ok(None) } else { Err(bad("a head was cut")) };
            }
        }
    }

    fn body(&mut self, stream: &mut impl Duplex, mut body: Body) -> io::Result<usize> {
        let mut out = Vec::new();
        loop {
            body.feed(&mut self.input, &mut out).map_err(|error| bad(error.to_string()))?;
            if body.is_complete() {
                return Ok(out.len());
            }
            if !self.more(stream)? {
                return Err(bad("a body was cut"));
            }
        }
    }

    /// Reads what is there; whether the connection goes on.
    fn more(&mut self, stream: &mut impl Duplex) -> io::Result<bool> {
        let count = stream.read(&mut self.piece)?;
        self.input.extend_from_slice(&self.piece[..count]);
        Ok(count > 0)
    }
}

/// A body in chunks of 1 KB.
pub(super) fn chunks(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        bytes.extend_from_slice(b"400\r\n");
        bytes.resize(bytes.len() + 1024, b'x');
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}
