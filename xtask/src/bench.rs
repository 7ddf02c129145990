//! Speed and memory beside nginx, HAProxy, Envoy and a blind relay, on this machine.
//!
//! One worker each on core 0; the origin and the load on core 1. Results go to `bench/results/` as JSON and as a page with
//! plots; `bench/README.md` says how to read them.

mod floods;
mod load;
mod machine;
mod measure;
mod options;
mod page;
mod plot;
mod result;
mod rig;
mod subject;
mod syscalls;
mod table;
mod workload;

use crate::run::{Failure, cargo, command, output, root, succeed};
use options::Options;
use result::Results;
use rig::Rig;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use subject::Folder;
use syscalls::Counter;

/// Measures what the words ask for: everything, `--quick`, `--only`, or `--floods`; or draws a stored result (`--draw`).
///
/// # Errors
/// When a word is not known, or something cannot be built or stored, or there is only one core. What a program fails at is
/// in the results instead.
pub fn task(words: &[&str]) -> Result<(), Failure> {
    match words {
        ["--floods"] => floods::floods(),
        ["--draw", file] => draw(file),
        _ => measure(Options::new(words)?),
    }
}

fn measure(options: Options) -> Result<(), Failure> {
    crate::tools::set_up()?;
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Err("the bench needs two cores: one for the program, one for the load".to_owned());
    }
    if !options.as_built {
        succeed(cargo(&["build", "--profile", "dist", "--locked", "--package", "tidegate"]))?;
        succeed(cargo(&["build", "--release", "--locked", "--package", "tidegate-testkit", "--bins"]))?;
    }
    let folder = Folder::new()?;
    machine::certificate(&folder)?;
    let (kinds, programs, skipped) = machine::subjects(|kind| options.wants(kind));
    let counter = Counter::find();
    let name = if options.quick { "quick" } else { "bench" };
    let (_origin, origin_port) = subject::start_origin()?;
    let machine = machine::notes(&kinds, &programs, counter, skipped);
    let mut results = Results { time: time()?, machine, workloads: Vec::new() };
    let workloads = options.workloads();
    let rig = Rig { options, programs, folder, origin_port, kinds, counter };
    let file = format!("{name}-{}", results.time.replace(':', ""));
    for workload in workloads {
        results.workloads.push(rig.row(workload));
        // Each time, so that half an hour is not lost with its last minute.
        let text = serde_json::to_string_pretty(&results).map_err(|error| error.to_string())?;
        write(&format!("{file}.json"), &text)?;
    }
    println!("\n{}", table::markdown(&results));
    let page = write(&format!("{file}.html"), &page::html(&results))?;
    println!("written to {} and {file}.json beside it", page.display());
    Ok(())
}

/// Draws a stored result again.
fn draw(file: &str) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let results: Results = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    println!("{}", table::markdown(&results));
    let page = PathBuf::from(file).with_extension("html");
    std::fs::write(&page, page::html(&results)).map_err(|error| error.to_string())?;
    println!("written to {}", page.display());
    Ok(())
}

/// Now, in UTC.
fn time() -> Result<String, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let date = output(command("date", &["-u", "-d", &format!("@{now}"), "+%Y-%m-%dT%H:%M:%SZ"]))?;
    Ok(date.trim().to_owned())
}

/// Writes a file among the results; where.
fn write(name: &str, text: &str) -> Result<PathBuf, Failure> {
    let results = root().join("bench/results");
    std::fs::create_dir_all(&results).map_err(|error| error.to_string())?;
    let file = results.join(name);
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}

/// Stores what was measured, as JSON with the time and the kernel; `fields` is what else its object has.
fn save(name: &str, fields: &str) -> Result<(), Failure> {
    let (date, kernel) = (time()?, output(command("uname", &["-sr"]))?);
    let kernel = kernel.trim();
    let text = format!("{{\n  \"time\": \"{date}\",\n  \"kernel\": \"{kernel}\",\n{fields}\n}}\n");
    let file = write(&format!("{name}-{}.json", date.replace(':', "")), &text)?;
    println!("written to {}", file.display());
    Ok(())
}
