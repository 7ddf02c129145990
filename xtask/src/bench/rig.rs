//! One workload: the programs side by side, in rounds.
//!
//! Rounds are interleaved and their order is reversed every other time, so that what drifts on the machine hits all
//! alike. What fails is told and takes nobody else along.

use super::load::{Answered, Load};
use super::measure::{median, private_bytes, processor_time};
use super::options::Options;
use super::result::{Cell, Offered, Row};
use super::subject::{Folder, Kind, Programs, Subject};
use super::syscalls::Counter;
use super::workload::{Routes, Workload};
use crate::run::Failure;
use std::time::Duration;

/// Seconds of load before anything counts, and of the run in which system calls are counted.
const SHORT_SECONDS: f64 = 0.3;

/// Seconds of each round at the offered rate.
const OFFERED_SECONDS: f64 = 1.0;

/// What all workloads share.
pub(super) struct Rig {
    /// What was asked for.
    pub options: Options,
    /// Where programs are.
    pub programs: Programs,
    /// Where configurations go.
    pub folder: Folder,
    /// The port that the origin has on every loopback address.
    pub origin_port: String,
    /// Who is compared.
    pub kinds: Vec<Kind>,
    /// What counts system calls, if anything does.
    pub counter: Option<Counter>,
}

/// A program in its cell.
struct Entry {
    cell: Cell,
    running: Option<Running>,
}

struct Running {
    subject: Subject,
    /// Connections that are open all the while.
    _idle: Option<Load>,
}

impl Rig {
    /// Measures a workload.
    pub fn row(&self, workload: &Workload) -> Row {
        println!("== {}: {}", workload.name, workload.title);
        let mut entries: Vec<Entry> = self.kinds.iter().map(|kind| self.entry(*kind, workload)).collect();
        for round in 0..self.options.rounds_of(workload) {
            in_turn(&mut entries, round, |entry| self.saturate(entry, workload));
        }
        in_turn(&mut entries, 0, |entry| self.count(entry, workload));
        let rate = workload.offered.then(|| rate(&entries)).flatten();
        if let Some(rate) = rate {
            for round in 0..self.options.offered_rounds_of(workload) {
                in_turn(&mut entries, round, |entry| offer(entry, workload, rate));
            }
        }
        let mut row = Row {
            name: workload.name.to_owned(),
            title: workload.title.to_owned(),
            load: workload.load.to_owned(),
            curve: workload.curve.map(|(name, at)| (name.to_owned(), at)),
            offered_per_second: rate,
            cells: entries.into_iter().map(|entry| entry.cell).collect(),
            comparison: None,
        };
        row.compare();
        tell(&row);
        row
    }

    /// Starts a program, with its idle connections.
    fn entry(&self, kind: Kind, workload: &Workload) -> Entry {
        let mut cell = Cell { name: kind.name().to_owned(), ..Cell::default() };
        if let Some(why) = workload.leaves_out(kind) {
            cell.failed = Some(why.to_owned());
            cell.left_out = true;
            return Entry { cell, running: None };
        }
        let running = self.start(kind, workload, &mut cell).map_err(|why| fail(&mut cell, &why)).ok();
        Entry { cell, running }
    }

    fn start(&self, kind: Kind, workload: &Workload, cell: &mut Cell) -> Result<Running, Failure> {
        let servers: Vec<String> = (1..=workload.setting.servers)
            .map(|host| format!("127.0.0.{host}:{}", self.origin_port))
            .collect();
        let subject = Subject::start(kind, &self.programs, &self.folder, &workload.setting, &servers)?;
        cell.start_seconds = subject.start_seconds;
        drop(Load::open(&subject.address, &format!("{} connections=1 streams=1", workload.load))?);
        cell.rest_bytes = private_bytes(&subject.pids()?)?;
        load(&subject, &format!("{} seconds={SHORT_SECONDS}", workload.load))?;
        let idle = (workload.idle > 0).then(|| idle(&subject, workload, cell)).transpose()?;
        Ok(Running { subject, _idle: idle })
    }

    /// A round under a closed load.
    fn saturate(&self, entry: &mut Entry, workload: &Workload) -> Result<(), Failure> {
        let Some(running) = &entry.running else { return Ok(()) };
        let words = format!("{} seconds={}", workload.load, self.options.seconds);
        let (answered, cpu_us) = load(&running.subject, &words)?;
        if workload.load.contains("reuse=resumed") && answered.resumed * 100 < answered.requests * 99 {
            return Err(format!("{} of {} sessions were resumed", answered.resumed, answered.requests));
        }
        entry.cell.cpu_us.push(cpu_us);
        entry.cell.per_second.push(answered.requests as f64 / answered.seconds);
        Ok(())
    }

    /// A short run, in which system calls are counted and the memory of busy connections is looked at.
    fn count(&self, entry: &mut Entry, workload: &Workload) -> Result<(), Failure> {
        let Some(running) = &entry.running else { return Ok(()) };
        let pids = running.subject.pids()?;
        let mut load =
            Load::open(&running.subject.address, &format!("{} seconds={SHORT_SECONDS}", workload.load))?;
        let counting = self.counter.map(|counter| counter.start(&pids)).transpose()?;
        load.begin()?;
        std::thread::sleep(Duration::from_secs_f64(SHORT_SECONDS / 2.0));
        let busy = private_bytes(&pids)?;
        let answered = load.end()?;
        if let Some(counting) = counting {
            entry.cell.system_calls = Some(counting.end()? as f64 / answered.requests as f64);
        }
        // What many routes left behind is given back at any moment, which would look like no growth.
        if workload.idle == 0 && workload.setting.routes == Routes::One {
            let grown = busy.saturating_sub(entry.cell.rest_bytes);
            entry.cell.busy_bytes = Some(grown as f64 / connections(workload.load) as f64);
        }
        Ok(())
    }
}

