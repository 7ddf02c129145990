//! A worker's idle connections to servers.

use super::Connection;
use crate::runtime;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// Idle connections kept per server and worker.
const KEPT_MAX: usize = 1024;

/// How long a server may take to end a stream whose answer is complete.
const STREAM_END: Duration = Duration::from_secs(5);

struct Idle {
    connection: Connection,
    /// Seconds on the worker's coarse clock.
    since: u32,
}

/// One stack per server. The latest is used first, so that those at the bottom grow old and are closed.
pub struct IdleConnections {
    start: Instant,
    now: Cell<u32>,
    servers: Vec<RefCell<VecDeque<Idle>>>,
}

impl IdleConnections {
    /// For `servers` servers.
    pub fn new(servers: usize) -> IdleConnections {
        IdleConnections {
            start: Instant::now(),
            now: Cell::new(0),
            servers: (0..servers).map(|_| RefCell::default()).collect(),
        }
    }

    /// The connection that was used last and is still open, if there is one.
    pub fn take(&self, server: usize) -> Option<Connection> {
        let mut stack = self.servers[server].borrow_mut();
        while let Some(Idle { mut connection, .. }) = stack.pop_back() {
            if connection.stream.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for later, if it is one that can be kept.
    pub fn give(&self, server: usize, mut connection: Connection) {
        if connection.stream.is_multiplexed() {
            return end_stream(connection);
        }
        let mut stack = self.servers[server].borrow_mut();
        if stack.len() < KEPT_MAX && connection.stream.is_quiet() {
            connection.reused = true;
            stack.push_back(Idle { connection, since: self.now.get() });
        }
    }

    /// Closes all connections to a server.
    pub fn clear(&self, server: usize) {
        self.servers[server].borrow_mut().clear();
    }

    /// Closes one connection, whichever is oldest at hand, because descriptors have run out.
    pub fn evict_one(&self) -> bool {
        self.servers.iter().any(|stack| stack.borrow_mut().pop_front().is_some())
    }

    /// Closes connections that have been idle for long (as `limit` says per server), and those that the
    /// server has closed. To be called about once a second.
    pub fn sweep(&self, limit: impl Fn(usize) -> Duration) {
        let now = u32::try_from(self.start.elapsed().as_secs()).unwrap_or(u32::MAX);
        self.now.set(now);
        for (server, stack) in self.servers.iter().enumerate() {
            let mut stack = stack.borrow_mut();
            if stack.is_empty() {
                continue;
            }
            let limit = limit(server).as_secs();
            stack
                .retain_mut(|idle| u64::from(now - idle.since) <= limit && idle.connection.stream.is_quiet());
        }
    }
}

/// Lets the server end a stream whose answer is complete. Dropped before, it would be reset, and servers count resets.
fn end_stream(mut connection: Connection) {
    if connection.stream.poll_end(&mut Context::from_waker(Waker::noop())).is_ready() {
        return;
    }
    runtime::spawn(async move {
        let end = poll_fn(|cx| connection.stream.poll_end(cx));
        // Either way nothing is to be done.
        let _ = runtime::timeout(STREAM_END, end).await;
    });
}
