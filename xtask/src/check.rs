//! Everything that must hold before a change is taken.

use crate::run::{Failure, cargo, succeed};
use crate::tools;
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
    tools::set_up()?;
    let started = Instant::now();
    let mut results = Vec::new();
    step("format", || {
        succeed(cargo(&["fmt", "--all", "--check"]))?;
        succeed(cargo(&["fmt", "--check", "--manifest-path", FUZZ]))
    })?;
    step("lints", || {
        succeed(cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
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
        run_tests(cargo(&[&package[..], &tests].concat()), &mut results)
    })?;
    step("fuzz targets", || run_tests(cargo(&["test", "--locked", "--manifest-path", FUZZ]), &mut results))?;
    step("documentation", || {
        let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        succeed(doc)
    })?;
    println!("{}", summary(&results));
    println!("all checks hold, after {} s", started.elapsed().as_secs());
    Ok(())
}

/// What CI runs besides.
///
/// # Errors
/// The first check that fails.
pub fn ci() -> Result<(), Failure> {
    test()?;
    if !tools::is_there("cargo-deny") && !cargo_has("deny") {
        println!("== SKIPPED: cargo-deny is not installed; licences and advisories are not checked");
        return Ok(());
    }
    step("dependencies", || succeed(cargo(&["deny", "check", "licenses", "bans", "sources"])))
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

/// Runs tests, showing their output as it comes and keeping their result lines.
fn run_tests(mut command: Command, results: &mut Vec<String>) -> Result<(), Failure> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            if line.starts_with("test result:") {
                results.push(line);
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("tests failed: {}", summary(results))) }
}

/// All result lines as one.
fn summary(results: &[String]) -> String {
    let sum = |word: &str| results.iter().map(|line| count(line, word)).sum::<u64>();
    let verdict =
        if results.iter().all(|line| line.starts_with("test result: ok")) { "ok" } else { "FAILED" };
    format!(
        "tests: {verdict}. {} passed; {} failed; {} ignored; in {} binaries",
        sum("passed"),
        sum("failed"),
        sum("ignored"),
        results.len()
    )
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
    fn result_lines_are_summed() {
        let line =
            "test result: ok. 9 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.07s";
        let bad = "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(
            summary(&[line.to_owned(), line.to_owned()]),
            "tests: ok. 18 passed; 0 failed; 2 ignored; in 2 binaries"
        );
        assert_eq!(
            summary(&[line.to_owned(), bad.to_owned()]),
            "tests: FAILED. 11 passed; 3 failed; 1 ignored; in 2 binaries"
        );
    }
}
