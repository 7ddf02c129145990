//! HTTP/1.1: a client's connection from its first byte to its last.

pub mod body;
mod burst;
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

/// Each octet in decimals with a dot behind them, and how many bytes that is.
static OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut octet = 0;
    while octet < octets.len() {
        let [hundreds, tens, ones] = [octet / 100, octet / 10 % 10, octet % 10];
        let digits = [b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8];
        octets[octet] = match octet {
            0..10 => ([digits[2], b'.', 0, 0], 2),
            10..100 => ([digits[1], digits[2], b'.', 0], 3),
            _ => ([digits[0], digits[1], digits[2], b'.'], 4),
        };
        octet += 1;
    }
    octets
};

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
        match address.to_canonical() {
            IpAddr::V4(address) => text.put(address.octets()),
            IpAddr::V6(address) => {
                let mut rest = &mut text.bytes[..];
                write!(rest, "{address}").expect("no address is longer than 45 bytes");
                text.length = u8::try_from(46 - rest.len()).expect("at most 46");
            }
        }
        text
    }

    /// Dotted decimals, for each request; the library's formatting takes ten times as long.
    fn put(&mut self, octets: [u8; 4]) {
        let mut length = 0;
        for octet in octets {
            let (digits, count) = OCTETS[octet as usize];
            self.bytes[length..length + 4].copy_from_slice(&digits);
            length += count;
        }
        // Without the last dot.
        self.length = length as u8 - 1;
    }

    /// As bytes of ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_library_does() {
        for octet in 0..=255 {
            let address = IpAddr::from([octet, 0, 255, octet]);
            assert_eq!(AddressText::new(address).as_bytes(), address.to_string().as_bytes());
        }
        for (address, expected) in [("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::1", "2001:db8::1")] {
            let address = address.parse().expect("an address");
            assert_eq!(AddressText::new(address).as_bytes(), expected.as_bytes());
        }
    }
}
