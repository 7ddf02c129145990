//! What workers and the engine say to each other.

use crate::listen::Arrival;
use policy::model::Drain;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Messages that may wait for a worker. Connections beyond that stay with the worker that accepted them.
const WAITING_MAX: usize = 1024;

/// Something for a worker to do.
pub enum Message {
    /// Serve this connection.
    Connection(std::net::TcpStream, Arrival),
    /// Let what is running finish, then end.
    Drain(Drain),
    /// End now.
    Stop,
}

/// The mailboxes of all workers, and how much each of them has to do.
pub struct Mailboxes(Vec<Mailbox>);

/// On cache lines of its own: each worker writes its load often.
#[repr(align(128))]
struct Mailbox {
    sender: Sender<Message>,
    connections: AtomicUsize,
}

impl Mailboxes {
    /// A mailbox for each of `workers`.
    pub fn new(workers: usize) -> (Mailboxes, Vec<Receiver<Message>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| channel(WAITING_MAX)).unzip();
        let boxes =
            senders.into_iter().map(|sender| Mailbox { sender, connections: AtomicUsize::new(0) }).collect();
        (Mailboxes(boxes), receivers)
    }

    /// Number of connections that a worker serves.
    pub fn load(&self, worker: usize) -> usize {
        self.0[worker].connections.load(Ordering::Relaxed)
    }

    /// Says how many connections `worker` serves.
    pub fn set_load(&self, worker: usize, connections: usize) {
        self.0[worker].connections.store(connections, Ordering::Relaxed);
    }

    /// The worker with the fewest connections.
    pub fn least_loaded(&self) -> usize {
        (0..self.0.len()).min_by_key(|worker| self.load(*worker)).unwrap_or(0)
    }

    /// Sends without waiting.
    ///
    /// # Errors
    /// Gives the message back when the mailbox is full or the worker has ended.
    pub fn send(&self, worker: usize, message: Message) -> Result<(), Message> {
        self.0[worker].sender.try_send(message).map_err(|error| match error {
            tokio::sync::mpsc::error::TrySendError::Full(message)
            | tokio::sync::mpsc::error::TrySendError::Closed(message) => message,
        })
    }

    /// Sends to all, waiting for room. Not for use on a worker.
    pub fn tell_all(&self, message: impl Fn() -> Message) {
        for mailbox in &self.0 {
            // A worker that has ended needs no telling.
            let _ = mailbox.sender.blocking_send(message());
        }
    }
}
