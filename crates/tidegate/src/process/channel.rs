//! Messages and descriptors between supervisor and engine, over a unix stream socket.
//!
//! A message is its length (four bytes, big endian) and its bytes. Descriptors travel beside single marker
//! bytes, at most `DESCRIPTORS_PER_BYTE` each, and are read back one marker at a time: the kernel never
//! merges the descriptors of two bytes into one read. Both ends agree on the number beforehand.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Read, Result, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The kernel takes 253 (`SCM_MAX_FD`); a round number below it.
const DESCRIPTORS_PER_BYTE: usize = 128;

/// The largest message. Far above any configuration; a guard against reading garbage as a length.
const MESSAGE_BYTES_MAX: u32 = 1 << 30;

/// Stands beside descriptors.
const MARKER: u8 = b'D';

/// Sends `bytes` as one message.
///
/// # Errors
/// When the other end is gone, or stalls longer than the socket's write time-out.
pub fn send(mut stream: &UnixStream, bytes: &[u8]) -> Result<()> {
    stream.write_all(&length_prefix(bytes)?)?;
    stream.write_all(bytes)
}

/// Receives one message.
///
/// # Errors
/// `UnexpectedEof` when the other end is gone.
pub fn receive(mut stream: &UnixStream) -> Result<Vec<u8>> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let mut bytes = vec![0; checked_length(prefix)?];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Sends `descriptors`, in order.
///
/// # Errors
/// When the other end is gone.
pub fn send_descriptors(stream: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    for batch in descriptors.chunks(DESCRIPTORS_PER_BYTE) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_BYTE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(batch)) {
            return Err(Error::other("descriptors do not fit into one message"));
        }
        sendmsg(stream, &[IoSlice::new(&[MARKER])], &mut control, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// Receives exactly `count` descriptors, in the order in which they were sent; none is inherited by children.
///
/// # Errors
/// When the other end is gone, or the descriptors could not all be received (as with too low a limit of
/// open files).
pub fn receive_descriptors(stream: &UnixStream, count: usize) -> Result<Vec<OwnedFd>> {
    let mut descriptors = Vec::with_capacity(count);
    while descriptors.len() < count {
        let before = descriptors.len();
        receive_batch(stream, &mut descriptors)?;
        if descriptors.len() == before {
            return Err(Error::new(ErrorKind::InvalidData, "a message without its descriptors"));
        }
    }
    Ok(descriptors)
}

/// Receives the descriptors beside one marker.
fn receive_batch(stream: &UnixStream, into: &mut Vec<OwnedFd>) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_BYTE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut marker = [0];
    let received =
        recvmsg(stream, &mut [IoSliceMut::new(&mut marker)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            into.extend(descriptors);
        }
    }
    Ok(())
}

/// Sends `value` as one message of JSON.
///
/// # Errors
/// When the other end is gone.
pub async fn send_value(stream: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(value)?;
    stream.write_all(&length_prefix(&bytes)?).await?;
    stream.write_all(&bytes).await
}

/// Receives one message of JSON. Not safe to cancel: give it a task of its own.
///
/// # Errors
/// `UnexpectedEof` when the other end is gone, `InvalidData` when the message is not what was expected.
pub async fn receive_value<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> Result<T> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let mut bytes = vec![0; checked_length(prefix)?];
    stream.read_exact(&mut bytes).await?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn length_prefix(bytes: &[u8]) -> Result<[u8; 4]> {
    match u32::try_from(bytes.len()) {
        Ok(length) if length <= MESSAGE_BYTES_MAX => Ok(length.to_be_bytes()),
        _ => Err(Error::new(ErrorKind::InvalidInput, "the message is too long for the channel")),
    }
}

fn checked_length(prefix: [u8; 4]) -> Result<usize> {
    match u32::from_be_bytes(prefix) {
        length if length <= MESSAGE_BYTES_MAX => Ok(length as usize),
        _ => Err(Error::new(ErrorKind::InvalidData, "not a message of this channel")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    #[test]
    fn messages_and_descriptors_arrive_in_order() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let listeners: Vec<TcpListener> =
            (0..300).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let borrowed: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();

        send(&ours, b"before").unwrap();
        send_descriptors(&ours, &borrowed).unwrap();
        send(&ours, b"after").unwrap();

        assert_eq!(receive(&theirs).unwrap(), b"before");
        let received = receive_descriptors(&theirs, 300).unwrap();
        assert_eq!(receive(&theirs).unwrap(), b"after");
        for (sent, got) in listeners.iter().zip(received) {
            let address = sent.local_addr().unwrap();
            assert_eq!(TcpListener::from(got).local_addr().unwrap(), address);
            TcpStream::connect(address).unwrap();
        }
    }

    #[test]
    fn a_closed_channel_is_an_end_and_garbage_is_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&ours, &[]).unwrap();
        drop(ours);
        assert_eq!(receive(&theirs).unwrap(), b"");
        assert_eq!(receive(&theirs).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(receive_descriptors(&theirs, 1).unwrap_err().kind(), ErrorKind::UnexpectedEof);

        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(receive(&theirs).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
