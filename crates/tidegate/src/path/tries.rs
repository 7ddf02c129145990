//! What was tried for a request, and how often it may be.

use crate::error::ProxyError;
use crate::worker::Worker;
use policy::decide::{Excluded, Pick};
use std::time::Duration;

/// Attempts for one request at most, those aside that failed at once and before anything was sent: of these there may
/// be one for each server.
const ATTEMPTS_MAX: u32 = 3;

/// A connect that failed within that long failed at once. A server that is refused, or that no route leads to, is found
/// out in a round trip; a neighbour that does not answer to its address takes seconds.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Kept connections that may turn out to be closed before a request gives up. After the first one all others to that
/// server are thrown away, so more than one means that several servers have gone at once.
const STALE_MAX: u32 = 3;

/// Attempts that servers say they have not looked at. A server that takes a few requests on each connection and then
/// leaves may say so to a request among many several times.
const UNPROCESSED_MAX: u32 = 30;

/// Why an attempt did no harm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The server itself has said that it did not look at the request: it leaves the connection, or has enough streams.
    Unprocessed,
    /// A kept connection was closed meanwhile.
    Stale,
    /// It failed, but may be done twice.
    Failed,
    /// It was answered, but in a way that this other server may do better than.
    PassedOver {
        /// That server.
        instead: Pick,
    },
}

/// What was tried for a request.
#[derive(Default)]
pub struct Tries {
    /// Servers that are not tried again.
    pub excluded: Excluded,
    /// Attempts.
    pub count: u32,
    /// Of these, the ones that count against [`ATTEMPTS_MAX`].
    costly: u32,
    /// Of these, the ones over kept connections that were closed meanwhile.
    stale: u32,
    /// Of these, the ones that servers have not looked at.
    unprocessed: u32,
    /// Of these, the ones whose answers were passed over.
    pub passed_over: u32,
    /// When the last one failed, from the request's start on; the next one begins then.
    pub last_failed: Duration,
}

impl Tries {
    /// No connection to that server came about, `now` after the request's start. Nothing was sent, so this costs nothing
    /// but time.
    pub fn not_connected(&mut self, pick: Pick, error: &ProxyError, now: Duration) {
        let at_once = matches!(error, ProxyError::Connect(_)) && now - self.last_failed < AT_ONCE;
        self.costly += u32::from(!at_once);
        self.excluded.add(pick.pool, pick.server);
        self.last_failed = now;
    }

    /// Whether there may be another attempt.
    pub fn may_go_on(&self) -> bool {
        self.costly < ATTEMPTS_MAX
    }

    /// An attempt at that server did no harm; gives the server of the next one, if that is known already.
    pub async fn again(&mut self, worker: &Worker, pick: Pick, kind: Again) -> Option<Pick> {
        match kind {
            // Neither says anything about the server, but about the other connections to it that are kept.
            Again::Stale if self.stale < STALE_MAX => {
                self.stale += 1;
                worker.idle.clear(worker.server_number(pick));
            }
            Again::Unprocessed if self.unprocessed < UNPROCESSED_MAX => {
                self.unprocessed += 1;
                pause(self.unprocessed).await;
            }
            Again::PassedOver { instead } => {
                self.passed_over += 1;
                self.excluded.add(pick.pool, pick.server);
                return Some(instead);
            }
            _ => {
                self.costly += 1;
                self.excluded.add(pick.pool, pick.server);
            }
        }
        None
    }
}

/// A server that has had enough is given a moment, longer each time.
async fn pause(unprocessed: u32) {
    const FREE: u32 = 3;
    match unprocessed.checked_sub(FREE) {
        None | Some(0) => crate::runtime::yield_now().await,
        Some(more) => crate::runtime::sleep(Duration::from_millis(1 << more.min(5))).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::model::PoolId;
    use std::io::{Error, ErrorKind};

    #[test]
    fn only_what_costs_time_counts_against_the_attempts() {
        let refused = || ProxyError::Connect(Error::from(ErrorKind::ConnectionRefused));
        let unreachable = || ProxyError::Connect(Error::from(ErrorKind::HostUnreachable));
        let mut tries = Tries::default();
        // In milliseconds from the request's start on: what failed then, and what it adds to.
        for (server, (now, error, costly)) in [
            (1, refused(), 0),
            (2, refused(), 0),
            (3, unreachable(), 0),
            (3003, unreachable(), 1),
            (3004, refused(), 1),
            (8004, ProxyError::ConnectTimeout, 2),
            (8005, refused(), 2),
            (8006, ProxyError::Exhausted, 3),
        ]
        .into_iter()
        .enumerate()
        {
            let pick = Pick { pool: PoolId(0), server, moved: false };
            tries.not_connected(pick, &error, Duration::from_millis(now));
            assert_eq!(tries.costly, costly, "{now} ms: {error}");
            assert!(tries.excluded.contains(pick.pool, server));
        }
    }
}
