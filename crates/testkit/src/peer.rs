//! Servers that misbehave by a script, and remember what was sent to them.

use crate::client::reset;
use crate::message::{Body, Head};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a script waits for anything.
const LIMIT: Duration = Duration::from_secs(20);

/// A gate at which connections wait until it is opened, all its clones at once.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets everybody pass from now on.
    pub fn open(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    fn pass(&self) -> io::Result<()> {
        let is_open = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(is_open, LIMIT, |is_open| !*is_open);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

/// One thing that a scripted server does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads one whole request, its body included.
    ReadRequest,
    /// Reads a request's head and nothing more of it than came with the head.
    ReadHead,
    /// Waits until bytes are there, and leaves them unread: closing now resets.
    AwaitBytes,
    /// Reads until the other side closes.
    ReadToEnd,
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends bytes one at a time with a pause between.
    SendSlowly(Vec<u8>, Duration),
    /// Waits.
    Pause(Duration),
    /// Waits until the gate is opened.
    Await(Gate),
    /// Reads exactly so many bytes behind what earlier steps took.
    Read(usize),
    /// Sends nothing more, but still reads.
    FinishSending,
    /// Ends the connection with a reset.
    Reset,
    /// Ends the connection.
    Close,
}

/// A server that follows scripts: the first connection the first one, and so on; the last script is for all
/// connections after it too. A connection whose script ends is closed.
#[derive(Debug)]
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

/// What one connection saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Every byte that was read.
    pub bytes: Vec<u8>,
    /// Whether its script is over, or gave up because the other side was gone.
    pub over: bool,
    /// Whether a step found the connection ended by the other side.
    pub ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    connections: Mutex<Vec<Seen>>,
    changed: Condvar,
    stopping: AtomicBool,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Vec<Seen>> {
        // A panic of another thread is reported by that thread.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.connections().get_mut(index) {
            change(seen);
        }
        self.changed.notify_all();
    }
}

impl Peer {
    /// Starts one on a free port; `scripts` must not be empty.
    ///
    /// # Errors
    /// When no socket or thread can be had.
    pub fn start(scripts: Vec<Vec<Step>>) -> io::Result<Peer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("peer".to_owned())
            .spawn(move || accept(&listener, scripts.into(), &for_thread))?;
        Ok(Peer { address, shared })
    }

    /// One that answers every request of every connection with these bytes.
    ///
    /// # Errors
    /// When no socket or thread can be had.
    pub fn answering(answer: impl Into<Vec<u8>>) -> io::Result<Peer> {
        Peer::start(vec![vec![Step::ReadRequest, Step::Send(answer.into()), Step::Close]])
    }

    /// What all connections saw so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.connections().clone()
    }

    /// Waits until what was seen is as wanted; whether that came to pass in time.
    pub fn wait(&self, wanted: impl Fn(&[Seen]) -> bool) -> bool {
        let deadline = Instant::now() + LIMIT;
        let mut connections = self.shared.connections();
        loop {
            if wanted(&connections) {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            let waited = self.shared.changed.wait_timeout(connections, left);
            connections = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if nobody accepts any more, it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, mut scripts: VecDeque<Vec<Step>>, shared: &Arc<Shared>) {
    for stream in listener.incoming().flatten() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let script = if scripts.len() > 1 { scripts.pop_front() } else { scripts.front().cloned() };
        let index = {
            let mut connections = shared.connections();
            connections.push(Seen::default());
            connections.len() - 1
        };
        shared.changed.notify_all();
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            follow(stream, &script.unwrap_or_default(), &shared, index);
            shared.change(index, |seen| seen.over = true);
        });
    }
}

/// One connection of a peer.
struct Connection<'a> {
    stream: TcpStream,
    input: Vec<u8>,
    shared: &'a Shared,
    index: usize,
}

fn follow(stream: TcpStream, script: &[Step], shared: &Shared, index: usize) {
    // If these fail the connection is gone, and the steps find that out.
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(LIMIT));
    let _ = stream.set_write_timeout(Some(LIMIT));
    let mut connection = Connection { stream, input: Vec::new(), shared, index };
    for step in script {
        match step {
            Step::Reset => return reset(connection.stream),
            Step::Close => return,
            step => {
                if connection.take(step).is_err() {
                    connection.shared.change(index, |seen| seen.ended = true);
                    return;
                }
            }
        }
    }
}

impl Connection<'_> {
    fn take(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::ReadRequest => {
                let mut body = self.read_head()?.request_body().map_err(io::Error::other)?;
                self.read_body(&mut body)
            }
            Step::ReadHead => self.read_head().map(drop),
            Step::AwaitBytes => match self.stream.peek(&mut [0])? {
                0 => Err(ErrorKind::UnexpectedEof.into()),
                _ => Ok(()),
            },
            Step::ReadToEnd => {
                while self.read_more().is_ok() {}
                self.shared.change(self.index, |seen| seen.ended = true);
                Ok(())
            }
            Step::Send(bytes) => self.stream.write_all(bytes),
            Step::SendSlowly(bytes, pause) => bytes.iter().try_for_each(|byte| {
                std::thread::sleep(*pause);
                self.stream.write_all(&[*byte])
            }),
            Step::Pause(time) => {
                std::thread::sleep(*time);
                Ok(())
            }
            Step::Await(gate) => gate.pass(),
            Step::Read(count) => {
                while self.input.len() < *count {
                    self.read_more()?;
                }
                self.input.drain(..*count);
                Ok(())
            }
            Step::FinishSending => self.stream.shutdown(Shutdown::Write),
            // Both consume the connection and are done by the caller.
            Step::Reset | Step::Close => Ok(()),
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        let count = self.stream.read(&mut piece)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.input.extend_from_slice(&piece[..count]);
        self.shared.change(self.index, |seen| seen.bytes.extend_from_slice(&piece[..count]));
        Ok(())
    }

    fn read_head(&mut self) -> io::Result<Head> {
        loop {
            if let Some((head, length)) = Head::parse(&self.input).map_err(io::Error::other)? {
                self.input.drain(..length);
                return Ok(head);
            }
            self.read_more()?;
        }
    }

    fn read_body(&mut self, body: &mut Body) -> io::Result<()> {
        loop {
            body.feed(&mut self.input, &mut Vec::new()).map_err(io::Error::other)?;
            if body.is_complete() {
                return Ok(());
            }
            self.read_more()?;
        }
    }
}
