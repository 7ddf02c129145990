//! What is wrong with a configuration's certificates, said before anybody shakes hands.

use super::certificate::{Certificate, CertificateError};
use super::{client, internal};
use policy::model::{CertificateFiles, HostPattern, Policy, Site};
use policy::source::{Diagnostic, Files, Severity, Span};
use rustls::crypto::aws_lc_rs;
use std::time::{SystemTime, UNIX_EPOCH};

/// An end that is nearer than this is worth a warning.
const EXPIRES_SOON: i64 = 14 * 86_400;

/// Looks at every certificate of a configuration, at what covers each site, and at what servers are trusted by. The configuration may have errors: what
/// is in doubt for that reason is not complained of.
pub fn check(policy: &Policy, files: &dyn Files, now: SystemTime) -> Vec<Diagnostic> {
    let now =
        now.duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let mut diagnostics = Vec::new();
    let load = |all: &[CertificateFiles], diagnostics: &mut Vec<Diagnostic>| -> Vec<Option<Certificate>> {
        all.iter().map(|paths| load_one(paths, files, now, diagnostics)).collect()
    };
    let shared = load(&policy.tls.certificates, &mut diagnostics);
    let sites: Vec<_> =
        policy.sites.iter().map(|site| load(&site.tls.certificates, &mut diagnostics)).collect();
    for (site, own) in policy.sites.iter().zip(&sites) {
        check_own(site, own, &mut diagnostics);
        check_covered(policy, site, own, &shared, &mut diagnostics);
    }
    let in_doubt = policy.tls.in_doubt || policy.sites.iter().any(|site| site.tls.in_doubt);
    for (paths, certificate) in policy.tls.certificates.iter().zip(&shared).filter(|_| !in_doubt) {
        let Some(certificate) = certificate else { continue };
        let used = policy.sites.iter().flat_map(|site| &site.hosts).any(|host| certificate.covers(host));
        if !used {
            let message = format!("no site has a host that this certificate is for ({})", names(certificate));
            diagnostics.push(diagnostic(Severity::Warning, message, paths.cert_at, ""));
        }
    }
    client::check(&policy.pools, files, now, &mut diagnostics);
    diagnostics
}

/// Loads a certificate; says what is wrong with it.
pub fn load_one(
    paths: &CertificateFiles,
    files: &dyn Files,
    now: i64,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Certificate> {
    let certificate = match Certificate::load(paths, files, &aws_lc_rs::default_provider()) {
        Ok(certificate) => certificate,
        Err(error) => {
            diagnostics.push(load_error(paths, &error));
            return None;
        }
    };
    let day = |second: i64| {
        jiff::Timestamp::from_second(second)
            .map_or_else(|_| "?".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
    };
    let (severity, message) = if now < certificate.not_before {
        (Severity::Error, format!("the certificate is not valid before {}", day(certificate.not_before)))
    } else if now > certificate.not_after {
        (Severity::Error, format!("the certificate has expired on {}", day(certificate.not_after)))
    } else if certificate.not_after - now < EXPIRES_SOON {
        (Severity::Warning, format!("the certificate expires on {}", day(certificate.not_after)))
    } else {
        return Some(certificate);
    };
    diagnostics.push(diagnostic(severity, message, paths.cert_at, ""));
    Some(certificate)
}

fn load_error(paths: &CertificateFiles, error: &CertificateError) -> Diagnostic {
    let (path, at) =
        if error.blames_key() { (&paths.key, paths.key_at) } else { (&paths.cert, paths.cert_at) };
    let message = format!("cannot use {}: {error}", path.display());
    diagnostic(Severity::Error, message, at, "this file")
}

/// A site's own certificate must be for one of its hosts.
fn check_own(site: &Site, own: &[Option<Certificate>], diagnostics: &mut Vec<Diagnostic>) {
    if site.tls.in_doubt {
        return;
    }
    for (paths, certificate) in site.tls.certificates.iter().zip(own) {
        let Some(certificate) = certificate else { continue };
        if !site.hosts.iter().any(|host| certificate.covers(host)) {
            let message = format!(
                "the certificate is for {}, none of which is a host of this site ({})",
                names(certificate),
                hosts(site)
            );
            diagnostics.push(diagnostic(Severity::Error, message, paths.cert_at, "this certificate"));
        }
    }
}

/// Every host of a site that is served over TLS needs a certificate. Where one could not even be read, that has been
/// said already.
fn check_covered(
    policy: &Policy,
    site: &Site,
    own: &[Option<Certificate>],
    shared: &[Option<Certificate>],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let over_tls = match &site.listeners {
        None => policy.listeners.iter().any(|listener| listener.tls),
        Some(listeners) => listeners.iter().any(|listener| policy.listeners[listener.0].tls),
    };
    let mut all = own.iter().chain(shared);
    let nothing_to_go_by = own.is_empty() && shared.is_empty();
    let in_doubt = policy.tls.in_doubt || site.tls.in_doubt;
    if !over_tls || internal::serves(policy, site) || nothing_to_go_by || in_doubt || all.any(Option::is_none)
    {
        return;
    }
    for host in site.hosts.iter().filter(|host| **host != HostPattern::Any) {
        let covered = own.iter().chain(shared).flatten().any(|certificate| certificate.covers(host));
        if !covered {
            let mut diagnostic = diagnostic(
                Severity::Error,
                format!("no certificate is for {host}"),
                site.at,
                "served over TLS",
            );
            diagnostic.help = Some(
                "add one under `tls: { certificates: [...] }`, or write `tls: { internal: true }`".to_owned(),
            );
            diagnostics.push(diagnostic);
        }
    }
}

fn names(certificate: &Certificate) -> String {
    let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}

fn hosts(site: &Site) -> String {
    site.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A diagnostic without more than this.
pub fn diagnostic(severity: Severity, message: String, at: Span, label: &str) -> Diagnostic {
    Diagnostic { severity, message, at, label: label.to_owned(), others: Vec::new(), help: None }
}
