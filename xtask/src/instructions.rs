//! User instructions of a request, counted by callgrind: figures that no busy machine changes, and a gate on them.
//!
//! Every scenario runs twice, with few and with many requests; the difference is what requests cost, without what a start
//! does. The requests come one after the other (see `testkit::lockstep`), for a program that is fifty times slower than
//! usual would else handle more or fewer of them at a time, as it comes. The engine runs as it is shipped, started by
//! `overseer` in the place of its supervisor. `bench/README.md` says what is counted, `CONTRIBUTING.md` what a failure
//! asks of people.

mod count;
mod options;
mod peer;
mod profile;
mod program;
mod scenario;
mod stored;
mod table;
mod tools;

use crate::run::{Failure, cargo, command, succeed, target};
use crate::tools::is_there;
use count::Bench;
use options::{Options, USAGE};
use program::Program;
use scenario::{RATIOS, SCENARIOS, Scenario};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use stored::{Stored, Verdict};
use tools::Tools;

/// A figure that is too high is counted so often in all, and the lowest holds: what disturbs a count only adds to it.
const TRIES: usize = 3;

/// The gate: builds what is shipped, counts all scenarios, and compares them to the stored figures. A line if it was
/// skipped, for lack of valgrind.
///
/// # Errors
/// When a scenario costs too much, or cannot be counted.
pub fn gate() -> Result<Option<String>, Failure> {
    if !is_there("valgrind") {
        let line = "SKIPPED: valgrind is not installed: instructions of a request are not compared to what is stored";
        println!("== {line}");
        return Ok(Some(line.to_owned()));
    }
    let (program, bench) = prepare(None)?;
    compare(&bench, &program, &all(), true).map(|()| None)
}

/// What `cargo xtask bench --instructions` does with these words behind it.
///
/// # Errors
/// When something cannot be built or started, a request is not answered, or a scenario costs too much.
pub fn task(words: &[&str]) -> Result<(), Failure> {
    let options = Options::parse(words).map_err(|error| format!("{error}\n{USAGE}"))?;
    crate::tools::set_up()?;
    if !is_there("valgrind") {
        return Err("instructions are counted by valgrind, which is not installed".to_owned());
    }
    let (program, bench) = prepare(options.binary.clone())?;
    let scenarios: Vec<&Scenario> =
        all().into_iter().filter(|scenario| options.wants(scenario.name)).collect();
    if options.profile {
        return scenarios.iter().try_for_each(|scenario| profile::print(&bench, &program, scenario));
    }
    if options.peers {
        return beside_peers(&bench, program, &scenarios);
    }
    if options.accept {
        return accept(&bench, &program, &scenarios);
    }
    compare(&bench, &program, &scenarios, options.only.is_empty())
}

fn all() -> Vec<&'static Scenario> {
    SCENARIOS.iter().collect()
}

/// Builds what is not given.
fn prepare(binary: Option<PathBuf>) -> Result<(Program, Bench), Failure> {
    let binary = match binary {
        Some(binary) => binary,
        None => {
            succeed(cargo(&["build", "--profile", "dist", "--locked", "--package", "tidegate"]))?;
            target().join("dist/tidegate")
        }
    };
    let ours = ["--package", "tidegate-testkit", "--package", "tidegate-overseer"];
    succeed(cargo(&[&["build", "--locked", "--bin", "lockstep", "--bin", "overseer"], &ours[..]].concat()))?;
    Ok((Program::Tidegate(binary), Bench::new(&target().join("debug"))?))
}

/// Counts, prints, and judges.
fn compare(bench: &Bench, program: &Program, scenarios: &[&Scenario], is_whole: bool) -> Result<(), Failure> {
    let (stored, tools) = (Stored::read()?, Tools::here()?);
    let mut figures = count_ours(bench, program, scenarios)?;
    let mut verdict = stored.judge(&figures, &tools, is_whole);
    for _ in 1..TRIES {
        let again = |scenario: &&&Scenario| verdict.too_dear.iter().any(|name| name == scenario.name);
        let again: Vec<&Scenario> = scenarios.iter().filter(again).copied().collect();
        if again.is_empty() {
            break;
        }
        for (name, figure) in count_ours(bench, program, &again)? {
            figures.entry(name).and_modify(|lowest| *lowest = figure.min(*lowest));
        }
        verdict = stored.judge(&figures, &tools, is_whole);
    }
    for scenario in scenarios {
        let (figure, was) = (figures[scenario.name], stored.figures.get(scenario.name));
        let growth = was.map_or(String::new(), |was| {
            format!("{:+6.1} % of {was}", (figure as f64 / *was as f64 - 1.0) * 100.0)
        });
        println!("{:12} {figure:>10} instructions a request {growth}", scenario.name);
    }
    print_ratios(&figures);
    finish(&verdict)
}

