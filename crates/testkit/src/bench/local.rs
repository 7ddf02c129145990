//! Sockets and the wait for events, as all programs of the bench use them.

use mio::Token;
use mio::event::Event;
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read};

/// What a read came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many bytes; whether there may be more.
    Bytes(usize, bool),
    /// Nothing for now.
    Nothing,
    /// The other side will send no more.
    End,
}

/// Reads once. A read that does not fill the buffer has emptied the socket: the next one would only learn that, at the
/// price of a system call. The end of a stream is seen by `ended` instead, which must be asked with it.
///
/// # Errors
/// When the connection is broken.
pub(crate) fn read(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<Got> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Ok(Got::End),
            Ok(count) => return Ok(Got::Bytes(count, count == buffer.len())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Got::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether the other side has said that it sends no more, or the connection is broken.
pub(crate) fn ended(event: &Event) -> bool {
    event.is_read_closed() || event.is_error()
}

/// Connections by their token, which is used again when one has gone.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Slots<T> {
        Slots { slots: Vec::new(), free: Vec::new() }
    }

    /// Keeps one; where.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        match self.free.pop() {
            Some(at) => {
                self.slots[at] = Some(value);
                at
            }
            None => {
                self.slots.push(Some(value));
                self.slots.len() - 1
            }
        }
    }

    pub(crate) fn get(&mut self, at: usize) -> Option<&mut T> {
        self.slots.get_mut(at)?.as_mut()
    }

    pub(crate) fn remove(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at)
            && slot.take().is_some()
        {
            self.free.push(at);
        }
    }
}

/// The token of what listens or wakes; connections have smaller ones.
pub(crate) const FIRST: Token = Token(usize::MAX - 1);

/// Small messages leave at once.
pub(crate) fn no_delay(stream: &TcpStream) {
    // Where that is refused the figures show it.
    let _ = stream.set_nodelay(true);
}
