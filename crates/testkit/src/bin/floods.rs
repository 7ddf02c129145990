//! `floods ADDRESS PID ATTACK`: what an attack costs the server at this address, which runs as this process and its
//! children. Two lines: JSON, and cells of a table. `floods --names` and `floods --head` give what goes around it.

use std::process::ExitCode;
use std::time::Duration;
use testkit::frames::floods::FLOODS;
use testkit::frames::process::Processes;
use testkit::frames::stalls::STALLS;
use testkit::frames::trial::{Extent, Figures, Subject};

const FLOOD: Extent = Extent {
    connections: 8,
    frames: 10_000,
    held: Duration::from_secs(3),
    honest: Duration::from_millis(700),
    rounds: 3,
};

/// Held longer than the second after which the servers in the bench let go of what stands still.
const STALL: Extent = Extent { frames: 100, ..FLOOD };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--names"] => FLOODS.iter().chain(&STALLS).for_each(|attack| println!("{}", attack.name)),
        ["--head"] => println!(
            "{:30} {:>7} {:>6}  {:24} {:>8} {:>9} {:>8} {:>8} {:>8} {:>6}",
            "attack",
            "frames",
            "s",
            "ended by",
            "ms/1000",
            "ms/conn.",
            "KB/conn.",
            "quiet",
            "beside",
            "failed"
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
    let figures = subject.measure(attack, &extent).map_err(|error| error.to_string())?;
    println!("{}", json(name, &figures));
    println!("{}", cells(name, &figures));
    Ok(())
}

fn json(name: &str, figures: &Figures) -> serde_json::Value {
    let (quiet, beside) = figures.p99();
    let (answered, failed) = figures.beside_counts();
    serde_json::json!({
        "attack": name,
        "ended_by": figures.paced.returned.how(),
        "frames_until_end": figures.paced.frames,
        "seconds_until_end": rounded(figures.paced.lived.as_secs_f64()),
        "cpu_ms_per_1000_frames": millis(figures.processor.per_thousand_frames()),
        "cpu_ms_per_connection": millis(figures.processor.per_connection()),
        "cpu_frames": figures.processor.frames,
        "cpu_connections": figures.processor.connections,
        "bytes_per_connection": figures.memory,
        "honest_quiet_p99_us": quiet.as_micros(),
        "honest_beside_p99_us": beside.as_micros(),
        "honest_beside_answered": answered,
        "honest_beside_failed": failed,
    })
}

fn millis(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3)
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

fn cells(name: &str, figures: &Figures) -> String {
    let (quiet, beside) = figures.p99();
    format!(
        "{name:30} {:7} {:6.2}  {:24} {:8.2} {:9.2} {:8} {:8} {:8} {:6}",
        figures.paced.frames,
        figures.paced.lived.as_secs_f64(),
        figures.paced.returned.how(),
        figures.processor.per_thousand_frames().as_secs_f64() * 1e3,
        figures.processor.per_connection().as_secs_f64() * 1e3,
        figures.memory / 1024,
        quiet.as_micros(),
        beside.as_micros(),
        figures.beside_counts().1
    )
}
