//! Ordinary requests beside an attack, and how long they take.
//!
//! They are for the host `honest`, where those of attacks are for `a`: with servers of their own, what keeps the servers
//! of an attack busy is not taken for what keeps the program busy.

use super::Connection;
use super::frame::Frame;
use super::hpack::Block;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Connections that ask at the same time, one request after the other.
const CONNECTIONS: usize = 2;

/// Between two requests of a connection: enough to leave the processor to others.
const PAUSE: Duration = Duration::from_millis(1);

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Requests that are running.
#[derive(Debug)]
pub struct Requests {
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Served>>,
}

/// What came of them.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// How long each answered request took, sorted.
    pub times: Vec<Duration>,
    /// Requests without a good answer.
    pub failed: u64,
}

impl Served {
    /// The time within which 99 of 100 were answered.
    pub fn p99(&self) -> Duration {
        let at = (self.times.len() * 99).div_ceil(100).saturating_sub(1);
        self.times.get(at).copied().unwrap_or(LIMIT)
    }
}

impl Requests {
    /// Starts them, on connections of their own.
    pub fn start(address: SocketAddr) -> Requests {
        let stopping = Arc::new(AtomicBool::new(false));
        let threads = (0..CONNECTIONS)
            .map(|_| {
                let stopping = Arc::clone(&stopping);
                std::thread::spawn(move || ask_until(address, &stopping))
            })
            .collect();
        Requests { stopping, threads }
    }

    /// Makes them for a while.
    pub fn during(address: SocketAddr, time: Duration) -> Served {
        let requests = Requests::start(address);
        std::thread::sleep(time);
        requests.stop()
    }

    /// Lets the last ones end.
    pub fn stop(self) -> Served {
        self.stopping.store(true, Ordering::SeqCst);
        let mut served = Served::default();
        for thread in self.threads {
            match thread.join() {
                Ok(one) => {
                    served.times.extend(one.times);
                    served.failed += one.failed;
                }
                Err(_) => served.failed += 1,
            }
        }
        served.times.sort_unstable();
        served
    }
}

fn ask_until(address: SocketAddr, stopping: &AtomicBool) -> Served {
    let mut served = Served::default();
    let head = Block::get("honest", "/size/100").0;
    let mut connection = None;
    while !stopping.load(Ordering::SeqCst) {
        // Servers may ask for another connection in good order, after so many requests.
        if connection.as_ref().is_none_or(Connection::is_over) {
            connection = Connection::open(address).ok();
        }
        match connection.as_mut().and_then(|connection| ask(connection, &head)) {
            Some(time) => served.times.push(time),
            None => {
                served.failed += 1;
                connection = None;
            }
        }
        std::thread::sleep(PAUSE);
    }
    served
}

/// Makes a request; how long it took, if it was answered well.
fn ask(connection: &mut Connection, head: &[u8]) -> Option<Duration> {
    let before = connection.returned();
    let started = Instant::now();
    let stream = connection.new_stream();
    connection.frame(&Frame::headers(stream, head, true));
    connection.flush().ok()?;
    let (ended, resets) = (before.ended_streams, before.reset_streams());
    connection
        .wait(LIMIT, |returned| returned.ended_streams > ended || returned.reset_streams() > resets)
        .then_some(())?;
    let time = started.elapsed();
    (connection.returned().heads_ok > before.heads_ok).then_some(time)
}
