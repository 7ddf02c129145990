//! What is still to be written to a connection, without copying what lives as long as the process.

use crate::frames::frame::Frame;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};

/// Pieces in their order; those of the process's whole life are not copied.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pieces: VecDeque<Cow<'static, [u8]>>,
    /// Bytes of the first piece that are written.
    written: usize,
}

impl Output {
    /// Adds what lives as long as the process.
    pub(crate) fn fixed(&mut self, bytes: &'static [u8]) {
        self.pieces.push_back(Cow::Borrowed(bytes));
    }

    /// Adds bytes, to the last piece where that may grow: so small ones leave together.
    pub(crate) fn own(&mut self, bytes: &[u8]) {
        match self.pieces.back_mut() {
            Some(Cow::Owned(last)) => last.extend_from_slice(bytes),
            _ => self.pieces.push_back(Cow::Owned(bytes.to_vec())),
        }
    }

    /// Adds a frame of HTTP/2.
    pub(crate) fn frame(&mut self, frame: &Frame) {
        match self.pieces.back_mut() {
            Some(Cow::Owned(last)) => frame.write(last),
            _ => {
                let mut bytes = Vec::with_capacity(512);
                frame.write(&mut bytes);
                self.pieces.push_back(Cow::Owned(bytes));
            }
        }
    }

    /// Whether all is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes as much as is taken now.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(crate) fn flush(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while let Some(piece) = self.pieces.front() {
            match stream.write(&piece[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.written == piece.len() {
                self.pieces.pop_front();
                self.written = 0;
            }
        }
        Ok(())
    }
}
