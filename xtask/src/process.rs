//! Processes that run beside a task and end with it, and the addresses that they are given.

use crate::run::{Failure, command};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a process may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a process may take to end before it is killed.
const END_LIMIT: Duration = Duration::from_secs(15);

/// What free addresses are taken from.
const PORTS: Range<u16> = 20_000..32_000;

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

    /// Waits until it listens there.
    ///
    /// # Errors
    /// When it has ended, or does not for ten seconds.
    pub fn serves(&mut self, address: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.ended() {
                return Err(format!("it ended with {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("nothing listens on {address}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
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

/// An address of this machine that nobody listens on, nor will by chance: below the ports that the system gives to
/// clients, which other programs on a busy machine take at any moment.
///
/// # Errors
/// When none is found.
pub fn free_address() -> Result<String, Failure> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (0..PORTS.len())
        .map(|_| {
            // Tasks that run at the same time begin at different places.
            let at = std::process::id().wrapping_mul(17).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            PORTS.start + (at % PORTS.len() as u32) as u16
        })
        .find(|port| is_free(*port))
        .map(|port| format!("127.0.0.1:{port}"))
        .ok_or_else(|| format!("all ports of {PORTS:?} are taken"))
}

/// Whether nobody listens there, on whatever address: some programs want all of them.
fn is_free(port: u16) -> bool {
    let all = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
    let without_ipv6 = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Err(error),
        _ => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)),
    };
    all.or_else(without_ipv6).is_ok()
}

/// The port of an address.
pub fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or(address)
}

/// How many files a process may have open: as it is, and as far as a process may raise that itself.
pub fn descriptors() -> (u64, u64) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let word = |at| line.split_whitespace().nth(at).and_then(|word: &str| word.parse().ok()).unwrap_or(0);
    (word(3), word(4))
}
