//! Processes that run beside a task and end with it, and the addresses that they are given.

use crate::run::{Failure, command};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// How long a process may take to end before it is killed.
const END_LIMIT: Duration = Duration::from_secs(15);

/// A process that ends when this is dropped.
pub struct Process(pub Child);

impl Process {
    /// Its id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    /// Ends it, if it has not ended by itself, and says how it went.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn end(&mut self) -> Result<ExitStatus, Failure> {
        // The id of one that is gone may be another's by now.
        if self.ended().is_none() {
            // TERM, so that children end too.
            let _ = command("kill", &["-TERM", &self.id().to_string()]).status();
        }
        let deadline = Instant::now() + END_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
        Err(format!("a process had to be killed, {} s after TERM", END_LIMIT.as_secs()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Who cares how it went has called it before.
        let _ = self.end();
    }
}

/// An address of this machine that nobody listens on.
///
/// # Errors
/// When no socket can be had.
pub fn free_address() -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.to_string()).map_err(|error| error.to_string())
}

/// The port of an address.
pub fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or(address)
}

/// Waits until something listens there.
///
/// # Errors
/// When nothing does for ten seconds.
pub fn wait_for(address: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(format!("nothing listens on {address}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// How many files a process may have open: as it is, and as far as a process may raise that itself.
pub fn descriptors() -> (u64, u64) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let word = |at| line.split_whitespace().nth(at).and_then(|word: &str| word.parse().ok()).unwrap_or(0);
    (word(3), word(4))
}
