//! `bench-load ADDRESS WORD…`: a load, as words such as `connections=32` say (`testkit::bench::load::Plan`).
//!
//! It says `ready` when its connections are open, begins when it gets a line, says what came of it as JSON, and keeps its
//! connections until its input ends. So whoever measures can look at the program before, between and after.

use std::io::BufRead;
use std::net::SocketAddr;
use std::process::ExitCode;
use testkit::bench::load::{Load, Plan};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(address) = arguments.next().and_then(|text| text.parse::<SocketAddr>().ok()) else {
        eprintln!("usage: bench-load ADDRESS WORD…");
        return ExitCode::from(2);
    };
    let words: Vec<String> = arguments.collect();
    let mut load = match Plan::new(address, &words).and_then(Load::new) {
        Ok(load) => load,
        Err(error) => {
            println!("failed {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("ready");
    let mut line = String::new();
    let mut input = std::io::stdin().lock();
    if input.read_line(&mut line).unwrap_or(0) > 0 {
        println!("{}", load.run().json());
        // Until whoever looks at the connections has seen enough.
        while input.read_line(&mut line).unwrap_or(0) > 0 {}
    }
    ExitCode::SUCCESS
}
