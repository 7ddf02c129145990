//! Foreign suites against the program: h2spec, grpc-go's interop cases, and WebSockets of a well-kept library.
//!
//! What they need is in `conformance/`; `conformance/README.md` says how to read results. What is built and what
//! programs said in a run lies in `target/conformance/`.

mod grpc;
mod h2spec;
mod programs;
mod report;
mod stage;
mod websocket;

use crate::run::{Failure, cargo, succeed};
use stage::Subject;
use std::time::Instant;

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Frames, streams and fields of HTTP/2, as RFC 9113 and RFC 7541 want them.
    H2spec,
    /// gRPC between grpc-go's own client and server.
    Grpc,
    /// WebSockets over HTTP/1 and HTTP/2.
    WebSocket,
}

const ALL: [Suite; 3] = [Suite::H2spec, Suite::Grpc, Suite::WebSocket];

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Suite::H2spec => "h2spec",
            Suite::Grpc => "grpc",
            Suite::WebSocket => "websocket",
        }
    }

    fn run(self, subject: Subject) -> Result<Outcome, Failure> {
        match self {
            Suite::H2spec => h2spec::run(subject),
            Suite::Grpc => grpc::run(subject),
            Suite::WebSocket if subject == Subject::Tidegate => websocket::run(),
            Suite::WebSocket => Ok(Outcome::skipped("WebSockets: their cases know Tidegate's configuration")),
        }
    }
}

/// What came of a suite.
#[derive(Debug, Default)]
pub struct Outcome {
    passed: usize,
    /// A line for each case that did not hold.
    failed: Vec<String>,
    /// What was left out, and why.
    pub skipped: Vec<String>,
}

impl Outcome {
    /// Nothing could be done.
    fn skipped(reason: &str) -> Outcome {
        Outcome { skipped: vec![format!("SKIPPED: {reason}")], ..Outcome::default() }
    }

    fn fail(&mut self, line: String) {
        println!("FAILED {line}");
        self.failed.push(line);
    }

    fn join(&mut self, other: Outcome) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        self.skipped.extend(other.skipped);
    }

    /// As the harness of Rust's tests says it.
    pub fn line(&self) -> String {
        let word = if self.failed.is_empty() { "ok" } else { "FAILED" };
        format!("test result: {word}. {} passed; {} failed; 0 ignored", self.passed, self.failed.len())
    }

    /// # Errors
    /// When a case did not hold.
    pub fn verdict(&self) -> Result<(), Failure> {
        // The rest of each was printed when it failed.
        let names: Vec<&str> = self.failed.iter().filter_map(|line| line.lines().next()).collect();
        match names.len() {
            0 => Ok(()),
            count => Err(format!("{count} cases of conformance suites failed:\n  {}", names.join("\n  "))),
        }
    }
}

/// `cargo xtask conformance` with these words behind it.
///
/// # Errors
/// When a case fails, something does not build or start, or a word is not known.
pub fn task(words: &[&str]) -> Result<(), Failure> {
    let (words, subject) = match words {
        [words @ .., "--against", "nginx"] => (words, Subject::Nginx),
        words => (words, Subject::Tidegate),
    };
    let suites = words.iter().map(|word| suite(word)).collect::<Result<Vec<_>, _>>()?;
    let outcome = run(if suites.is_empty() { &ALL } else { &suites }, subject)?;
    println!("{}", outcome.line());
    for line in &outcome.skipped {
        println!("  {line}");
    }
    outcome.verdict()
}

fn suite(word: &str) -> Result<Suite, Failure> {
    let known = ALL.into_iter().find(|suite| suite.name() == word);
    known.ok_or_else(|| format!("there is no suite `{word}`; there are h2spec, grpc and websocket"))
}

/// All suites, as part of everything that must hold.
///
/// # Errors
/// When something does not build or start; a case that fails is in the outcome.
pub fn all() -> Result<Outcome, Failure> {
    run(&ALL, Subject::Tidegate)
}

/// Runs them all, whatever comes of the first.
fn run(suites: &[Suite], subject: Subject) -> Result<Outcome, Failure> {
    build()?;
    let mut all = Outcome::default();
    for suite in suites {
        let started = Instant::now();
        let outcome = suite.run(subject).unwrap_or_else(|error| {
            let mut outcome = Outcome::default();
            outcome.fail(format!("{}: {error}", suite.name()));
            outcome
        });
        for line in &outcome.skipped {
            println!("== {line}");
        }
        println!("== {}: {} s", suite.name(), started.elapsed().as_secs());
        all.join(outcome);
    }
    Ok(all)
}

/// The program and an origin, as tests have them: with checks for overflows and broken assumptions.
fn build() -> Result<(), Failure> {
    succeed(cargo(&["build", "--locked", "-p", "tidegate", "-p", "tidegate-testkit", "--bins"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_suites_adds_up() {
        let mut all = Outcome { passed: 145, ..Outcome::default() };
        assert_eq!(all.line(), "test result: ok. 145 passed; 0 failed; 0 ignored");
        assert_eq!(all.verdict(), Ok(()));
        all.join(Outcome {
            passed: 1,
            failed: vec!["grpc: ping_pong\n    why".to_owned()],
            skipped: Vec::new(),
        });
        all.join(Outcome::skipped("node is not installed: WebSockets"));
        assert_eq!(all.line(), "test result: FAILED. 146 passed; 1 failed; 0 ignored");
        assert_eq!(all.skipped, ["SKIPPED: node is not installed: WebSockets"]);
        assert!(all.verdict().is_err_and(|error| error.ends_with("failed:\n  grpc: ping_pong")));
    }

    #[test]
    fn suites_are_known_by_name() {
        assert!(ALL.into_iter().all(|one| suite(one.name()) == Ok(one)));
        assert!(suite("h3spec").is_err());
    }
}
