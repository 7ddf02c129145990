//! One check of one server.

use super::reason::Reason;
use super::target::Target;
use super::{grpc, http1, http2};
use policy::model::{Health, Probe, Protocol};
use std::time::Duration;

/// How a check went.
pub type Verdict = Result<(), Reason>;

/// Checks a server once.
///
/// # Errors
/// Why it counts as failed.
pub async fn probe(target: &Target, health: &Health) -> Verdict {
    match tokio::time::timeout(health.timeout, ask(target, &health.probe, health.timeout)).await {
        Ok(verdict) => verdict,
        Err(_) => Err(Reason::Timeout),
    }
}

async fn ask(target: &Target, probe: &Probe, timeout: Duration) -> Verdict {
    let host = |host: &Option<String>| host.clone().unwrap_or_else(|| target.address.to_string());
    match probe {
        Probe::Tcp => target.connect().await.map(drop),
        Probe::Grpc { service, host: own } => {
            grpc::check(target.open().await?, target, &host(own), service, timeout).await
        }
        Probe::Http { path, host: own, expect } => {
            let stream = target.open().await?;
            let status = match target.protocol {
                Protocol::H1 => http1::get(stream, &host(own), path).await?,
                Protocol::H2 => http2::get(stream, target, &host(own), path).await?,
            };
            let is_expected = expect.iter().any(|(from, to)| (*from..=*to).contains(&status));
            if is_expected { Ok(()) } else { Err(Reason::Status(status)) }
        }
    }
}
