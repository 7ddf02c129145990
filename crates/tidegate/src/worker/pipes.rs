//! Pipes that bodies pass through inside the kernel, pooled per worker and held only while there is data in them.

use super::descriptors::{Descriptors, PipePermit};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Bytes in a pipe: as many as a transfer may be ahead of who takes them, beside what the sockets hold.
/// The kernel's 64 KiB take two fifths more processor time, and a megabyte not less.
pub const PIPE_BYTES: usize = 256 * 1024;

/// Empty pipes that a worker keeps for the next user.
const KEPT_MAX: usize = 16;

thread_local! {
    static FREE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe. One that is dropped is closed, with what is in it; [`Pipe::give`] keeps an empty one.
pub struct Pipe {
    /// Where bytes come out.
    pub read: OwnedFd,
    /// Where they go in.
    pub write: OwnedFd,
    _permit: PipePermit,
}

impl Pipe {
    /// An empty one, or `None` where the kernel, or the count of descriptors, has none for us.
    pub fn take(descriptors: &Arc<Descriptors>) -> Option<Pipe> {
        FREE.with_borrow_mut(Vec::pop).or_else(|| Pipe::make(descriptors))
    }

    fn make(descriptors: &Arc<Descriptors>) -> Option<Pipe> {
        let permit = descriptors.pipe_permit()?;
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // Who has too many gets tiny ones, which are worse than copying.
        fcntl_setpipe_size(&write, PIPE_BYTES).ok()?;
        Some(Pipe { read, write, _permit: permit })
    }

    /// Keeps an empty one for the next user.
    pub fn give(self) {
        FREE.with_borrow_mut(|free| {
            if free.len() < KEPT_MAX {
                free.push(self);
            }
        });
    }

    /// Closes one that nobody uses, because descriptors have run out; whether there was one.
    pub fn evict_one() -> bool {
        FREE.with_borrow_mut(Vec::pop).is_some()
    }
}
