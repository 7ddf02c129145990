//! HTTP/2 peers that write any frame, the known ways of wearing out a server with them, and what each costs it.
//!
//! [`frame`] and [`hpack`] make bytes, [`connection`] sends them and notes what comes back, [`floods`] and
//! [`stalls`] are the attacks, [`honest`] asks as an ordinary client does meanwhile, [`process`] and [`trial`]
//! measure the server. Everything is bounded in number and time by a [`Plan`], and meant for servers on loopback
//! that the caller has started.

pub mod connection;
pub mod floods;
pub mod frame;
pub mod honest;
pub mod hpack;
pub mod process;
pub mod returned;
pub mod stalls;
pub mod trial;

pub use connection::Connection;
pub use returned::Returned;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a close may follow a GOAWAY, and the last answers the last frame.
pub const SETTLE: Duration = Duration::from_secs(1);

/// The payload of the PING behind a flood.
const FENCE: u64 = u64::from_be_bytes(*b"thefence");

/// How much of an attack there is to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Hostile frames at most; of stalls, streams.
    pub count: u64,
    /// Frames that are sent at once.
    pub batch: u64,
    /// Between two of these, or two of the steps of a stall.
    pub pause: Duration,
    /// When it ends in any case.
    pub deadline: Instant,
    /// Whether it goes on after a GOAWAY, until it cannot.
    pub relentless: bool,
}

impl Plan {
    /// So many frames as fast as the server takes them, within ten seconds.
    pub fn of(count: u64) -> Plan {
        Plan { count, ..Plan::lasting(Duration::from_secs(10)) }
    }

    /// Frames without end until this time has passed.
    pub fn lasting(time: Duration) -> Plan {
        let deadline = Instant::now() + time;
        Plan { count: u64::MAX, batch: 100, pause: Duration::ZERO, deadline, relentless: false }
    }

    /// The same with fewer frames at once and a pause between.
    pub fn paced(self, batch: u64, pause: Duration) -> Plan {
        Plan { batch, pause, ..self }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn pause(&self) {
        if !self.pause.is_zero() {
            std::thread::sleep(self.pause.min(self.left()));
        }
    }
}

/// What came of an attack. Its connection is open for as long as this lives, unless the server closed it.
#[derive(Debug)]
pub struct Outcome {
    /// Hostile frames that were sent.
    pub frames: u64,
    /// From the first byte until the server had enough; until the attack was over where it never had.
    pub taken: Duration,
    /// What came back.
    pub returned: Returned,
    connection: Connection,
}

impl Outcome {
    fn of(connection: Connection, started: Instant) -> Outcome {
        let returned = connection.returned();
        let taken = returned.over_at().unwrap_or_else(Instant::now).saturating_duration_since(started);
        Outcome { frames: connection.hostile_frames(), taken, returned, connection }
    }

    /// The connection on which it was.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// An attack as a row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// What we call it.
    pub name: &'static str,
    /// Frames of it that are sent at once.
    pub batch: u64,
    /// How it is done.
    pub run: fn(SocketAddr, &Plan) -> io::Result<Outcome>,
}

/// Repeats `one` until the plan is done or the server has had enough, then lets it settle.
fn repeat(mut connection: Connection, plan: &Plan, mut one: impl FnMut(&mut Connection, u64)) -> Outcome {
    let started = Instant::now();
    let mut round = 0;
    while connection.hostile_frames() < plan.count && !plan.left().is_zero() {
        let until = connection.hostile_frames().saturating_add(plan.batch).min(plan.count);
        while connection.hostile_frames() < until {
            one(&mut connection, round);
            round += 1;
        }
        if connection.flush().is_err() || (!plan.relentless && connection.is_over()) {
            break;
        }
        plan.pause();
    }
    settle(&mut connection, plan);
    Outcome::of(connection, started)
}

/// Waits until the server has read everything, or closes behind a GOAWAY.
fn settle(connection: &mut Connection, plan: &Plan) {
    let limit = SETTLE.min(plan.left());
    if !connection.is_over() {
        connection.frame(&frame::Frame::ping(FENCE));
        // If it is gone, that is what comes back.
        let _ = connection.flush();
        connection.wait(limit, |returned| returned.is_over() || returned.fenced);
    }
    if connection.is_over() {
        connection.wait(limit, |returned| returned.end.is_some());
    }
}
