//! Grows corpora: `cargo run --release -- [TARGET|all] [SECONDS] [SEED]`.

use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("all", String::as_str);
    let number = |at: usize, default: u64| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let (Ok(seconds), Ok(seed)) = (number(1, 60), number(2, 1)) else {
        eprintln!("usage: fuzz [TARGET|all] [SECONDS] [SEED]");
        return ExitCode::from(2);
    };
    let chosen: Vec<_> =
        fuzz::targets::ALL.iter().filter(|target| name == "all" || target.name == name).collect();
    if chosen.is_empty() {
        let known: Vec<_> = fuzz::targets::ALL.iter().map(|target| target.name).collect();
        eprintln!("no target is named `{name}`; expected all or one of {}", known.join(", "));
        return ExitCode::from(2);
    }
    let mut is_whole = true;
    for target in chosen {
        match fuzz::grow::grow(target, Duration::from_secs(seconds), seed) {
            Ok(growth) => {
                println!("{}: {} runs, {} inputs kept", target.name, growth.runs, growth.kept);
                if let Some(input) = growth.broken {
                    println!("{}: BROKEN by {:?}", target.name, String::from_utf8_lossy(&input));
                    is_whole = false;
                }
            }
            Err(error) => {
                eprintln!("{}: {error}", target.name);
                is_whole = false;
            }
        }
    }
    if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
