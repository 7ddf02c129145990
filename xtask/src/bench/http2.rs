//! CPU per request over HTTP/2 beside HAProxy: as the first figure, with streams instead of connections.
//!
//! One worker each on core 0; the origin, of HTTP/1.1, and the load (`h2load`) on core 1. Rounds are interleaved and their
//! order is reversed every other time.

use super::floods::{Kind, kinds};
use super::measure::{median, processor_time};
use super::save;
use super::subject::{Folder, family, start_origin};
use crate::process::free_address;
use crate::run::{Failure, cargo, command, output, succeed};
use crate::tools::is_there;

const ROUNDS: usize = 6;
const REQUESTS: u64 = 40_000;
const CONNECTIONS: u32 = 8;
const ANSWER_BYTES: usize = 1024;

/// Streams on each connection.
const STREAMS: [u32; 3] = [1, 10, 100];

/// Builds, measures, prints and stores.
///
/// # Errors
/// When something cannot be built or started, or there is only one core, or no `h2load`.
pub fn http2() -> Result<(), Failure> {
    crate::tools::set_up()?;
    let apt = ["install", "-y", "--no-install-recommends", "nghttp2-client"];
    if !is_there("h2load") && (succeed(command("apt-get", &apt)).is_err() || !is_there("h2load")) {
        return Err("the load comes from h2load, which is not installed (Debian: nghttp2-client)".to_owned());
    }
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Err("the bench needs two cores: one for the program, one for the load".to_owned());
    }
    succeed(cargo(&["build", "--profile", "dist", "--locked", "--package", "tidegate"]))?;
    succeed(cargo(&["build", "--release", "--locked", "--package", "tidegate-testkit", "--bins"]))?;
    let folder = Folder::new()?;
    let (_origin, origin) = start_origin(ANSWER_BYTES)?;
    // nginx ends a connection after a thousand requests, and the load does not open another.
    let kinds: Vec<Kind> = kinds().into_iter().filter(|kind| *kind != Kind::Nginx).collect();
    let mut workloads = Vec::new();
    for streams in STREAMS {
        let costs = rounds(&kinds, &folder, &origin, streams)?;
        let subjects: Vec<String> =
            kinds.iter().zip(&costs).map(|(kind, cost)| row(*kind, streams, cost, &costs[0])).collect();
        workloads.push(format!(
            "    {{ \"streams\": {streams}, \"subjects\": [\n      {}\n    ] }}",
            subjects.join(",\n      ")
        ));
    }
    save(
        "http2",
        &format!(
            "  \"workload\": \"{ANSWER_BYTES} bytes, {CONNECTIONS} connections, {REQUESTS} requests a round\",\n  \
             \"workloads\": [\n{}\n  ]",
            workloads.join(",\n")
        ),
    )
}

/// CPU µs per request of each kind, a figure for each round.
fn rounds(kinds: &[Kind], folder: &Folder, origin: &str, streams: u32) -> Result<Vec<Vec<f64>>, Failure> {
    let origins = [origin.to_owned(), origin.to_owned()];
    let mut subjects = Vec::new();
    for kind in kinds {
        let address = free_address()?;
        let mut process = kind.start(folder, &address, &origins)?;
        process.serves(&address)?;
        load(&address, streams, REQUESTS / 10)?;
        subjects.push((address, process));
    }
    let mut costs = vec![Vec::new(); kinds.len()];
    for round in 0..ROUNDS {
        let mut order: Vec<usize> = (0..kinds.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let (address, process) = &subjects[at];
            let before = processor_time(&family(process.id())?)?;
            load(address, streams, REQUESTS)?;
            let spent = processor_time(&family(process.id())?)? - before;
            costs[at].push(spent as f64 / 1000.0 / REQUESTS as f64);
        }
    }
    Ok(costs)
}

fn load(address: &str, streams: u32, requests: u64) -> Result<(), Failure> {
    let (requests, connections) = (requests.to_string(), CONNECTIONS.to_string());
    let (streams, url) = (streams.to_string(), format!("http://{address}/"));
    let words = ["-c", "1", "h2load", "-p", "h2c", "-n", &requests, "-c", &connections, "-m", &streams, &url];
    let text = output(command("taskset", &words))?;
    match text.contains(&format!(" {requests} succeeded")) {
        true => Ok(()),
        false => Err(format!("the load met errors:\n{text}")),
    }
}

fn row(kind: Kind, streams: u32, cost: &[f64], ours: &[f64]) -> String {
    // Rounds are compared pairwise: what disturbs one disturbs its neighbour.
    let ratios: Vec<f64> = ours.iter().zip(cost).map(|(ours, theirs)| ours / theirs).collect();
    println!(
        "{:10} {streams:3} streams: {:6.2} µs a request (median); tidegate needs {:.2} of it",
        kind.name(),
        median(cost),
        median(&ratios)
    );
    format!(
        "{{ \"name\": \"{}\", \"cpu_us_per_request\": {:.3}, \"rounds\": {cost:.3?}, \"tidegate_ratio\": {:.3} }}",
        kind.name(),
        median(cost),
        median(&ratios)
    )
}
