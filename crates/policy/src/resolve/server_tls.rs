//! What is spoken with servers, and TLS to them: two keys of a pool that must fit each other.

use super::general::{certificate_files, file_path};
use super::hosts;
use super::together::{Place, at, together};
use crate::file::decode::{Field, Problems};
use crate::file::raw;
use crate::file::tree::At;
use crate::model::{AuthorityFile, HostPattern, Protocol, ServerTls};
use crate::source::{Diagnostic, Span};

/// The protocol and the TLS of a pool.
pub fn resolve(own: &raw::Pool, place: Place, problems: &mut Problems) -> (Protocol, Option<ServerTls>) {
    let (protocol, tls) = (own.protocol.given(), own.tls.given());
    let (word, needed_at) = protocol.map_or((raw::PoolProtocol::H1, Span::default()), |at| (at.value, at.at));
    let keys = [at(&own.tls), at(&own.protocol)];
    let off = matches!(tls, Some(At { value: raw::ServerTls::Off, .. }));
    match word {
        raw::PoolProtocol::H2 if off => {
            let message = "`h2` is HTTP/2 over TLS, which is turned off";
            together(message, &keys, place, problems, |found| found.help("write `protocol: h2c`"));
        }
        raw::PoolProtocol::H2c if tls.is_some() && !off => {
            let message = "`h2c` is HTTP/2 without TLS";
            together(message, &keys, place, problems, |found| found.help("with TLS write `protocol: h2`"));
        }
        _ => {}
    }
    let model = match &own.protocol {
        // The stand-in that suits every use of the pool, so that none is complained of besides.
        Field::Broken => Protocol::H2,
        _ if word == raw::PoolProtocol::H1 => Protocol::H1,
        _ => Protocol::H2,
    };
    let tls = match tls {
        Some(At { value: raw::ServerTls::On(keys), at }) => Some(given(keys, *at, own, place, problems)),
        _ if word == raw::PoolProtocol::H2 && !matches!(own.tls, Field::Broken) => {
            Some(given(&raw::ServerTlsKeys::default(), needed_at, own, place, problems))
        }
        _ => None,
    };
    (model, tls)
}

fn given(
    keys: &raw::ServerTlsKeys,
    turned_on: Span,
    pool: &raw::Pool,
    place: Place,
    problems: &mut Problems,
) -> ServerTls {
    for (one, other, missing) in [(&keys.cert, &keys.key, "key"), (&keys.key, &keys.cert, "cert")] {
        if other.is_absent() && one.given().is_some() {
            let message = format!("a certificate without `{missing}`");
            // Either may be taken over, and be missing because it is cleared here.
            together(&message, &[at(one), at(&pool.tls)], place, problems, |found| {
                found.help("write `cert: FILE.pem, key: FILE.pem`, or neither")
            });
        }
    }
    ServerTls {
        ca: keys
            .ca
            .given()
            .map(|ca| AuthorityFile { path: file_path(&ca.value, ca.at, problems), at: ca.at }),
        sni: name(&keys.sni, &pool.host, problems),
        certificate: certificate_files(&keys.cert, &keys.key, problems),
        // Where the file could not be read, nobody is to look for the system's instead.
        verify: keys.verify.value().copied().unwrap_or(true) && !matches!(keys.ca, Field::Broken),
        at: turned_on,
    }
}

/// The name of all servers: `sni`, else the pool's `host` without its port.
fn name(sni: &Field<String>, host: &Field<String>, problems: &mut Problems) -> Option<String> {
    if let Some(sni) = sni.given() {
        let name = certified(&sni.value);
        if name.is_none() {
            let problem = Diagnostic::error(sni.at, format!("`{}` is not a name or an address", sni.value));
            problems.push(problem.label("expected one such as app.internal, without a port"));
        }
        return name;
    }
    if let Field::Broken = sni {
        return None;
    }
    let host = host.given()?;
    let name = certified(without_port(&host.value));
    if name.is_none() {
        let message = format!("no certificate can be for `{}`", host.value);
        let problem = Diagnostic::error(host.at, message).label("servers would be asked for by this name");
        problems.push(problem.help("write `tls: { sni: NAME }`"));
    }
    name
}

/// A name that a certificate may have, in lower case; IPv6 without brackets.
fn certified(text: &str) -> Option<String> {
    match hosts::read(text) {
        Ok(HostPattern::Exact(name)) => Some(name),
        _ => None,
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && name.starts_with('[') == name.ends_with(']')
                && (name.starts_with('[') || !name.contains(':')) =>
        {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_know_no_ports() {
        for (host, expected) in [
            ("app.internal", Some("app.internal")),
            ("App.Internal:8443", Some("app.internal")),
            ("10.0.0.1:80", Some("10.0.0.1")),
            ("[::1]:80", Some("::1")),
            ("[::1]", Some("::1")),
            ("::1", Some("::1")),
            ("a..b", None),
            ("a:b", None),
            ("*.a", None),
            ("", None),
        ] {
            assert_eq!(certified(without_port(host)).as_deref(), expected, "{host}");
        }
    }
}
