//! File descriptors are counted, so that they never run out for what has begun.
//!
//! Accepting pauses while what is left would not do for the connections to servers that are open or
//! likely to be; nothing else is held up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The count, shared by all workers. Touched when a connection opens or closes, never by a request.
#[derive(Debug)]
pub struct Descriptors {
    /// Clients and servers together may have this many before accepting pauses.
    accept_until: usize,
    open: AtomicUsize,
}

/// A client's connection; gives its descriptor back when dropped.
pub struct ClientPermit(Arc<Descriptors>);

/// A server's connection; gives its descriptor back when dropped.
pub struct ServerPermit(Arc<Descriptors>);

impl Descriptors {
    /// For a process that may have `limit` descriptors and uses `fixed` of them for other things.
    pub fn new(limit: usize, fixed: usize) -> Arc<Descriptors> {
        let free = limit.saturating_sub(fixed);
        // A quarter is kept for connections to servers; when few are left, half.
        let reserve = (free / 4).max(free.min(128) / 2);
        Arc::new(Descriptors { accept_until: (free - reserve).max(1), open: AtomicUsize::new(0) })
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
    fn ten_thousand_clients_fit_into_twenty_thousand_descriptors() {
        let descriptors = Descriptors::new(20_000, 100);
        let clients: Vec<_> = (0..10_000).map_while(|_| descriptors.client_permit()).collect();
        assert_eq!(clients.len(), 10_000);
    }
}
