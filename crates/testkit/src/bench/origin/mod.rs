//! The cheapest origin that is still correct: HTTP/1.1, WebSockets that echo, and gRPC over HTTP/2 without TLS, told apart
//! by how a connection begins.
//!
//! | path | answer |
//! |---|---|
//! | `/size/N` | N bytes |
//! | `/fields/N` | 1 KB, with N fields in the head |
//! | `/chunks/N` | N bytes in chunks of 4 KB |
//! | `/length` | how many bytes the request's body had, in digits |
//! | any other | 1 KB |

mod answers;
mod grpc;
mod h1;
mod websocket;

use super::READ_BYTES;
use super::local::{FIRST, Got, Slots, ended, no_delay, read};
use super::output::Output;
use crate::frames::frame::PREFACE;
use answers::Answers;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind};

/// How a connection is spoken with.
enum Speech {
    /// Its first bytes have not come.
    Unknown,
    Http(h1::Requests),
    WebSocket,
    Grpc(Box<grpc::Calls>),
}

struct Connection {
    stream: TcpStream,
    /// What was read and makes no whole message yet.
    held: Vec<u8>,
    output: Output,
    speech: Speech,
    /// Whether it is closed when all is written.
    last: bool,
}

/// Serves until the process ends.
///
/// # Errors
/// When nothing can be waited for there.
pub fn serve(mut listener: TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, FIRST, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut connections = Slots::new();
    let mut answers = Answers::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if event.token() == FIRST {
                accept(&listener, &poll, &mut connections);
                continue;
            }
            let at = event.token().0;
            let Some(connection) = connections.get(at) else { continue };
            let is_open = connection.advance(&mut buffer, &mut answers, ended(event));
            if !is_open.unwrap_or(false) {
                connections.remove(at);
            }
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, connections: &mut Slots<Connection>) {
    // Out of descriptors, or a client that is gone already: the next event may do better.
    while let Ok((stream, _)) = listener.accept() {
        no_delay(&stream);
        let at = connections.insert(Connection {
            stream,
            held: Vec::new(),
            output: Output::default(),
            speech: Speech::Unknown,
            last: false,
        });
        let Some(connection) = connections.get(at) else { continue };
        let both = Interest::READABLE | Interest::WRITABLE;
        if poll.registry().register(&mut connection.stream, Token(at), both).is_err() {
            connections.remove(at);
        }
    }
}

impl Connection {
    /// Reads, answers and writes what there is; whether it goes on.
    fn advance(&mut self, buffer: &mut [u8], answers: &mut Answers, ended: bool) -> io::Result<bool> {
        loop {
            match read(&mut self.stream, buffer)? {
                Got::End => return Ok(false),
                Got::Nothing => break,
                Got::Bytes(count, more) => {
                    self.receive(&buffer[..count], answers)?;
                    if !more && !ended {
                        break;
                    }
                }
            }
        }
        self.output.flush(&mut self.stream)?;
        Ok(!(self.last && self.output.is_empty()))
    }

    fn receive(&mut self, bytes: &[u8], answers: &mut Answers) -> io::Result<()> {
        if self.held.is_empty() {
            let taken = self.take(bytes, answers)?;
            self.held.extend_from_slice(&bytes[taken..]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            let taken = self.take(&held, answers)?;
            held.drain(..taken);
            self.held = held;
        }
        Ok(())
    }

    /// Takes whole parts from the front; their bytes.
    fn take(&mut self, bytes: &[u8], answers: &mut Answers) -> io::Result<usize> {
        let mut at = 0;
        if matches!(self.speech, Speech::Unknown) {
            let seen = bytes.len().min(PREFACE.len());
            self.speech = match bytes[..seen] == PREFACE[..seen] {
                // A request of HTTP/1.1 differs within the first bytes.
                true if seen < PREFACE.len() => return Ok(0),
                true => {
                    at = PREFACE.len();
                    Speech::Grpc(Box::new(grpc::Calls::new(&mut self.output)))
                }
                false => Speech::Http(h1::Requests::default()),
            };
        }
        if let Speech::Http(requests) = &mut self.speech {
            let (taken, next) = requests.take(bytes, answers, &mut self.output);
            at = taken;
            match next {
                h1::Next::Same => {}
                h1::Next::Close => self.last = true,
                h1::Next::WebSocket => self.speech = Speech::WebSocket,
            }
        }
        match &mut self.speech {
            Speech::WebSocket => at += websocket::echo(&bytes[at..], &mut self.output),
            Speech::Grpc(calls) => at += calls.take(&bytes[at..], &mut self.output)?,
            Speech::Unknown | Speech::Http(_) => {}
        }
        Ok(at)
    }
}
