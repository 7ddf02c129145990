//! File descriptors are counted, so that they never run out for what has begun.
//!
//! Accepting pauses while what is left would not do for the connections to servers that are open or
//! likely to be; nothing else is held up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of this many descriptors, one may be a pipe's.
const PIPES_SHARE: usize = 8;

/// The count, shared by all workers. Touched when a connection opens or closes, never by a request.
#[derive(Debug)]
pub struct Descriptors {
    /// Clients and servers together may have this many before accepting pauses.
    accept_until: usize,
    open: AtomicUsize,
    /// There may be this many pipes: they save work, and connections come first.
    pipes_max: usize,
    pipes: AtomicUsize,
}

/// A client's connection; gives its descriptor back when dropped.
pub struct ClientPermit(Arc<Descriptors>);

/// A server's connection; gives its descriptor back when dropped.
pub struct ServerPermit(Arc<Descriptors>);

/// A pipe; gives its two descriptors back when dropped.
pub struct PipePermit(Arc<Descriptors>);

impl Descriptors {
    /// For a process that may have `limit` descriptors and uses `fixed` of them for other things.
    pub fn new(limit: usize, fixed: usize) -> Arc<Descriptors> {
        let free = limit.saturating_sub(fixed);
        // A quarter is kept for connections to servers; when few are left, half.
        let reserve = (free / 4).max(free.min(128) / 2);
        Arc::new(Descriptors {
            accept_until: (free - reserve).max(1),
            open: AtomicUsize::new(0),
            pipes_max: free / PIPES_SHARE / 2,
            pipes: AtomicUsize::new(0),
        })
    }

    /// The soft limit and the descriptors in use now.
    pub fn of_this_process() -> Arc<Descriptors> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        // Where /proc cannot be read, a cautious guess.
        let open = std::fs::read_dir("/proc/self/fd").map_or(64, Iterator::count);
        Descriptors::new(limit, open + 16)
    }

    /// Leave for one more client, or `None` when accepting is to pause.
    pub fn client_permit(self: &Arc<Self>) -> Option<ClientPermit> {
        if self.open.fetch_add(1, Ordering::Relaxed) < self.accept_until {
            Some(ClientPermit(Arc::clone(self)))
        } else {
            self.open.fetch_sub(1, Ordering::Relaxed);
            None
        }
    }

    /// Whether accepting pauses now.
    pub fn are_short(&self) -> bool {
        self.open.load(Ordering::Relaxed) >= self.accept_until
    }

    /// Notes one more connection to a server. Never refused: the kernel has the last word there.
    pub fn server_permit(self: &Arc<Self>) -> ServerPermit {
        self.open.fetch_add(1, Ordering::Relaxed);
        ServerPermit(Arc::clone(self))
    }

    /// Leave for one more pipe, or `None` when its descriptors are for connections.
    pub fn pipe_permit(self: &Arc<Self>) -> Option<PipePermit> {
        if self.are_short() {
            return None;
        }
        if self.pipes.fetch_add(1, Ordering::Relaxed) < self.pipes_max {
            self.open.fetch_add(2, Ordering::Relaxed);
            Some(PipePermit(Arc::clone(self)))
        } else {
            self.pipes.fetch_sub(1, Ordering::Relaxed);
            None
        }
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for ServerPermit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for PipePermit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(2, Ordering::Relaxed);
        self.0.pipes.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepting_pauses_before_descriptors_run_out() {
        let descriptors = Descriptors::new(100, 20);
        let clients: Vec<_> = std::iter::from_fn(|| descriptors.client_permit()).collect();
        assert_eq!(clients.len(), 40);
        let server = descriptors.server_permit();
        drop(clients);
        assert!(descriptors.client_permit().is_some());
        drop(server);
        assert_eq!(descriptors.open.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn pipes_leave_descriptors_to_connections() {
        let descriptors = Descriptors::new(100, 20);
        let pipes: Vec<_> = std::iter::from_fn(|| descriptors.pipe_permit()).collect();
        assert_eq!(pipes.len(), 5);
        let clients: Vec<_> = std::iter::from_fn(|| descriptors.client_permit()).collect();
        assert_eq!(clients.len(), 30);
        drop(pipes);
        let clients_again: Vec<_> = std::iter::from_fn(|| descriptors.client_permit()).collect();
        assert_eq!(clients_again.len(), 10);
        assert!(descriptors.pipe_permit().is_none(), "none while accepting pauses");
        drop((clients, clients_again));
        assert_eq!(descriptors.open.load(Ordering::Relaxed), 0);
        assert_eq!(descriptors.pipes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn ten_thousand_clients_fit_into_twenty_thousand_descriptors() {
        let descriptors = Descriptors::new(20_000, 100);
        let clients: Vec<_> = (0..10_000).map_while(|_| descriptors.client_permit()).collect();
        assert_eq!(clients.len(), 10_000);
    }
}
