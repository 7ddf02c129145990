//! Room for content (RFC 9113 section 5.2), in both directions.

use super::frame::{WINDOW_DEFAULT, WINDOW_MAX};
use super::{CONNECTION_WINDOW, STREAM_WINDOW};

/// The windows of a connection as a whole.
pub struct Windows {
    /// What we may send.
    send: i64,
    /// What we may send on a new stream.
    pub stream: i64,
    receive: Receiving,
}

/// A window of the client, as it is used up and opened again.
pub struct Receiving {
    /// What the client may send.
    left: i64,
    /// What was taken since it was told.
    taken: u32,
    /// All of it.
    whole: u32,
}

impl Receiving {
    pub const fn new(whole: u32) -> Receiving {
        Receiving { left: whole as i64, taken: 0, whole }
    }

    /// Takes note of what has come; `false` where there was no room for it.
    pub fn spend(&mut self, bytes: usize) -> bool {
        self.left -= bytes as i64;
        self.left >= 0
    }

    /// Takes note of what was taken; returns by how much the client is to open its window, once that is worth a frame.
    pub fn release(&mut self, bytes: usize) -> u32 {
        self.taken += bytes as u32;
        if self.taken < self.whole / 2 {
            return 0;
        }
        self.left += i64::from(self.taken);
        std::mem::take(&mut self.taken)
    }
}

impl Windows {
    pub fn new() -> Windows {
        Windows {
            send: i64::from(WINDOW_DEFAULT),
            stream: i64::from(WINDOW_DEFAULT),
            receive: Receiving::new(CONNECTION_WINDOW),
        }
    }

    /// The client's window for a new stream.
    pub fn of_stream() -> Receiving {
        Receiving::new(STREAM_WINDOW)
    }

    /// Whether anything may be sent.
    pub fn has_room(&self) -> bool {
        self.send > 0
    }

    /// How much may be.
    pub fn room(&self) -> usize {
        self.send.max(0) as usize
    }

    /// Takes note of what was sent.
    pub fn spend(&mut self, bytes: usize) {
        self.send -= bytes as i64;
    }

    /// The client takes more; `false` where that is more than a window can be.
    pub fn open(&mut self, bytes: u32) -> bool {
        self.send += i64::from(bytes);
        self.send <= WINDOW_MAX
    }

    /// Takes note of what has come; `false` where there was no room for it.
    pub fn receive(&mut self, bytes: usize) -> bool {
        self.receive.spend(bytes)
    }

    /// See [`Receiving::release`].
    pub fn release(&mut self, bytes: usize) -> u32 {
        self.receive.release(bytes)
    }
}
