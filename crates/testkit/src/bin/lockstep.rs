//! `lockstep client WORKLOAD ADDRESS COUNT [CERTIFICATE]` makes requests one after the other, `lockstep origin KIND ADDRESS`
//! answers them: the two sides of a program whose instructions are counted.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use testkit::lockstep::{KINDS, WORKLOADS, run, serve};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["client", workload, address, count, rest @ ..] if rest.len() < 2 => {
            client(workload, address, count, rest.first().map(Path::new))
        }
        ["origin", kind, address] => origin(kind, address),
        _ => {
            eprintln!(
                "usage: lockstep client WORKLOAD ADDRESS COUNT [CERTIFICATE] | lockstep origin KIND ADDRESS"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lockstep: {error}");
            ExitCode::FAILURE
        }
    }
}

fn client(workload: &str, address: &str, count: &str, roots: Option<&Path>) -> Result<(), String> {
    let workload = named(&WORKLOADS, workload)?;
    let address: SocketAddr = address.parse().map_err(|_| format!("{address} is no address"))?;
    let count = count.parse().map_err(|_| format!("{count} is no number"))?;
    run(workload, address, count, roots).map_err(|error| error.to_string())
}

fn origin(kind: &str, address: &str) -> Result<(), String> {
    let kind = named(&KINDS, kind)?;
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    serve(&listener, kind).map_err(|error| error.to_string())
}

fn named<T: Copy>(all: &[(&str, T)], name: &str) -> Result<T, String> {
    let found = all.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
        format!("{name} is none of {}", names.join(", "))
    })
}
