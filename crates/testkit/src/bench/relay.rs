//! A blind relay: one connection to the origin for each of a client, bytes passed on as they come. What it costs is what
//! the kernel costs, below which nothing that relays can go.

use super::READ_BYTES;
use super::local::{FIRST, Got, Slots, ended, no_delay, read};
use super::output::Output;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// A connection of a client and the one that belongs to it. Tokens are twice the place for the client's, one more for the
/// origin's.
struct Pair {
    streams: [TcpStream; 2],
    /// What was read from the other side and not taken by this one.
    outputs: [Output; 2],
}

/// Relays until the process ends.
///
/// # Errors
/// When nothing can be waited for there.
pub fn serve(mut listener: TcpListener, origin: SocketAddr) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, FIRST, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut pairs = Slots::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if event.token() == FIRST {
                accept(&listener, origin, &poll, &mut pairs);
                continue;
            }
            let (at, side) = (event.token().0 / 2, event.token().0 % 2);
            let Some(pair) = pairs.get(at) else { continue };
            if !pair.advance(side, event.is_readable(), ended(event), &mut buffer).unwrap_or(false) {
                pairs.remove(at);
            }
        }
    }
}

fn accept(listener: &TcpListener, origin: SocketAddr, poll: &Poll, pairs: &mut Slots<Pair>) {
    while let Ok((client, _)) = listener.accept() {
        let Ok(server) = TcpStream::connect(origin) else { continue };
        no_delay(&client);
        no_delay(&server);
        let at =
            pairs.insert(Pair { streams: [client, server], outputs: [Output::default(), Output::default()] });
        let Some(pair) = pairs.get(at) else { continue };
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = pair
            .streams
            .iter_mut()
            .enumerate()
            .try_for_each(|(side, stream)| poll.registry().register(stream, Token(2 * at + side), both));
        if registered.is_err() {
            pairs.remove(at);
        }
    }
}

impl Pair {
    /// Moves what `side` has, and what waits for it; whether the pair goes on.
    fn advance(&mut self, side: usize, readable: bool, ended: bool, buffer: &mut [u8]) -> io::Result<bool> {
        if !self.outputs[side].is_empty() {
            self.outputs[side].flush(&mut self.streams[side])?;
            // What the other side has sent meanwhile gave its event already.
            if self.outputs[side].is_empty() && !self.relay(1 - side, false, buffer)? {
                return Ok(false);
            }
        }
        if readable { self.relay(side, ended, buffer) } else { Ok(true) }
    }

    /// Passes on what `from` has; whether the pair goes on.
    fn relay(&mut self, from: usize, ended: bool, buffer: &mut [u8]) -> io::Result<bool> {
        let to = 1 - from;
        while self.outputs[to].is_empty() {
            match read(&mut self.streams[from], buffer)? {
                Got::Nothing => break,
                // What was read before is taken already.
                Got::End => return Ok(false),
                Got::Bytes(count, more) => {
                    self.pass(to, &buffer[..count])?;
                    if !more && !ended {
                        break;
                    }
                }
            }
        }
        Ok(true)
    }

    /// Writes at once what is taken at once, without a copy.
    fn pass(&mut self, to: usize, bytes: &[u8]) -> io::Result<()> {
        use io::Write;
        let taken = match self.streams[to].write(bytes) {
            Ok(count) => count,
            // One that is not connected yet has no room either.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => 0,
            Err(error) => return Err(error),
        };
        if taken < bytes.len() {
            self.outputs[to].own(&bytes[taken..]);
        }
        Ok(())
    }
}
