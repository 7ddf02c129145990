//! `tidegate explain`: what would happen to a request, step by step.

use super::{ConfigurationFile, USAGE, report};
use crate::process::configuration;
use clap::Args;
use policy::answer::OwnAnswer;
use policy::decide::{CookieKeys, Outcome, Rules};
use policy::file::decode::nearest;
use policy::model::{ListenerId, Policy};
use policy::testing::{HandState, Simulation, TestRequest, Url, Verdict, means_server};
use serde_json::{Value, json};
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
    /// The peer's address: the client's, or that of a proxy in front
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    /// The listener that it comes through, by its name [default: any of the kind that the URL says]
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// A server that is down, by its address; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    down: Vec<String>,
    /// Print the steps as JSON
    #[arg(long)]
    json: bool,
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected `NAME: VALUE`")?;
    let value = value.trim();
    if !wire::field::is_token(name.as_bytes()) {
        return Err(format!("`{name}` is not the name of a field"));
    }
    if !wire::field::is_value(value.as_bytes()) {
        return Err("a field's value has no control characters".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
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
        let listener = self.listener.as_ref().map(|name| listener(policy, name, &self.url)).transpose();
        let request = request.through(listener.map_err(usage)?);
        let rules = Rules::new(Arc::clone(policy), CookieKeys { current: [0; 32], previous: None });
        let mut simulation = Simulation::new(&rules, HandState::new(policy, &self.down), 0);
        let (verdict, trace) = simulation.explain(&request);
        let answer = verdict.own_answer(policy, &request.facts(policy));
        let told = outcome(policy, &verdict, answer.as_ref());
        if self.json {
            let mut object = json!({ "steps": policy::explain::to_json(&trace), "outcome": told });
            if let Some(answer) = &answer {
                object["answer"] = as_json(answer);
            }
            report::answer(&format!("{object:#}"));
        } else {
            let steps = policy::explain::write(&trace);
            let shown = match (&verdict.decided.outcome, &answer) {
                (Outcome::Respond(_), Some(answer)) => shown(answer),
                _ => String::new(),
            };
            report::answer(&format!("{steps}= {told}{shown}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn has_server(policy: &Policy, text: &str) -> bool {
    policy.pools.iter().flat_map(|pool| &pool.servers).any(|server| means_server(text, server))
}

/// The listener of that name, which must be of the kind that the URL says.
fn listener(policy: &Policy, name: &str, url: &str) -> Result<ListenerId, String> {
    let names = || policy.listeners.iter().map(|listener| listener.name.as_str());
    let Some(found) = names().position(|known| known == name) else {
        let help = nearest(name, names()).map_or_else(
            || format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
            |nearest| format!("did you mean `{nearest}`?"),
        );
        return Err(format!("no listener is named `{name}`; {help}"));
    };
    let tls = policy.listeners[found].tls;
    if Url::parse(url).is_some_and(|url| url.tls != tls) {
        let (kind, scheme) = if tls { ("TLS", "https") } else { ("plain", "http") };
        return Err(format!("`{name}` is a {kind} listener; write {scheme}://"));
    }
    Ok(ListenerId(found))
}

/// The end of it, in a few words.
fn outcome(policy: &Policy, verdict: &Verdict<'_>, answer: Option<&OwnAnswer<'_>>) -> String {
    match (&verdict.decided.outcome, answer) {
        (Outcome::Refuse { status, reason }, _) => format!("refused with {status} ({reason})"),
        (Outcome::Forward(forward), _) => match verdict.pick {
            Some(pick) => {
                let pool = &policy.pools[pick.pool.0];
                format!("forwarded to {} of pool {}", pool.servers[pick.server].name, pool.name)
            }
            None => format!("answered 503: no server of pool {} is up", policy.pools[forward.pool.0].name),
        },
        (_, None) => "answered by the route".to_owned(),
        (_, Some(answer)) => match answer.headers.iter().find(|(name, _)| *name == "Location") {
            Some((_, to)) if (300..=399).contains(&answer.status) => {
                format!("redirected to {} with {}", String::from_utf8_lossy(to), answer.status)
            }
            _ => format!("answered {} by the route", answer.status),
        },
    }
}

/// Fields and body, indented, below the outcome. A redirect is told in full already.
fn shown(answer: &OwnAnswer<'_>) -> String {
    let redirect = (300..=399).contains(&answer.status);
    let fields = answer.headers.iter().filter(|(name, _)| !(redirect && *name == "Location"));
    let mut text: String = fields
        .map(|(name, value)| format!("\n  {name}: {}", printable(&String::from_utf8_lossy(value))))
        .collect();
    if !answer.body.is_empty() {
        text.push('\n');
        for line in String::from_utf8_lossy(&answer.body).lines() {
            text.push_str(&format!("\n  {}", printable(line)));
        }
    }
    text
}

/// What does nothing to a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn as_json(answer: &OwnAnswer<'_>) -> Value {
    let field = |(name, value): &(&str, Vec<u8>)| json!([name, String::from_utf8_lossy(value)]);
    json!({
        "status": answer.status,
        "headers": answer.headers.iter().map(field).collect::<Vec<_>>(),
        "body": String::from_utf8_lossy(&answer.body),
    })
}
