//! `tidegate schema`: what editors need to complete and check a configuration while it is written.

use std::process::ExitCode;

pub fn execute() -> Result<ExitCode, ExitCode> {
    super::report::answer(&format!("{:#}", policy::schema()));
    Ok(ExitCode::SUCCESS)
}
