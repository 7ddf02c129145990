//! The command line: what was typed, and which part of the library it means.
//!
//! A command is a type that mirrors its arguments and a module that carries it out. Exit codes are the same
//! for all: 0 done, 1 the thing asked about does not hold (a wrong configuration, a failing test, a port in
//! use), 2 wrong usage. Errors end here: below, they are values; here, they are told to a person with all
//! their causes.

mod check;
mod explain;
mod junit;
mod log;
pub mod report;
mod run;
mod schema;
mod test;

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where a configuration is looked for when none is named.
const DEFAULT_FILES: [&str; 2] = ["tidegate.yaml", "/etc/tidegate/tidegate.yaml"];

/// Wrong usage.
const USAGE: u8 = 2;

/// A layer 7 load balancer that routes by content and is tested like code.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a configuration until TERM or INT
    Run(run::Run),
    /// Check a configuration without serving it: the file, its certificates, its tests
    Check(check::Check),
    /// Run the `tests:` of a configuration
    Test(test::Test),
    /// Show step by step what would happen to a request
    Explain(explain::Explain),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Start servers and a balancer on free loopback ports, with commands to try
    Demo,
    /// What `run` starts as its child
    #[command(name = crate::process::supervisor::ENGINE_COMMAND, hide = true)]
    Engine,
}

/// Which configuration.
#[derive(Debug, Args)]
struct ConfigurationFile {
    /// The configuration [default: ./tidegate.yaml, then /etc/tidegate/tidegate.yaml]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl ConfigurationFile {
    /// The file that was named, or the first default that is there.
    fn path(&self) -> Result<PathBuf, ExitCode> {
        if let Some(path) = &self.file {
            return Ok(path.clone());
        }
        let found = DEFAULT_FILES.iter().map(Path::new).find(|path| path.exists());
        found.map(Path::to_owned).ok_or_else(|| {
            report::line(&format!(
                "no configuration: name one with -c FILE, or write ./{}",
                DEFAULT_FILES[0]
            ));
            ExitCode::from(USAGE)
        })
    }
}

/// Carries out the command that `arguments` (the program's name first) spell.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell if even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    let result = match &cli.command {
        Command::Run(run) => run.execute(),
        Command::Check(check) => check.execute(),
        Command::Test(test) => test.execute(),
        Command::Explain(explain) => explain.execute(),
        Command::Schema => schema::execute(),
        Command::Demo => run::demo(),
        Command::Engine => run::engine(),
    };
    // A command that stops early has told why.
    result.unwrap_or_else(|code| code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
