//! Messages over WebSockets: one at a time on each connection, and its echo.

use super::Speech;
use super::plan::Plan;
use super::requests;
use crate::bench::body::head_bytes;
use std::time::Instant;

/// A mask must be there; which one makes no difference to what is between.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One connection.
pub(super) struct WebSocket {
    message: Vec<u8>,
    /// Bytes of the echo, which has no mask.
    echo_bytes: usize,
    is_open: bool,
    due: Option<Instant>,
    held: Vec<u8>,
}

impl WebSocket {
    /// Adds the handshake to `output`.
    pub(super) fn new(plan: &Plan, output: &mut Vec<u8>) -> WebSocket {
        output.extend_from_slice(&requests::h1(plan)[0]);
        // Messages of the bench are longer than 125 bytes and shorter than 64 KB, or short.
        let mut message = match u8::try_from(plan.body) {
            Ok(short) if short < 126 => vec![0x82, 0x80 | short],
            _ => [&[0x82, 0x80 | 126][..], &(plan.body as u16).to_be_bytes()].concat(),
        };
        let echo_bytes = message.len() + plan.body;
        message.extend(MASK);
        message.extend(MASK.iter().cycle().take(plan.body).map(|mask| mask ^ b'x'));
        WebSocket { message, echo_bytes, is_open: false, due: None, held: Vec::new() }
    }
}

impl Speech for WebSocket {
    fn send(&mut self, due: Instant, output: &mut Vec<u8>) {
        output.extend_from_slice(&self.message);
        self.due = Some(due);
    }

    fn is_ready(&self) -> bool {
        self.is_open
    }

    fn receive(&mut self, bytes: &[u8], _: &mut Vec<u8>, answered: &mut Vec<Instant>) -> Result<(), String> {
        self.held.extend_from_slice(bytes);
        if !self.is_open {
            let Some(end) = head_bytes(&self.held) else { return Ok(()) };
            if !self.held.starts_with(b"HTTP/1.1 101") {
                return Err(format!("no WebSocket: `{}`", String::from_utf8_lossy(&self.held[..end]).trim()));
            }
            self.held.drain(..end);
            self.is_open = true;
        }
        if self.held.len() < self.echo_bytes {
            return Ok(());
        }
        if self.held.len() > self.echo_bytes || self.held[0] != 0x82 || !self.held.ends_with(b"x") {
            return Err("an echo that is not the message".to_owned());
        }
        self.held.clear();
        answered.push(self.due.take().ok_or("an echo without a message")?);
        Ok(())
    }
}
