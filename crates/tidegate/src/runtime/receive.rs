//! Receiving into storage that was never written: clearing it first costs HTTP/2 an eighth of its instructions.
#![allow(unsafe_code, reason = "what the kernel has written is taken for written")]

use rustix::net::{RecvFlags, recv};
use std::os::fd::OwnedFd;
use tokio::io::ReadBuf;

/// Receives behind what `buffer` has already; the number of bytes.
///
/// # Errors
/// Those of `recv(2)`.
pub fn receive(fd: &OwnedFd, buffer: &mut ReadBuf<'_>) -> rustix::io::Result<usize> {
    // SAFETY: what is written there is what `recv` has received, so that nothing is made unwritten.
    let storage = unsafe { buffer.unfilled_mut() };
    let ((received, _), _) = recv(fd, storage, RecvFlags::empty())?;
    let count = received.len();
    // SAFETY: `received` is the beginning of `storage`, as far as the kernel has written it.
    unsafe { buffer.assume_init(count) };
    buffer.advance(count);
    Ok(count)
}