/// Does that with all, from the last to the first every other time.
fn in_turn(entries: &mut [Entry], round: usize, mut act: impl FnMut(&mut Entry) -> Result<(), Failure>) {
    let mut order: Vec<&mut Entry> = entries.iter_mut().collect();
    if round % 2 == 1 {
        order.reverse();
    }
    for entry in order {
        if let Err(why) = act(entry) {
            fail(&mut entry.cell, &why);
            entry.running = None;
        }
    }
}

/// Figures that are not all there are none.
fn fail(cell: &mut Cell, why: &str) {
    println!("   {:14} FAILED: {why}", cell.name);
    *cell = Cell { name: cell.name.clone(), failed: Some(why.to_owned()), ..Cell::default() };
}

/// Runs a load; what came of it, and CPU µs a request.
fn load(subject: &Subject, words: &str) -> Result<(Answered, f64), Failure> {
    let pids = subject.pids()?;
    let mut load = Load::open(&subject.address, words)?;
    let before = processor_time(&pids)?;
    load.begin()?;
    let answered = load.end()?;
    let spent = processor_time(&pids)? - before;
    if answered.requests == 0 {
        return Err("no request was answered".to_owned());
    }
    Ok((answered, spent as f64 / 1000.0 / answered.requests as f64))
}

/// Opens idle connections and sees what they hold.
fn idle(subject: &Subject, workload: &Workload, cell: &mut Cell) -> Result<Load, Failure> {
    let words = |count: usize| format!("{} connections={count}", workload.load);
    // What grows once, with the first connections, does not count.
    drop(Load::open(&subject.address, &words(200))?);
    let before = private_bytes(&subject.pids()?)?;
    let load = Load::open(&subject.address, &words(workload.idle))?;
    let grown = private_bytes(&subject.pids()?)?.saturating_sub(before);
    cell.idle_bytes = Some(grown as f64 / workload.idle as f64);
    Ok(load)
}

/// Half of what the slowest can, so that nobody is late because of itself alone.
fn rate(entries: &[Entry]) -> Option<f64> {
    let most =
        entries.iter().filter(|entry| entry.running.is_some()).map(|entry| median(&entry.cell.per_second));
    let slowest = most.fold(f64::INFINITY, f64::min);
    slowest.is_finite().then(|| (slowest / 2.0).round())
}

/// A round at a rate.
fn offer(entry: &mut Entry, workload: &Workload, rate: f64) -> Result<(), Failure> {
    let Some(running) = &entry.running else { return Ok(()) };
    let words = format!("{} seconds={OFFERED_SECONDS} rate={rate}", workload.load);
    let (answered, cpu_us) = load(&running.subject, &words)?;
    let offered = entry.cell.offered.get_or_insert_with(Offered::default);
    offered.cpu_us.push(cpu_us);
    let [p50, p99, p999] = answered.percentiles;
    offered.p50_us.push(p50);
    offered.p99_us.push(p99);
    offered.p999_us.push(p999);
    Ok(())
}

/// Connections of a load.
fn connections(words: &str) -> usize {
    let given = words.split_whitespace().find_map(|word| word.strip_prefix("connections="));
    given.and_then(|count| count.parse().ok()).unwrap_or(32)
}

fn tell(row: &Row) {
    for cell in row.cells.iter().filter(|cell| !cell.cpu_us.is_empty()) {
        let calls = cell.system_calls.map_or_else(|| "-".to_owned(), |calls| format!("{calls:.2}"));
        let idle =
            cell.idle_bytes.map_or(String::new(), |bytes| format!(", {bytes:.0} bytes an idle connection"));
        println!(
            "   {:14} {:8.2} µs a request, {:8.0} a second, {calls:>6} system calls{idle}",
            cell.name,
            median(&cell.cpu_us),
            median(&cell.per_second)
        );
    }
    if let Some(compared) = &row.comparison {
        println!("   tidegate needs {:.2} of {}", compared.ratio, compared.best);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry { cell: Cell { name: name.to_owned(), ..Cell::default() }, running: None }
    }

    #[test]
    fn the_order_turns_every_round_and_failures_take_nobody_along() {
        let mut entries = ["a", "b", "c"].map(entry);
        for (round, order) in [(0, "abc"), (1, "cba"), (2, "abc")] {
            let mut seen = String::new();
            in_turn(&mut entries, round, |entry| {
                seen += &entry.cell.name;
                if entry.cell.name == "b" { Err("it broke".to_owned()) } else { Ok(()) }
            });
            assert_eq!(seen, order);
        }
        let failed = entries.map(|entry| entry.cell.failed);
        assert_eq!(failed, [None, Some("it broke".to_owned()), None]);
    }

    #[test]
    fn connections_of_a_load_are_found() {
        assert_eq!(connections("tls connections=16 path=/"), 16);
        assert_eq!(connections("tls"), 32);
    }
}
