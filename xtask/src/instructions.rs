//! User instructions of a request, counted by callgrind: figures that no busy machine changes.
//!
//! Every scenario runs twice, with few and with many requests; the difference is what requests cost, without what a start
//! does. The requests come one after the other (see `testkit::lockstep`), for a program that is fifty times slower than
//! usual would else handle more or fewer of them at a time, as it comes. The engine runs as it is shipped, started by
//! `overseer` in the place of its supervisor.

mod count;
mod program;
mod scenario;

use crate::run::{Failure, cargo, root, succeed, target};
use count::Bench;
use program::Program;
use scenario::{RATIOS, SCENARIOS, Scenario};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is wanted on the command line.
#[derive(Debug, Default)]
struct Options {
    /// Names of scenarios; all if there are none.
    only: Vec<String>,
    /// A tidegate that is built already.
    binary: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Options, Failure> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match *word {
                "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
                "--binary" => options.binary = Some(root().join(value()?)),
                _ => return Err(format!("`bench --instructions` does not know {word}")),
            }
        }
        for name in &options.only {
            if !SCENARIOS.iter().any(|scenario| scenario.name == name) {
                let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
                return Err(format!("there is no scenario {name}; there are {}", names.join(", ")));
            }
        }
        Ok(options)
    }

    fn scenarios(&self) -> Vec<&'static Scenario> {
        let wanted =
            |scenario: &&Scenario| self.only.is_empty() || self.only.iter().any(|name| name == scenario.name);
        SCENARIOS.iter().filter(wanted).collect()
    }
}

/// Builds, counts and prints.
///
/// # Errors
/// When something cannot be built or started, or a request is not answered.
pub fn task(words: &[&str]) -> Result<(), Failure> {
    let options = Options::parse(words)?;
    let (binary, bench) = prepare(&options)?;
    let scenarios = options.scenarios();
    let program = Program::Tidegate(binary);
    let jobs: Vec<(&Program, &Scenario)> = scenarios.iter().map(|scenario| (&program, *scenario)).collect();
    let figures = count_all(&bench, &jobs)?;
    for (scenario, figure) in scenarios.iter().zip(&figures) {
        println!("{:12} {figure:>10} instructions a request", scenario.name);
    }
    for (one, other, most) in RATIOS {
        let of = |name| scenarios.iter().position(|scenario| scenario.name == name).map(|at| figures[at]);
        if let (Some(one_is), Some(other_is)) = (of(one), of(other)) {
            println!("{one} costs {:.3} of {other}; the goal is {most}", one_is as f64 / other_is as f64);
        }
    }
    Ok(())
}

/// Builds what is not given.
fn prepare(options: &Options) -> Result<(PathBuf, Bench), Failure> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => {
            succeed(cargo(&["build", "--profile", "dist", "--locked", "--package", "tidegate"]))?;
            target().join("dist/tidegate")
        }
    };
    let ours = ["--package", "tidegate-testkit", "--package", "tidegate-overseer"];
    succeed(cargo(&[&["build", "--locked", "--bin", "lockstep", "--bin", "overseer"], &ours[..]].concat()))?;
    Ok((binary, Bench::new(&target().join("debug"))?))
}

/// Counts all, as many at the same time as there are cores; the figures in the order of the jobs.
fn count_all(bench: &Bench, jobs: &[(&Program, &Scenario)]) -> Result<Vec<u64>, Failure> {
    let next = AtomicUsize::new(0);
    let figures: Vec<Mutex<Option<Result<u64, Failure>>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        // Those that take longest come last in the list, and should not run alone in the end.
        while let Some(at) = jobs.len().checked_sub(1 + next.fetch_add(1, Ordering::Relaxed)) {
            let figure = bench.count(jobs[at].0, jobs[at].1);
            if let Ok(mut place) = figures[at].lock() {
                *place = Some(figure);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let taken = figures.into_iter().map(|place| place.into_inner().ok().flatten());
    taken.map(|figure| figure.ok_or("it was not counted")?).collect()
}
