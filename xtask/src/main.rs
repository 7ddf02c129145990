//! Tasks of the workspace: `cargo xtask test`, `cargo xtask ci`, `cargo xtask conformance`, `cargo xtask example NAME`,
//! `cargo xtask bench --quick`.
//!
//! Only the standard library, so that the first command of a newcomer starts at once.

mod bench;
mod check;
mod conformance;
mod example;
mod instructions;
mod process;
mod run;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  test           set up what tests need, then everything that must hold: format, lints, build, tests, docs, and where
                 cargo-deny is installed the licences and sources of dependencies
  ci             the same, and known flaws of dependencies (cargo-deny fetches the list of advisories)
  conformance [h2spec] [grpc] [websocket] [--against nginx]
                 foreign suites against the program, all by default; needs Go and Node, and the network the first time
  example NAME   serve examples/NAME, with servers behind it
  bench --quick  CPU and memory beside nginx on this machine, in a few minutes; results in bench/results/
  bench --http2  CPU over HTTP/2 beside HAProxy, in a few minutes; results there too
  bench --floods what known HTTP/2 attacks cost here, nginx and HAProxy, in a quarter of an hour; results there too
  bench --instructions [--only NAME,…] [--binary PATH]
                 user instructions of a request (callgrind), the same on a busy machine; `--binary` is built already
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => check::test(),
        ["ci"] => check::ci(),
        ["conformance", rest @ ..] => conformance::task(rest),
        ["example", name] => example::serve(name),
        ["bench", "--quick"] => bench::quick(),
        ["bench", "--http2"] => bench::http2(),
        ["bench", "--floods"] => bench::floods(),
        ["bench", "--instructions", rest @ ..] => instructions::task(rest),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
