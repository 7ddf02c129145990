//! What workers and the engine say to each other.

use crate::listen::Arrival;
use policy::model::Drain;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;

/// Messages that may wait for a worker. Connections beyond that stay with the worker that accepted them.
const WAITING_MAX: usize = 1024;

/// A connection handed over by the worker that accepted it.
pub type Given = (OwnedFd, Arrival);

/// What all workers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Serve.
    Serve,
    /// Let what is running finish, then end.
    Drain(Drain),
    /// End now.
    Stop,
}

/// The mailboxes of all workers, and how much each of them has to do.
pub struct Mailboxes {
    workers: Vec<Mailbox>,
    order: watch::Sender<Order>,
}

/// On cache lines of its own: each worker writes its load often.
#[repr(align(128))]
struct Mailbox {
    sender: Sender<Given>,
    connections: AtomicUsize,
}

impl Mailboxes {
    /// A mailbox for each of `workers`, and its receiving end.
    pub fn new(workers: usize) -> (Mailboxes, Vec<Receiver<Given>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| channel(WAITING_MAX)).unzip();
        let workers =
            senders.into_iter().map(|sender| Mailbox { sender, connections: AtomicUsize::new(0) }).collect();
        (Mailboxes { workers, order: watch::Sender::new(Order::Serve) }, receivers)
    }

    /// The order of the day, and each later one.
    pub fn orders(&self) -> watch::Receiver<Order> {
        self.order.subscribe()
    }

    /// Gives an order to all workers.
    pub fn command(&self, order: Order) {
        self.order.send_replace(order);
    }

    /// Number of connections that a worker serves.
    pub fn load(&self, worker: usize) -> usize {
        self.workers[worker].connections.load(Ordering::Relaxed)
    }

    /// Says how many connections `worker` serves.
    pub fn set_load(&self, worker: usize, connections: usize) {
        self.workers[worker].connections.store(connections, Ordering::Relaxed);
    }

    /// The worker with the fewest connections.
    pub fn least_loaded(&self) -> usize {
        (0..self.workers.len()).min_by_key(|worker| self.load(*worker)).unwrap_or(0)
    }

    /// Hands a connection over without waiting.
    ///
    /// # Errors
    /// Gives it back when the mailbox is full or the worker has ended.
    pub fn give(&self, worker: usize, given: Given) -> Result<(), Given> {
        self.workers[worker].sender.try_send(given).map_err(|error| match error {
            TrySendError::Full(given) | TrySendError::Closed(given) => given,
        })
    }
}
