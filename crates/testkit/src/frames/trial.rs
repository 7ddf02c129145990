//! What an attack costs a server, and what honest clients notice of it.
//!
//! Four measurements one after the other, so that none disturbs another: memory with a few hostile connections that
//! are all open at once; how one ends whose frames come in small portions, so that the server can act on each;
//! processor time for a number of hostile frames, over as many connections as the server lets them be sent on; and
//! the times of honest requests, without and with hostile connections beside them.

use super::honest::{Requests, Served};
use super::process::{Peak, Processes};
use super::{Attack, Outcome, Plan, Returned};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A server under attack.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it runs in.
    pub processes: Processes,
}

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Hostile connections that are open at once, when memory is measured.
    pub connections: u64,
    /// Hostile frames on one connection; of stalls, streams.
    pub frames: u64,
    /// How long a hostile connection is kept at most.
    pub held: Duration,
    /// How long honest requests are made, once without and once with hostile connections.
    pub honest: Duration,
    /// How often.
    pub rounds: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What came of a hostile connection whose frames came in small portions.
    pub paced: Paced,
    /// Growth of memory for each hostile connection, in bytes.
    pub memory: u64,
    /// What it took to serve hostile connections.
    pub processor: Processor,
    /// Honest requests alone, a figure for each round.
    pub quiet: Vec<Served>,
    /// Honest requests beside it, a figure for each round.
    pub beside: Vec<Served>,
}

/// What came of one hostile connection.
#[derive(Clone, Debug)]
pub struct Paced {
    /// What came back.
    pub returned: Returned,
    /// Hostile frames that were sent on it until then.
    pub frames: u64,
    /// How long it lived.
    pub lived: Duration,
}

/// Processor time.
#[derive(Clone, Copy, Debug)]
pub struct Processor {
    /// Spent in all.
    pub spent: Duration,
    /// Hostile frames that it was spent on.
    pub frames: u64,
    /// Connections on which they were.
    pub connections: u64,
}

impl Processor {
    /// For a thousand hostile frames.
    pub fn per_thousand_frames(&self) -> Duration {
        self.spent.div_f64(self.frames.max(1) as f64 / 1000.0)
    }

    /// For a hostile connection.
    pub fn per_connection(&self) -> Duration {
        self.spent.div_f64(self.connections.max(1) as f64)
    }
}

impl Figures {
    /// The median of the rounds, alone and beside it.
    pub fn p99(&self) -> (Duration, Duration) {
        let median = |rounds: &[Served]| {
            let mut times: Vec<Duration> = rounds.iter().map(Served::p99).collect();
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        (median(&self.quiet), median(&self.beside))
    }

    /// Honest requests that were answered well beside it, and that were not.
    pub fn beside_counts(&self) -> (u64, u64) {
        let answered = self.beside.iter().map(|served| served.times.len() as u64).sum();
        (answered, self.beside.iter().map(|served| served.failed).sum())
    }
}

/// Frames of a small portion, and the pause after each: two hostile connections send twenty thousand a second, which is
/// far below what saturates a processor and far above what anybody honest does.
const PORTION: (u64, Duration) = (10, Duration::from_millis(1));

impl Subject {
    /// All of it. The server should be new, so that no memory of earlier attacks is used again.
    ///
    /// # Errors
    /// When no connection is to be had, or the server is gone.
    pub fn measure(&self, attack: &Attack, extent: &Extent) -> io::Result<Figures> {
        // What grows once, with the first requests, does not count.
        Requests::during(self.address, Duration::from_millis(100));
        let plan = || self.plan(attack, extent);
        let memory = self.memory(attack, extent.connections, plan)?;
        let paced = (attack.run)(self.address, &plan().paced(attack.batch.min(PORTION.0), PORTION.1))?;
        let processor = self.processor(attack, plan)?;
        let (mut quiet, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..extent.rounds {
            let (without, with) = self.honest(attack, extent)?;
            quiet.push(without);
            beside.push(with);
        }
        let paced = Paced { frames: paced.frames, lived: paced.taken, returned: paced.returned };
        Ok(Figures { paced, memory, processor, quiet, beside })
    }

    /// Honest requests for a while alone, and for as long beside the attack.
    ///
    /// # Errors
    /// When no hostile connection is to be had.
    pub fn honest(&self, attack: &Attack, extent: &Extent) -> io::Result<(Served, Served)> {
        let quiet = Requests::during(self.address, extent.honest);
        Ok((quiet, self.beside(attack, extent)?))
    }

    fn plan(&self, attack: &Attack, extent: &Extent) -> Plan {
        Plan { count: extent.frames, batch: attack.batch, ..Plan::lasting(extent.held) }
    }

    /// Honest requests beside two hostile connections at any time, each followed by the next.
    fn beside(&self, attack: &Attack, extent: &Extent) -> io::Result<Served> {
        let requests = Requests::start(self.address);
        let plan = Plan { deadline: Instant::now() + extent.honest, ..self.plan(attack, extent) };
        let plan = plan.paced(attack.batch.min(PORTION.0), PORTION.1);
        let attackers: Vec<_> = (0..2)
            .map(|_| {
                let (address, run) = (self.address, attack.run);
                std::thread::spawn(move || {
                    while Instant::now() < plan.deadline {
                        run(address, &plan)?;
                    }
                    Ok(())
                })
            })
            .collect();
        let ended: io::Result<()> = attackers.into_iter().try_for_each(joined);
        let served = requests.stop();
        ended.map(|()| served)
    }

    /// Growth of memory for each of a few connections that are all open at once.
    fn memory(&self, attack: &Attack, connections: u64, plan: impl Fn() -> Plan) -> io::Result<u64> {
        let before = self.processes.resident()?;
        let peak = Peak::watch(&self.processes);
        let attackers: Vec<_> = (0..connections)
            .map(|_| {
                let (address, run, plan) = (self.address, attack.run, plan());
                std::thread::spawn(move || run(address, &plan))
            })
            .collect();
        // Open until all are done.
        let outcomes: Vec<Outcome> = attackers.into_iter().map(joined).collect::<io::Result<_>>()?;
        let grown = peak.most().saturating_sub(before);
        drop(outcomes);
        Ok(grown / connections.max(1))
    }

    fn processor(&self, attack: &Attack, plan: impl Fn() -> Plan) -> io::Result<Processor> {
        let started = self.processes.processor_time()?;
        let plan = plan();
        let (mut frames, mut connections) = (0, 0);
        while frames < plan.count && Instant::now() < plan.deadline {
            frames += (attack.run)(self.address, &Plan { count: plan.count - frames, ..plan })?.frames;
            connections += 1;
        }
        let spent = self.processes.processor_time()?.saturating_sub(started);
        Ok(Processor { spent, frames, connections })
    }
}

fn joined<T>(thread: std::thread::JoinHandle<io::Result<T>>) -> io::Result<T> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("an attacker panicked")))
}
