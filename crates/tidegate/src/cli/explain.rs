//! `tidegate explain`: what would happen to a request, step by step.

use super::{ConfigurationFile, USAGE, report};
use crate::process::configuration;
use clap::Args;
use policy::answer::compose;
use policy::decide::{CookieKeys, Outcome, Rules};
use policy::model::Policy;
use policy::testing::{HandState, Simulation, TestRequest, Verdict};
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    configuration: ConfigurationFile,
    /// The method
    method: String,
    /// The URL; its scheme says which kind of listener it comes through, its port is ignored
    url: String,
    /// A header field to send; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(String, String)>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    /// A server that is down, as written in the file; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    down: Vec<String>,
    /// Print the steps as JSON
    #[arg(long)]
    json: bool,
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected `NAME: VALUE`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl Explain {
    pub fn execute(&self) -> Result<ExitCode, ExitCode> {
        let checked = configuration::check(&self.configuration.path()?);
        let Some(policy) = &checked.policy else {
            report::diagnostics(&checked);
            return Err(ExitCode::FAILURE);
        };
        let usage = |text: String| {
            report::line(&text);
            ExitCode::from(USAGE)
        };
        if let Some(unknown) = self.down.iter().find(|name| !has_server(policy, name)) {
            return Err(usage(format!("no pool has a server {unknown}")));
        }
        let request = TestRequest::new(&self.method, &self.url, self.headers.clone(), self.client)
            .map_err(|error| usage(error.to_string()))?;
        let rules = Rules::new(Arc::clone(policy), CookieKeys { current: [0; 32], previous: None });
        let mut simulation = Simulation::new(&rules, HandState::new(policy, &self.down), 0);
        let (verdict, trace) = simulation.explain(&request);
        let told = outcome(policy, &verdict, &request);
        if self.json {
            let steps = policy::explain::to_json(&trace);
            report::answer(&format!("{:#}", serde_json::json!({ "steps": steps, "outcome": told })));
        } else {
            report::answer(&format!("{}= {told}", policy::explain::write(&trace)));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn has_server(policy: &Policy, name: &str) -> bool {
    policy.pools.iter().flat_map(|pool| &pool.servers).any(|server| server.name == name)
}

/// The end of it, in a few words.
fn outcome(policy: &Policy, verdict: &Verdict<'_>, request: &TestRequest) -> String {
    match &verdict.decided.outcome {
        Outcome::Forward(forward) => match verdict.pick {
            Some(pick) => {
                let pool = &policy.pools[pick.pool.0];
                format!("forwarded to {} of pool {}", pool.servers[pick.server].name, pool.name)
            }
            None => format!("answered 503: no server of pool {} is up", policy.pools[forward.pool.0].name),
        },
        Outcome::RedirectToHttps { .. } | Outcome::Respond(_) => {
            let Some(answer) = compose(policy, &verdict.decided, &request.facts()) else {
                return "answered by the route".to_owned();
            };
            match answer.headers.iter().find(|(name, _)| *name == "Location") {
                Some((_, to)) if (300..=399).contains(&answer.status) => {
                    format!("redirected to {} with {}", String::from_utf8_lossy(to), answer.status)
                }
                _ => format!("answered {} by the route", answer.status),
            }
        }
        Outcome::Refuse { status, reason } => format!("refused with {status} ({reason})"),
    }
}
