//! Everything that must hold before a change is taken.

use crate::run::{Failure, cargo, succeed};
use crate::{conformance, instructions, tools};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A workspace of its own.
const FUZZ: &str = "fuzz/Cargo.toml";

/// Sets up what tests need and runs all checks.
///
/// # Errors
/// The first check that fails.
pub fn test() -> Result<(), Failure> {
    let mut results = Results { skipped: tools::set_up()?, ..Results::default() };
    let started = Instant::now();
    step("format", || {
        succeed(cargo(&["fmt", "--all", "--check"]))?;
        succeed(cargo(&["fmt", "--check", "--manifest-path", FUZZ]))
    })?;
    step("lints", || {
        let all = ["--all-targets", "--locked", "--", "-D", "warnings"];
        succeed(cargo(&[&["clippy", "--workspace"], &all[..]].concat()))?;
        succeed(cargo(&[&["clippy", "--manifest-path", FUZZ], &all[..]].concat()))
    })?;
    step("tests", || {
        // nginx lies where ordinary users do not look.
        let path = std::env::var("PATH").unwrap_or_default();
        let mut tests = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
        tests.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        run_tests(tests, &mut results)
    })?;
    step("instructions", || {
        let package = ["test", "--release", "--locked", "-p", "tidegate-policy"];
        // How long large files take to load is promised of a release build too.
        let tests = ["--test", "cost", "--test", "scale", "--", "--nocapture"];
        run_tests(cargo(&[&package[..], &tests].concat()), &mut results)?;
        let heads =
            ["test", "--release", "--locked", "-p", "tidegate-wire", "--test", "cost", "--", "--nocapture"];
        run_tests(cargo(&heads), &mut results)
    })?;
    step("instructions of requests", || {
        results.skipped.extend(instructions::gate()?);
        Ok(())
    })?;
    step("fuzz targets", || run_tests(cargo(&["test", "--locked", "--manifest-path", FUZZ]), &mut results))?;
    step("conformance", || {
        let outcome = conformance::all()?;
        results.note(&outcome.line());
        results.skipped.extend_from_slice(&outcome.skipped);
        outcome.verdict()
    })?;
    step("documentation", || {
        let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        succeed(doc)
    })?;
    dependencies(&["licenses", "bans", "sources"], &mut results.skipped)?;
    println!("{}", results.summary());
    println!("all checks hold, after {} s", started.elapsed().as_secs());
    Ok(())
}

/// The same, and what is known of flaws in dependencies: it changes without a change of ours, and needs the network.
///
/// # Errors
/// The first check that fails.
pub fn ci() -> Result<(), Failure> {
    test()?;
    dependencies(&["advisories"], &mut Vec::new())
}

/// What `deny.toml` asks of dependencies, where there is a program that checks it.
fn dependencies(checks: &[&str], skipped: &mut Vec<String>) -> Result<(), Failure> {
    if !tools::is_there("cargo-deny") && !cargo_has("deny") {
        let line = format!("SKIPPED: cargo-deny is not installed: {} of dependencies", checks.join(", "));
        println!("== {line}");
        skipped.push(line);
        return Ok(());
    }
    step("dependencies", || succeed(cargo(&[&["deny", "check"], checks].concat())))
}

fn cargo_has(command: &str) -> bool {
    let mut version = cargo(&[command, "--version"]);
    version.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn step(name: &str, run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    println!("== {name}");
    let started = Instant::now();
    run()?;
    println!("== {name}: {} s", started.elapsed().as_secs());
    Ok(())
}

/// What tests said in their output.
#[derive(Default)]
struct Results {
    /// The result line of each binary.
    lines: Vec<String>,
    /// What was left out, and why.
    skipped: Vec<String>,
}

impl Results {
    /// Takes what matters from a line of output.
    fn note(&mut self, line: &str) {
        if line.starts_with("test result:") {
            self.lines.push(line.to_owned());
        } else if let Some(at) = line.find("SKIPPED") {
            self.skipped.push(line[at..].to_owned());
        }
    }

    /// All result lines as one, and a line for each thing that was skipped.
    fn summary(&self) -> String {
        let sum = |word: &str| self.lines.iter().map(|line| count(line, word)).sum::<u64>();
        let is_ok = self.lines.iter().all(|line| line.starts_with("test result: ok"));
        let mut text = format!(
            "tests: {}. {} passed; {} failed; {} ignored; {} skipped; in {} binaries",
            if is_ok { "ok" } else { "FAILED" },
            sum("passed"),
            sum("failed"),
            sum("ignored"),
            self.skipped.len(),
            self.lines.len()
        );
        for line in &self.skipped {
            text.push_str(&format!("\n  {line}"));
        }
        text
    }
}

/// Runs tests, showing their output as it comes and keeping what matters of it. A test that cannot do its work says
/// `SKIPPED` and why on standard output, past the capture of the test harness.
fn run_tests(mut command: Command, results: &mut Results) -> Result<(), Failure> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            results.note(&line);
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("tests failed: {}", results.summary())) }
}

/// The number before `word` in a result line.
fn count(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line.split([' ', ';']).filter(|part| !part.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_summed_up() {
        let line =
            "test result: ok. 9 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.07s";
        let bad = "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        let skipped = "test counted ... SKIPPED: valgrind is not installed";
        for (lines, wanted) in [
            (&[line, line][..], "tests: ok. 18 passed; 0 failed; 2 ignored; 0 skipped; in 2 binaries"),
            (&[line, bad], "tests: FAILED. 11 passed; 3 failed; 1 ignored; 0 skipped; in 2 binaries"),
            (
                &["running 1 test", skipped, line],
                "tests: ok. 9 passed; 0 failed; 1 ignored; 1 skipped; in 1 binaries\n  \
                 SKIPPED: valgrind is not installed",
            ),
        ] {
            let mut results = Results::default();
            lines.iter().for_each(|line| results.note(line));
            assert_eq!(results.summary(), wanted);
        }
    }
}
