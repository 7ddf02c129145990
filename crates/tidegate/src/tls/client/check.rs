//! What is wrong with the files of pools, said before any server is asked.

use super::super::check::{diagnostic, load_one};
use super::authorities::Authorities;
use policy::model::{Pool, ServerTls};
use policy::source::{Diagnostic, Files, Severity};
use rustls::pki_types::ServerName;

/// Looks at the authorities, certificates and names of every pool that has TLS. `now` is in seconds since the epoch.
pub fn check(pools: &[Pool], files: &dyn Files, now: i64, diagnostics: &mut Vec<Diagnostic>) {
    let mut authorities = Authorities::new(files);
    for (pool, tls) in pools.iter().filter_map(|pool| Some((pool, pool.tls.as_ref()?))) {
        if tls.verify || tls.ca.is_some() {
            diagnostics.extend(check_authorities(tls, &mut authorities));
        }
        if let Some(certificate) = &tls.certificate {
            load_one(certificate, files, now, diagnostics);
        }
        diagnostics.extend(check_names(pool, tls));
    }
}

fn check_authorities(tls: &ServerTls, authorities: &mut Authorities<'_>) -> Option<Diagnostic> {
    let error = authorities.load(tls.ca.as_ref()).err()?;
    Some(match &tls.ca {
        Some(ca) => {
            let message = format!("cannot use {}: {error}", ca.path.display());
            diagnostic(Severity::Error, message, ca.at, "this file")
        }
        None => {
            let message = format!("nothing says which servers to trust: {error}");
            let diagnostic = diagnostic(Severity::Error, message, tls.at, "TLS to servers");
            diagnostic.help("write `tls: { ca: FILE.pem }`, or install the package `ca-certificates`")
        }
    })
}

/// What is a name for people is not always one for certificates (a last label of digits is none).
fn check_names(pool: &Pool, tls: &ServerTls) -> Option<Diagnostic> {
    let name = pool.servers.iter().map(|server| tls.name(server));
    let name = name.into_iter().find(|name| ServerName::try_from(*name).is_err())?;
    let message = format!("no certificate can be for `{name}`");
    let diagnostic = diagnostic(Severity::Error, message, tls.at, "servers would be asked for by this name");
    Some(diagnostic.help("write `tls: { sni: NAME }`"))
}
