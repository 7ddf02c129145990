//! Read buffers, pooled per worker and held only while there is data.
//!
//! 64 KiB, because 16 KiB doubles the cost of a 100 KB body and more gains nothing.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Bytes in a buffer.
pub const BUFFER_BYTES: usize = 64 * 1024;

// Behind the largest head there is room for a piece of the body.
const _: () = assert!(policy::model::Bounds::HEAD_BYTES_MAX as usize + 16 * 1024 <= BUFFER_BYTES);

/// Buffers that a worker keeps for the next user; more are given back to the allocator.
const KEPT_MAX: usize = 128;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes in a small buffer: a head as most of them are. Connections of HTTP/2 have many requests at once, and most of
/// those have no body.
const SMALL_BYTES: usize = 1024;

/// One buffer of [`BUFFER_BYTES`], whose storage returns to the worker's pool when it is dropped; or a small one.
pub struct Buffer(Box<[u8]>);

impl Buffer {
    /// A buffer with arbitrary contents (those of its last user).
    pub fn take() -> Buffer {
        // Allocation: only until the pool has as many as are in use at once.
        Buffer(FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice()))
    }

    /// A small one, with arbitrary contents.
    pub fn small() -> Buffer {
        Buffer(vec![0; SMALL_BYTES].into_boxed_slice())
    }

    /// Whether it is a small one.
    pub fn is_small(&self) -> bool {
        self.len() < BUFFER_BYTES
    }

    /// Becomes one of [`BUFFER_BYTES`], if it was a small one; its first `keep` bytes stay.
    pub fn grow(&mut self, keep: usize) {
        if self.is_small() {
            let mut large = Buffer::take();
            large[..keep].copy_from_slice(&self[..keep]);
            *self = large;
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let storage = std::mem::take(&mut self.0);
        // At the thread's end the pool may be gone already; then the allocator has it.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if storage.len() == BUFFER_BYTES && free.len() < KEPT_MAX {
                free.push(storage);
            }
        });
    }
}
