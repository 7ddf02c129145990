//! Processes that run beside a task and end with it, and the addresses that they are given.

use crate::run::{Failure, command};
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::time::{Duration, Instant};

/// A process that ends when this is dropped.
pub struct Process(pub Child);

impl Process {
    /// Its id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        // TERM, so that children end too.
        let _ = command("kill", &["-TERM", &pid]).status();
        let _ = self.0.wait();
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
