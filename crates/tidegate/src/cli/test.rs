//! `tidegate test`: runs the `tests:` of a configuration.

use super::{ConfigurationFile, junit, report};
use crate::process::configuration;
use clap::Args;
use policy::model::Test as PolicyTest;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    configuration: ConfigurationFile,
    /// Write the results as JUnit XML too, for CI systems
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// One test and what came of it.
pub struct Outcome {
    /// Method and URL.
    pub name: String,
    /// What does not hold, and why, step by step.
    pub failure: Option<(String, String)>,
}

impl Test {
    pub fn execute(&self) -> Result<ExitCode, ExitCode> {
        let path = self.configuration.path()?;
        let checked = configuration::check(&path);
        let Some(policy) = &checked.policy else {
            report::diagnostics(&checked);
            report::line("not tested: the configuration has errors");
            return Err(ExitCode::FAILURE);
        };
        let outcomes: Vec<Outcome> = policy
            .tests
            .iter()
            .map(|test| {
                let failure = checked.failures.iter().find(|failure| failure.at == test.at);
                let failure = failure.map(|failure| (failure.message.clone(), failure.trace.clone()));
                Outcome { name: name(test), failure }
            })
            .collect();
        for outcome in &outcomes {
            report::answer(&told(outcome));
        }
        let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
        report::answer(&format!("{} passed, {failed} failed", outcomes.len() - failed));
        if let Some(file) = &self.junit {
            fs::write(file, junit::document(&path.display().to_string(), &outcomes)).map_err(|error| {
                report::line(&format!("cannot write {}: {error}", file.display()));
                ExitCode::FAILURE
            })?;
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn name(test: &PolicyTest) -> String {
    let scheme = if test.tls { "https" } else { "http" };
    format!("{} {scheme}://{}{}", test.method, test.authority, test.path_and_query)
}

/// A line; with the steps below it where the test fails.
fn told(outcome: &Outcome) -> String {
    match &outcome.failure {
        None => format!("ok    {}", outcome.name),
        Some((message, trace)) => {
            let steps: Vec<String> = trace.lines().map(|line| format!("      {line}")).collect();
            format!("FAIL  {}\n      {message}\n{}", outcome.name, steps.join("\n")).trim_end().to_owned()
        }
    }
}
