//! Commands that serve: `run`, `demo`, and the engine that `run` starts.

use super::{ConfigurationFile, log, report};
use crate::process::supervisor::Ended;
use crate::process::{child, configuration, supervisor};
use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    configuration: ConfigurationFile,
}

impl Run {
    pub fn execute(&self) -> Result<ExitCode, ExitCode> {
        log::start();
        let checked = configuration::check(&self.configuration.path()?);
        report::diagnostics(&checked);
        let configuration = checked.into_accepted().map_err(|_| {
            report::line("not started: the configuration has errors");
            ExitCode::FAILURE
        })?;
        match supervisor::run(configuration) {
            Ok(Ended::Drained) => Ok(ExitCode::SUCCESS),
            Ok(Ended::Cut) => Err(ExitCode::FAILURE),
            Err(error) => Err(report::failure(&error)),
        }
    }
}

/// The engine's process. Its log lines go where the supervisor's go.
pub fn engine() -> Result<ExitCode, ExitCode> {
    log::start();
    child::run().map_err(|error| report::failure(&error))
}

/// Servers and a balancer in one process.
pub fn demo() -> Result<ExitCode, ExitCode> {
    log::start_quiet();
    crate::demo::run().map(|()| ExitCode::SUCCESS).map_err(|error| report::failure(&error))
}
