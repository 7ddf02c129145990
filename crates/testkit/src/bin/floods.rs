//! `floods ADDRESS PID ATTACK`: what an attack costs the server at this address, which runs as this process and its
//! children. Two lines: JSON, and cells of a table. `floods --names` and `floods --head` give what goes around it.

use std::process::ExitCode;
use std::time::Duration;
use testkit::frames::floods::FLOODS;
use testkit::frames::process::Processes;
use testkit::frames::stalls::STALLS;
use testkit::frames::trial::{Extent, Figures, Subject};

const FLOOD: Extent = Extent { connections: 8, frames: 10_000, time: Duration::from_secs(2) };

/// Longer than the second after which the servers in the bench let go of what stands still.
const STALL: Extent = Extent { connections: 8, frames: 100, time: Duration::from_secs(3) };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--names"] => FLOODS.iter().chain(&STALLS).for_each(|attack| println!("{}", attack.name)),
        ["--head"] => println!(
            "{:30} {:>7} {:>7}  {:24} {:>8} {:>9} {:>8} {:>8} {:>6}",
            "attack", "frames", "s", "ended by", "ms/1000", "KB/conn.", "quiet", "beside", "failed"
        ),
        [address, pid, attack] => match measure(address, pid, attack) {
            Ok(()) => {}
            Err(error) => {
                eprintln!("floods: {attack}: {error}");
                return ExitCode::FAILURE;
            }
        },
        _ => {
            eprintln!("usage: floods ADDRESS PID ATTACK | --names | --head");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn measure(address: &str, pid: &str, name: &str) -> Result<(), String> {
    let address = address.parse().map_err(|_| format!("{address} is no address"))?;
    let pid = pid.parse().map_err(|_| format!("{pid} is no process"))?;
    let flood = FLOODS.iter().find(|attack| attack.name == name).map(|attack| (attack, FLOOD));
    let stall = || STALLS.iter().find(|attack| attack.name == name).map(|attack| (attack, STALL));
    let (attack, extent) = flood.or_else(stall).ok_or("there is no such attack")?;
    let subject = Subject { address, processes: Processes::of(pid) };
    let figures = subject.try_flood(attack, &extent).map_err(|error| error.to_string())?;
    println!("{}", json(name, &figures));
    println!("{}", cells(name, &figures));
    Ok(())
}

fn json(name: &str, figures: &Figures) -> serde_json::Value {
    serde_json::json!({
        "attack": name,
        "frames_until_end": figures.frames,
        "seconds_until_end": rounded(figures.lived.as_secs_f64()),
        "ended_by": figures.how,
        "frames_measured": figures.frames_measured,
        "cpu_ms_per_1000_frames": rounded(figures.processor.as_secs_f64() * 1e3),
        "bytes_per_connection": figures.memory,
        "honest_quiet_p99_us": figures.quiet.p99().as_micros(),
        "honest_beside_p99_us": figures.beside.p99().as_micros(),
        "honest_beside_answered": figures.beside.times.len(),
        "honest_beside_failed": figures.beside.failed,
    })
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

fn cells(name: &str, figures: &Figures) -> String {
    format!(
        "{name:30} {:7} {:7.2}  {:24} {:8.2} {:9} {:8} {:8} {:6}",
        figures.frames,
        figures.lived.as_secs_f64(),
        figures.how,
        figures.processor.as_secs_f64() * 1e3,
        figures.memory / 1024,
        figures.quiet.p99().as_micros(),
        figures.beside.p99().as_micros(),
        figures.beside.failed
    )
}
