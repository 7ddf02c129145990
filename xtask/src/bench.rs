//! A first figure beside nginx, on this machine: CPU per request, and memory per idle connection.
//!
//! One worker each on core 0; the origin and the load on core 1. Rounds are interleaved and their order is
//! reversed every other time, so that what drifts on the machine hits all alike. Results go to
//! `bench/results/` as JSON; `bench/README.md` says how to read them.

mod floods;
mod http2;
mod measure;
mod subject;

use crate::run::{Failure, cargo, command, output, root, succeed};
pub use floods::floods;
pub use http2::http2;
use measure::{load, median, open_idle, private_bytes, processor_time};
use std::time::{SystemTime, UNIX_EPOCH};
use subject::{Folder, Kind, Subject, start_origin};

const ROUNDS: usize = 6;
const ROUND_SECONDS: u32 = 3;
const CONNECTIONS: u32 = 32;
const ANSWER_BYTES: usize = 1024;
const IDLE: usize = 10_000;

const KINDS: [Kind; 3] = [Kind::Tidegate, Kind::Nginx, Kind::NginxTuned];

/// Builds, measures, prints and stores.
///
/// # Errors
/// When something cannot be built or started, or there is only one core.
pub fn quick() -> Result<(), Failure> {
    crate::tools::set_up()?;
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Err("the bench needs two cores: one for the program, one for the load".to_owned());
    }
    succeed(cargo(&["build", "--profile", "dist", "--locked", "--package", "tidegate"]))?;
    succeed(cargo(&["build", "--release", "--locked", "--package", "tidegate-testkit", "--bins"]))?;
    let folder = Folder::new()?;
    let (origin, origin_address) = start_origin(ANSWER_BYTES)?;
    let costs = processor(&folder, &origin_address)?;
    let memory = idle(&folder, &origin_address)?;
    drop(origin);
    store(&costs, &memory)
}

/// CPU µs per request of each kind, a figure for each round.
fn processor(folder: &Folder, origin: &str) -> Result<Vec<Vec<f64>>, Failure> {
    let subjects: Vec<Subject> =
        KINDS.iter().map(|kind| Subject::start(*kind, folder, origin)).collect::<Result<_, _>>()?;
    for subject in &subjects {
        load(&subject.address, CONNECTIONS, 1)?;
    }
    let mut costs = vec![Vec::new(); subjects.len()];
    for round in 0..ROUNDS {
        let mut order: Vec<usize> = (0..subjects.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let before = processor_time(&subjects[at].pids()?)?;
            let requests = load(&subjects[at].address, CONNECTIONS, ROUND_SECONDS)?;
            let spent = processor_time(&subjects[at].pids()?)? - before;
            let cost = spent as f64 / 1000.0 / requests as f64;
            println!("round {round}: {:12} {cost:6.2} µs a request, {requests} requests", KINDS[at].name());
            costs[at].push(cost);
        }
    }
    Ok(costs)
}

/// Private bytes per idle connection of each kind; empty where the machine does not allow so many.
fn idle(folder: &Folder, origin: &str) -> Result<Vec<f64>, Failure> {
    let (allowed, _) = crate::process::descriptors();
    if allowed < IDLE as u64 + 200 {
        println!("== SKIPPED: {IDLE} idle connections need more than the {allowed} open files allowed here");
        return Ok(Vec::new());
    }
    KINDS
        .iter()
        .map(|kind| {
            let subject = Subject::start(*kind, folder, origin)?;
            // What grows once, with the first requests, does not count.
            drop(open_idle(&subject.address, 200)?);
            let before = private_bytes(&subject.pids()?)?;
            let connections = open_idle(&subject.address, IDLE)?;
            let grown = private_bytes(&subject.pids()?)?.saturating_sub(before);
            drop(connections);
            let each = grown as f64 / IDLE as f64;
            println!("{IDLE} idle: {:12} {each:6.0} bytes a connection", kind.name());
            Ok(each)
        })
        .collect()
}

fn store(costs: &[Vec<f64>], memory: &[f64]) -> Result<(), Failure> {
    let mut subjects = Vec::new();
    for (at, kind) in KINDS.iter().enumerate() {
        // Rounds are compared pairwise: what disturbs one disturbs its neighbour.
        let ratios: Vec<f64> = costs[0].iter().zip(&costs[at]).map(|(ours, theirs)| ours / theirs).collect();
        println!(
            "{:12} {:6.2} µs a request (median); tidegate needs {:.2} of it",
            kind.name(),
            median(&costs[at]),
            median(&ratios)
        );
        let idle = memory.get(at).map_or("null".to_owned(), |bytes| format!("{bytes:.0}"));
        subjects.push(format!(
            "    {{ \"name\": \"{}\", \"cpu_us_per_request\": {:.3}, \"rounds\": {:.3?}, \
             \"tidegate_ratio\": {:.3}, \"bytes_per_idle_connection\": {idle} }}",
            kind.name(),
            median(&costs[at]),
            costs[at],
            median(&ratios)
        ));
    }
    save(
        "quick",
        &format!(
            "  \"workload\": \"{ANSWER_BYTES} bytes, {CONNECTIONS} kept connections, {ROUND_SECONDS} s a round\",\n  \"subjects\": [\n{}\n  ]",
            subjects.join(",\n")
        ),
    )
}

/// Stores what was measured, as JSON with the time and the kernel; `fields` is what else its object has.
fn save(name: &str, fields: &str) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let date = output(command("date", &["-u", "-d", &format!("@{now}"), "+%Y-%m-%dT%H:%M:%SZ"]))?;
    let kernel = output(command("uname", &["-sr"]))?;
    let (date, kernel) = (date.trim(), kernel.trim());
    let text = format!("{{\n  \"time\": \"{date}\",\n  \"kernel\": \"{kernel}\",\n{fields}\n}}\n");
    let results = root().join("bench/results");
    std::fs::create_dir_all(&results).map_err(|error| error.to_string())?;
    let file = results.join(format!("{name}-{}.json", date.replace(':', "")));
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    println!("written to {}", file.display());
    Ok(())
}
