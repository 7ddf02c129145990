//! `tidegate check`: everything short of binding.

use super::{ConfigurationFile, report};
use crate::process::configuration::{self, Checked};
use clap::Args;
use policy::source::to_json;
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    configuration: ConfigurationFile,
    /// Print the diagnostics as a JSON array on standard output
    #[arg(long)]
    json: bool,
}

impl Check {
    pub fn execute(&self) -> Result<ExitCode, ExitCode> {
        let path = self.configuration.path()?;
        let checked = configuration::check(&path);
        if self.json {
            report::answer(&format!("{:#}", to_json(&checked.diagnostics, &checked.sources)));
        } else {
            report::diagnostics(&checked);
            report::answer(&summary(&path, &checked));
        }
        Ok(if checked.is_accepted() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// `tidegate.yaml: ok: 2 sites, 5 routes, 3 pools, 7 tests passed`, or how much is wrong.
fn summary(path: &Path, checked: &Checked) -> String {
    let tally = report::tally(&checked.diagnostics);
    let text = match &checked.policy {
        Some(policy) if checked.is_accepted() => {
            let routes = policy.sites.iter().map(|site| site.routes.len()).sum();
            let mut parts = vec![
                report::counted(policy.sites.len(), "site"),
                report::counted(routes, "route"),
                report::counted(policy.pools.len(), "pool"),
                format!("{} passed", report::counted(policy.tests.len(), "test")),
            ];
            parts.extend((!tally.is_empty()).then_some(tally));
            format!("ok: {}", parts.join(", "))
        }
        _ => tally,
    };
    format!("{}: {text}", path.display())
}