fn print_ratios(figures: &BTreeMap<String, u64>) {
    for (one, other, most) in RATIOS {
        if let (Some(one_is), Some(other_is)) = (figures.get(one), figures.get(other)) {
            let promise = most.map_or(String::new(), |most| format!(", at most {most} is promised"));
            println!("{one} costs {:.3} of {other}{promise}", *one_is as f64 / *other_is as f64);
        }
    }
}

fn finish(verdict: &Verdict) -> Result<(), Failure> {
    verdict.notes.iter().for_each(|note| println!("note: {note}"));
    match verdict.failures.is_empty() {
        true => Ok(()),
        false => Err(format!("instructions of a request:\n  {}", verdict.failures.join("\n  "))),
    }
}

/// Stores figures of today.
fn accept(bench: &Bench, program: &Program, scenarios: &[&Scenario]) -> Result<(), Failure> {
    let (mut stored, tools) = (Stored::read()?, Tools::here()?);
    let is_whole = scenarios.len() == SCENARIOS.len();
    let differences = stored.tools.differences(&tools);
    if !is_whole && !differences.is_empty() {
        return Err(format!("all figures must be of the same tools, accept all: {}", differences.join("; ")));
    }
    let figures = count_ours(bench, program, scenarios)?;
    for (name, figure) in &figures {
        let was = stored.figures.get(name).map_or("nothing".to_owned(), u64::to_string);
        println!("{name:12} {figure:>10} instructions a request, in the place of {was}");
    }
    if is_whole {
        stored.figures.clear();
    }
    stored.figures.extend(figures);
    stored.tools = tools;
    stored.write()
}

/// Counts all programs that are there.
fn beside_peers(bench: &Bench, program: Program, scenarios: &[&Scenario]) -> Result<(), Failure> {
    let apt = ["install", "-y", "--no-install-recommends", "haproxy"];
    let has_haproxy =
        is_there("haproxy") || (succeed(command("apt-get", &apt)).is_ok() && is_there("haproxy"));
    let mut programs = vec![program, Program::Nginx];
    match has_haproxy {
        true => programs.push(Program::HaProxy),
        false => println!("== SKIPPED: haproxy is not installed"),
    }
    let jobs: Vec<(&Program, &Scenario)> = programs
        .iter()
        .flat_map(|program| scenarios.iter().map(move |scenario| (program, *scenario)))
        .collect();
    let counted = count_all(bench, &jobs);
    let figures = counted.into_iter().map(|figure| figure.inspect_err(|error| println!("{error}")).ok());
    let figures: Vec<Option<u64>> = figures.collect();
    let figures: Vec<Vec<Option<u64>>> = figures.chunks(scenarios.len()).map(<[_]>::to_vec).collect();
    table::print(&programs, scenarios, &figures);
    table::save(&programs, scenarios, &figures, &Tools::here()?)
}

/// The figures of one program, by the scenarios' names.
fn count_ours(
    bench: &Bench,
    program: &Program,
    scenarios: &[&Scenario],
) -> Result<BTreeMap<String, u64>, Failure> {
    let jobs: Vec<(&Program, &Scenario)> = scenarios.iter().map(|scenario| (program, *scenario)).collect();
    let named = scenarios.iter().zip(count_all(bench, &jobs));
    named.map(|(scenario, figure)| Ok((scenario.name.to_owned(), figure?))).collect()
}

/// Counts all, as many at the same time as there are cores; the figures in the order of the jobs.
fn count_all(bench: &Bench, jobs: &[(&Program, &Scenario)]) -> Vec<Result<u64, Failure>> {
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
