//! What an attack costs a server, and what honest clients notice of it.
//!
//! Three measurements one after the other, so that none disturbs another: memory with a few hostile connections that
//! are all open at once; processor time for a number of hostile frames, over as many connections as the server lets
//! them be sent on; and the times of honest requests, without and then with hostile connections beside them.

use super::honest::{Requests, Served};
use super::process::{Peak, Processes};
use super::{Attack, Outcome, Plan};
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
    /// How long stalls are held, floods repeated, and honest requests made.
    pub time: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How the first hostile connection ended.
    pub how: String,
    /// Hostile frames that were sent on it when it did.
    pub frames: u64,
    /// How long it lived.
    pub lived: Duration,
    /// Growth of memory for each hostile connection, in bytes.
    pub memory: u64,
    /// Hostile frames in all, when processor time was measured.
    pub frames_measured: u64,
    /// Processor time for a thousand of them.
    pub processor: Duration,
    /// Honest requests before.
    pub quiet: Served,
    /// Honest requests beside it.
    pub beside: Served,
}

impl Subject {
    /// All of it. The server should be new, so that no memory of earlier attacks is used again.
    ///
    /// # Errors
    /// When no connection is to be had, or the server is gone.
    pub fn try_flood(&self, attack: &Attack, extent: &Extent) -> io::Result<Figures> {
        let quiet = self.quiet(extent);
        let plan = || Plan { deadline: Instant::now() + extent.time, ..self.plan(attack, extent) };
        let (memory, first) = self.memory(attack, extent, plan)?;
        let (frames_measured, processor) = self.processor(attack, plan)?;
        let beside = self.beside(attack, extent)?;
        Ok(Figures {
            how: first.returned.how(),
            frames: first.frames,
            lived: first.taken,
            memory,
            frames_measured,
            processor,
            quiet,
            beside,
        })
    }

    fn plan(&self, attack: &Attack, extent: &Extent) -> Plan {
        Plan { count: extent.frames, batch: attack.batch, ..Plan::lasting(extent.time) }
    }

    /// Honest requests alone.
    pub fn quiet(&self, extent: &Extent) -> Served {
        Requests::during(self.address, extent.time)
    }

    /// Honest requests beside two hostile connections at any time, each followed by the next.
    ///
    /// # Errors
    /// When no hostile connection is to be had.
    pub fn beside(&self, attack: &Attack, extent: &Extent) -> io::Result<Served> {
        let requests = Requests::start(self.address);
        let plan = self.plan(attack, extent).paced(attack.batch, Duration::from_millis(1));
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

    /// Growth of memory for each of a few connections that are all open at once; and what came of the first.
    fn memory(
        &self,
        attack: &Attack,
        extent: &Extent,
        plan: impl Fn() -> Plan,
    ) -> io::Result<(u64, Outcome)> {
        let before = self.processes.resident()?;
        let peak = Peak::watch(&self.processes);
        let attackers: Vec<_> = (0..extent.connections)
            .map(|_| {
                let (address, run, plan) = (self.address, attack.run, plan());
                std::thread::spawn(move || run(address, &plan))
            })
            .collect();
        let outcomes: Vec<Outcome> = attackers.into_iter().map(joined).collect::<io::Result<_>>()?;
        let grown = peak.most().saturating_sub(before);
        let first = outcomes.into_iter().next().ok_or_else(|| io::Error::other("no connection"))?;
        Ok((grown / extent.connections, first))
    }

    /// Frames sent over a number of connections, and processor time for a thousand of them.
    fn processor(&self, attack: &Attack, plan: impl Fn() -> Plan) -> io::Result<(u64, Duration)> {
        let started = self.processes.processor_time()?;
        let plan = plan();
        let mut frames = 0;
        while frames < plan.count && Instant::now() < plan.deadline {
            frames += (attack.run)(self.address, &Plan { count: plan.count - frames, ..plan })?.frames;
        }
        let spent = self.processes.processor_time()?.saturating_sub(started);
        let thousands = frames.max(1) as f64 / 1000.0;
        Ok((frames, spent.div_f64(thousands)))
    }
}

fn joined<T>(thread: std::thread::JoinHandle<io::Result<T>>) -> io::Result<T> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("an attacker panicked")))
}
