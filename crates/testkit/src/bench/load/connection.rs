//! One connection of a load.

use super::Speech;
use super::transport::Transport;
use crate::bench::local::Got;
use mio::net::TcpStream;
use std::time::Instant;

/// A connection and what is spoken on it.
pub(super) struct Connection {
    pub stream: TcpStream,
    pub transport: Transport,
    pub speech: Box<dyn Speech>,
    pub output: Vec<u8>,
    /// Whether it had an answer: until then it must not be closed.
    pub answered: bool,
}

impl Connection {
    /// Reads all there is; adds when each request was due that was answered. Whether it goes on.
    ///
    /// # Errors
    /// When it breaks, or an answer is not the expected one.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        ended: bool,
        answered: &mut Vec<Instant>,
    ) -> Result<bool, String> {
        let Connection { stream, transport, speech, output, .. } = self;
        loop {
            match transport.read(stream, buffer, |bytes| speech.receive(bytes, output, answered))? {
                Got::End => return Ok(false),
                Got::Nothing => return Ok(true),
                Got::Bytes(_, more) if !more && !ended => return Ok(true),
                Got::Bytes(..) => {}
            }
        }
    }

    /// Writes what is taken now.
    ///
    /// # Errors
    /// When it breaks.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        let written = self.transport.write(&mut self.stream, &mut self.output);
        written.map_err(|error| format!("a connection broke: {error}"))
    }
}
