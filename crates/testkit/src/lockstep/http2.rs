//! Both sides of HTTP/2, as little as needed.
//!
//! What comes in field blocks is not decoded beyond the status, so that the state of compression is of no concern. Requests
//! are indexed from the second one on, as clients do it.

use super::{Duplex, bad};
use crate::frames::frame::{
    ACK, DATA, END_STREAM, Frame, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
};
use crate::frames::hpack::{Block, NEWEST, is_ok};
use std::io;

/// What is added to the connection's window at once, so that nobody waits for it: up to the most that it may be.
const WINDOW_BYTES: u32 = 0x7fff_ffff - 65_535;

/// A message of gRPC: no compression, a length, a hundred bytes.
fn message() -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, 100];
    bytes.resize(105, b'x');
    bytes
}

/// What a request has behind method, scheme and, but for calls of gRPC, the path `/`.
const BROWSER: &[(&str, &str)] =
    &[(":authority", "shop.example"), ("user-agent", "lockstep/1"), ("accept", "*/*")];
const CALL: &[(&str, &str)] = &[
    (":path", "/shop.v1.Cart/Get"),
    (":authority", "shop.example"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("user-agent", "lockstep/1"),
];

/// Reads and writes frames.
struct Connection<S> {
    stream: S,
    input: Vec<u8>,
    output: Vec<u8>,
    piece: Vec<u8>,
}

impl<S: Duplex> Connection<S> {
    fn new(stream: S) -> Connection<S> {
        Connection { stream, input: Vec::new(), output: Vec::new(), piece: vec![0; 64 * 1024] }
    }

    /// Appends what each side says first, besides the preface.
    fn greet(&mut self) {
        Frame::settings(&[]).write(&mut self.output);
        Frame::window_update(0, WINDOW_BYTES).write(&mut self.output);
    }

    /// The next frame that is not answered here; `None` at the end of the connection.
    fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some((frame, length)) = Frame::read(&self.input) {
                self.input.drain(..length);
                match frame.kind {
                    SETTINGS if frame.flags & ACK == 0 => {
                        Frame::new(SETTINGS, ACK, 0, []).write(&mut self.output);
                    }
                    PING if frame.flags & ACK == 0 => {
                        Frame::new(PING, ACK, 0, frame.payload).write(&mut self.output);
                    }
                    GOAWAY | RST_STREAM => return Err(bad(format!("refused by {frame:?}"))),
                    _ => return Ok(Some(frame)),
                }
                continue;
            }
            self.flush()?;
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    fn more(&mut self) -> io::Result<bool> {
        let count = self.stream.read(&mut self.piece)?;
        self.input.extend_from_slice(&self.piece[..count]);
        Ok(count > 0)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }
}

/// Makes `count` requests, `together` at the same time: the next ones when all of these are answered.
pub(super) fn ask(stream: impl Duplex, count: usize, together: usize, is_grpc: bool) -> io::Result<()> {
    let mut connection = Connection::new(stream);
    connection.output.extend_from_slice(PREFACE);
    connection.greet();
    let mut stream = 1;
    for _ in 0..count / together {
        for _ in 0..together {
            Frame::headers(stream, request(is_grpc, stream == 1), !is_grpc).write(&mut connection.output);
            if is_grpc {
                Frame::data(stream, message(), true).write(&mut connection.output);
            }
            stream += 2;
        }
        let (mut ended, mut good) = (0, 0);
        while ended < together {
            let frame = connection.next()?.ok_or_else(|| bad("the connection ended without an answer"))?;
            good += usize::from(frame.kind == HEADERS && is_ok(&frame.payload));
            ended += usize::from(matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0);
        }
        if good != together {
            return Err(bad(format!("{good} of {together} answers are good")));
        }
    }
    Ok(())
}

/// The field block of a request: in plain text at first, then by numbers in the dynamic table.
fn request(is_grpc: bool, is_first: bool) -> Block {
    // POST or GET, of `http`.
    let block = Block::default().indexed(if is_grpc { 3 } else { 2 }).indexed(6);
    let (block, fields) = if is_grpc { (block, CALL) } else { (block.indexed(4), BROWSER) };
    if is_first {
        return fields.iter().fold(block, |block, (name, value)| block.remembered(name, value));
    }
    // The last field is the newest.
    (0..fields.len() as u32).rev().fold(block, |block, behind| block.indexed(NEWEST + behind))
}

/// Answers calls of gRPC until the connection ends.
pub(super) fn answer(stream: impl Duplex) -> io::Result<()> {
    let mut connection = Connection::new(stream);
    while connection.input.len() < PREFACE.len() {
        if !connection.more()? {
            return Ok(());
        }
    }
    connection.input.drain(..PREFACE.len());
    connection.greet();
    // In plain text, for not every client has a dynamic table.
    let head = Block::default().indexed(8).literal("content-type", "application/grpc").0;
    let trailers = Block::default().literal("grpc-status", "0").0;
    while let Some(frame) = connection.next()? {
        if !matches!(frame.kind, HEADERS | DATA) || frame.flags & END_STREAM == 0 {
            continue;
        }
        Frame::headers(frame.stream, head.clone(), false).write(&mut connection.output);
        Frame::data(frame.stream, message(), false).write(&mut connection.output);
        Frame::headers(frame.stream, trailers.clone(), true).write(&mut connection.output);
        connection.flush()?;
    }
    Ok(())
}
