//! HTTP/1.1: a client's connection from its first byte to its last.

pub mod body;
pub mod connection;
pub mod exchange;
mod line;
pub mod request_head;
pub mod response_head;
pub mod tunnel;

use super::stream::Stream;
use crate::worker::{Buffer, Timer};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use wire::h1::{RequestHead, ResponseHead};

/// A client's connection while it may be idle: small, for there may be very many.
pub struct Client {
    /// Its bytes.
    pub stream: Stream,
    /// Its time-out.
    pub timer: Timer,
    /// Who is at the other end of the socket.
    pub peer: SocketAddr,
    /// That address as text.
    pub peer_text: AddressText,
    /// Which listener accepted it: an index into the policy's.
    pub listener: usize,
    /// Whether TLS is ended here.
    pub tls: bool,
}

/// How far a request's body has been read from the client's buffer. Reading moves bytes about in it, so it is done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyState {
    /// Not at all: `Active::input` is as it came.
    Unread,
    /// Not to its end.
    Partly,
    /// To its end, behind which the next request begins.
    Whole,
}

/// What a connection holds while a request is on its way; pooled per worker.
pub struct Active {
    /// Bytes of the client: the head of the request, then what came after it.
    pub input: Buffer,
    /// How many there are.
    pub filled: usize,
    /// The head, as places in `input`.
    pub head: RequestHead,
    /// How far its body has been read.
    pub body: BodyState,
    /// Where the next request's bytes are in `input`, once the body has been read.
    pub next: Range<usize>,
    /// The head for the server.
    pub request_out: Vec<u8>,
    /// The server's head, as places in the server's buffer.
    pub response: ResponseHead,
    /// The head for the client.
    pub answer: Vec<u8>,
    /// Lines that are added to it.
    pub lines: Vec<u8>,
    /// The host in normal form.
    pub host: String,
    /// The path in normal form.
    pub path: String,
}

impl Active {
    /// Storage for requests of which `input` holds the heads.
    pub fn new(input: Buffer) -> Active {
        Active {
            input,
            filled: 0,
            head: RequestHead::new(),
            body: BodyState::Unread,
            next: 0..0,
            request_out: Vec::new(),
            response: ResponseHead::new(),
            answer: Vec::new(),
            lines: Vec::new(),
            host: String::new(),
            path: String::new(),
        }
    }

    /// Moves the bytes of the next request to the front; returns whether there are any.
    pub fn advance(&mut self) -> bool {
        let next = std::mem::take(&mut self.next);
        self.filled = next.len();
        if self.filled > 0 {
            self.input.copy_within(next, 0);
        }
        self.filled > 0
    }
}

/// An IP address as text, without allocation. IPv4 mapped into IPv6 is shown as IPv4.
#[derive(Clone, Copy)]
pub struct AddressText {
    bytes: [u8; 46],
    length: u8,
}

impl AddressText {
    /// The text of `address`.
    pub fn new(address: IpAddr) -> AddressText {
        use std::io::Write;
        let mut text = AddressText { bytes: [0; 46], length: 0 };
        let mut rest = &mut text.bytes[..];
        write!(rest, "{}", address.to_canonical()).expect("no address is longer than 45 bytes");
        text.length = u8::try_from(46 - rest.len()).expect("at most 46");
        text
    }

    /// As bytes of ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length as usize]
    }
}
