//! A client connection that writes whatever it is told and notes everything that comes back.
//!
//! A thread reads all the time, so that a flood never stands still because its answers are not taken;
//! [`Connection::deaf`] makes one that reads nothing.

use super::frame::{self, Frame, PREFACE};
use super::returned::{End, Returned};
use crate::client::LIMIT;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
struct Shared {
    returned: Mutex<Returned>,
    changed: Condvar,
}

impl Shared {
    fn returned(&self) -> MutexGuard<'_, Returned> {
        // A panic of another thread is reported by that thread.
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    output: Vec<u8>,
    next_stream: u32,
    hostile: u64,
}

impl Connection {
    /// Connects and sends nothing.
    ///
    /// # Errors
    /// When the connection is refused or takes too long, or no thread can be had.
    pub fn silent(address: SocketAddr) -> io::Result<Connection> {
        let connection = Connection::deaf(address)?;
        let (stream, shared) = (connection.stream.try_clone()?, Arc::clone(&connection.shared));
        std::thread::Builder::new().name("frames".to_owned()).spawn(move || read(stream, &shared))?;
        Ok(connection)
    }

    /// Connects, sends nothing and never reads.
    ///
    /// # Errors
    /// When the connection is refused or takes too long.
    pub fn deaf(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(LIMIT))?;
        let shared = Arc::new(Shared::default());
        Ok(Connection { stream, shared, output: Vec::new(), next_stream: 1, hostile: 0 })
    }

    /// Connects and exchanges settings as every client does.
    ///
    /// # Errors
    /// When the connection is refused, or the other side says nothing.
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        Connection::open_with(address, &[])
    }

    /// The same with settings of ours.
    ///
    /// # Errors
    /// When the connection is refused, or the other side says nothing.
    pub fn open_with(address: SocketAddr, settings: &[(u16, u32)]) -> io::Result<Connection> {
        let mut connection = Connection::silent(address)?;
        connection.bytes(PREFACE);
        connection.frame(&Frame::settings(settings));
        connection.flush()?;
        if !connection.wait(LIMIT, |returned| returned.settings_frames > 0) {
            return Err(io::Error::new(ErrorKind::TimedOut, "no SETTINGS came"));
        }
        connection.frame(&Frame::new(frame::SETTINGS, frame::ACK, 0, []));
        connection.flush()?;
        Ok(connection)
    }

    /// The number of a stream that was not used yet.
    pub fn new_stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// Appends bytes to what the next flush sends.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Appends a frame to what the next flush sends.
    pub fn frame(&mut self, frame: &Frame) {
        frame.write(&mut self.output);
    }

    /// The same for a frame that counts as hostile.
    pub fn hostile(&mut self, frame: &Frame) {
        self.hostile += 1;
        self.frame(frame);
    }

    /// Counts something as hostile that is no frame.
    pub fn count_hostile(&mut self) {
        self.hostile += 1;
    }

    /// How many hostile frames were made so far.
    pub fn hostile_frames(&self) -> u64 {
        self.hostile
    }

    /// Sends what was appended, and the answers to PINGs of the other side.
    ///
    /// # Errors
    /// When the other side is gone or does not read.
    pub fn flush(&mut self) -> io::Result<()> {
        for payload in std::mem::take(&mut self.shared.returned().pings_owed) {
            Frame::new(frame::PING, frame::ACK, 0, payload).write(&mut self.output);
        }
        let result = self.stream.write_all(&self.output);
        self.output.clear();
        result
    }

    /// Waits until what came back is as wanted, or there can come nothing more; whether it is.
    pub fn wait(&mut self, limit: Duration, wanted: impl Fn(&Returned) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let shared = Arc::clone(&self.shared);
        let mut returned = shared.returned();
        loop {
            if wanted(&returned) || returned.end.is_some() {
                return wanted(&returned);
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            if returned.pings_owed.is_empty() {
                let waited = shared.changed.wait_timeout(returned, left);
                returned = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            drop(returned);
            // If it is gone, that is what comes back.
            let _ = self.flush();
            returned = shared.returned();
        }
    }

    /// What came back so far.
    pub fn returned(&self) -> Returned {
        self.shared.returned().clone()
    }

    /// Whether the other side has had enough.
    pub fn is_over(&self) -> bool {
        self.shared.returned().is_over()
    }

    /// Notes an end that only a failed write has shown.
    pub fn note_end(&self) {
        let mut returned = self.shared.returned();
        returned.end.get_or_insert(End::Reset);
        returned.ended_at.get_or_insert_with(Instant::now);
    }

    /// Sends nothing more.
    pub fn finish_sending(&self) {
        // If it is gone, it is finished.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The thread that reads has the socket too, and ends with this.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn read(mut stream: TcpStream, shared: &Shared) {
    let (mut input, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let end = match stream.read(&mut piece) {
            Ok(0) => Some(End::Closed),
            Ok(count) => {
                input.extend_from_slice(&piece[..count]);
                None
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => None,
            Err(_) => Some(End::Reset),
        };
        let mut returned = shared.returned();
        let mut at = 0;
        while let Some((frame, length)) = Frame::read(&input[at..]) {
            returned.note(&frame);
            at += length;
        }
        input.drain(..at);
        if end.is_some() {
            returned.end = end;
            returned.ended_at = Some(Instant::now());
        }
        drop(returned);
        shared.changed.notify_all();
        if end.is_some() {
            return;
        }
    }
}
