//! Loads that do not get in the way: requests made beforehand, answers only looked at for their status and their end, one
//! thread.
//!
//! A **closed** load sends the next request when it has the answer to the one before: it saturates what it is aimed at. An
//! **open** load sends by a schedule that does not depend on answers, and counts an answer's time from when its request
//! was due, whether a connection was free then or not; so what is slow once is seen in all that had to wait for it.
//!
//! Any answer but the expected one ends the run, and its report says why.

mod connection;
mod h1;
mod h2;
mod plan;
mod report;
mod requests;
mod run;
mod schedule;
mod transport;
mod websocket;

pub use plan::Plan;
pub use report::Report;
pub use run::Load;

use std::time::Instant;

/// What understands the answers on one connection.
trait Speech {
    /// Adds the next request, that was due then.
    fn send(&mut self, due: Instant, output: &mut Vec<u8>);

    /// Takes what came; adds when each of the requests was due that were answered with it. What is to be sent because of
    /// it is added to `output`. Bytes are taken all, or kept inside.
    ///
    /// # Errors
    /// When an answer is not the expected one, for people.
    fn receive(
        &mut self,
        bytes: &[u8],
        output: &mut Vec<u8>,
        answered: &mut Vec<Instant>,
    ) -> Result<(), String>;

    /// Whether requests may be sent: not before a handshake of the protocol itself.
    fn is_ready(&self) -> bool {
        true
    }
}
