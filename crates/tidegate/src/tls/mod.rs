//! TLS on both sides: certificates are read and checked at load, and never fail at night.
//!
//! `rustls` with `aws-lc-rs`. Towards clients, certificates are chosen by name in memory. Listeners differ in what they
//! offer by ALPN and in nothing else, since all sites have the same policy as long as none asks clients for
//! certificates. TLS to servers is the matter of [`client`].

mod certificate;
mod check;
pub mod client;
pub mod internal;
mod resolver;
mod session;
mod stream;

pub use check::check;
pub use stream::TlsStream;

use certificate::Certificate;
use policy::model::{HostPattern, Policy, Protocols};
use policy::source::Files;
use resolver::Resolver;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::collections::HashMap;
use std::sync::Arc;

/// HTTP/1.1 as ALPN names it (RFC 7301 section 6).
pub const ALPN_H1: &[u8] = b"http/1.1";
/// HTTP/2 as ALPN names it (RFC 9113 section 3.2).
pub const ALPN_H2: &[u8] = b"h2";

/// Why TLS cannot be set up, though [`check`] had nothing against it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate cannot be used.
    #[error("cannot use the certificate {path}")]
    Certificate {
        /// Its file.
        path: String,
        /// Why.
        #[source]
        source: certificate::CertificateError,
    },
    /// Certificates that servers are to be trusted by cannot be used.
    #[error("cannot use the authorities for the pool {pool}")]
    Authorities {
        /// The pool's name.
        pool: String,
        /// Why.
        #[source]
        source: client::AuthorityError,
    },
    /// No certificate can be for a server's name.
    #[error("no certificate can be for {name} in the pool {pool}")]
    ServerName {
        /// The pool's name.
        pool: String,
        /// The server's.
        name: String,
    },
    /// The internal CA cannot be used.
    #[error("cannot use the internal CA")]
    Internal(#[from] internal::InternalError),
    /// Something that only `rustls` knows.
    #[error("cannot set up TLS")]
    Rustls(#[from] rustls::Error),
}

/// Tickets given to a client after a TLS 1.3 handshake: one for each connection that it may resume with soon.
const TICKETS: usize = 2;

/// How each listener ends TLS. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct ListenerConfigs(Arc<[Option<Arc<ServerConfig>>]>);

impl ListenerConfigs {
    /// That of the listener with this number; `None` when it has no TLS.
    pub fn get(&self, listener: usize) -> Option<&Arc<ServerConfig>> {
        self.0.get(listener)?.as_ref()
    }
}

/// How listeners end TLS. `files` must have the internal CA's files where a site needs it: see [`internal::ensure`].
///
/// # Errors
/// When a certificate, or the internal CA, cannot be used.
pub fn build(policy: &Policy, files: &dyn Files) -> Result<ListenerConfigs, TlsError> {
    if !policy.listeners.iter().any(|listener| listener.tls) {
        return Ok(ListenerConfigs(policy.listeners.iter().map(|_| None).collect()));
    }
    let common = common(policy, files)?;
    let mut by_protocols: HashMap<Protocols, Arc<ServerConfig>> = HashMap::new();
    let mut config = |protocols| {
        let make = || {
            // Resolver, ticketer and all else are shared: a ticket of one listener is good on every other.
            let mut config = common.clone();
            config.alpn_protocols = alpn(protocols);
            Arc::new(config)
        };
        Arc::clone(by_protocols.entry(protocols).or_insert_with(make))
    };
    let tls = policy.listeners.iter().map(|listener| listener.tls.then_some(listener.protocols));
    Ok(ListenerConfigs(tls.map(|protocols| protocols.map(&mut config)).collect()))
}

/// What is offered, the better first.
fn alpn(protocols: Protocols) -> Vec<Vec<u8>> {
    let offered = [(protocols.h2, ALPN_H2), (protocols.h1, ALPN_H1)];
    offered.into_iter().filter(|(spoken, _)| *spoken).map(|(_, name)| name.to_vec()).collect()
}

/// What all listeners have in common.
fn common(policy: &Policy, files: &dyn Files) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let resolver = resolver(policy, files, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    // Keys made at start and replaced every six hours; tickets under the previous key are still taken.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = TICKETS;
    // Tickets do it; nothing is kept here for clients.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(config)
}

/// All certificates by the names that they are for. A site's own come before the file's, those before the internal CA's.
fn resolver(policy: &Policy, files: &dyn Files, provider: &CryptoProvider) -> Result<Resolver, TlsError> {
    let mut resolver = Resolver::default();
    let load = |paths: &policy::model::CertificateFiles| {
        Certificate::load(paths, files, provider)
            .map_err(|source| TlsError::Certificate { path: paths.cert.display().to_string(), source })
    };
    let shared: Vec<Certificate> = policy.tls.certificates.iter().map(load).collect::<Result<_, _>>()?;
    for certificate in &shared {
        resolver.add_default(&certificate.key);
    }
    for site in &policy.sites {
        for paths in &site.tls.certificates {
            let certificate = load(paths)?;
            for host in site.hosts.iter().filter(|host| certificate.covers(host)) {
                resolver.add(host, &certificate.key);
            }
            resolver.add_default(&certificate.key);
        }
    }
    for certificate in &shared {
        for name in &certificate.names {
            resolver.add(&name.pattern(), &certificate.key);
        }
    }
    add_internal(policy, files, provider, &mut resolver)?;
    Ok(resolver)
}

/// Certificates of the internal CA for names that have no other.
fn add_internal(
    policy: &Policy,
    files: &dyn Files,
    provider: &CryptoProvider,
    resolver: &mut Resolver,
) -> Result<(), TlsError> {
    if !internal::is_needed(policy) {
        return Ok(());
    }
    let authority = internal::Authority::read(&policy.state_dir, files)?;
    for site in policy.sites.iter().filter(|site| internal::serves(policy, site)) {
        for host in site.hosts.iter().filter(|host| **host != HostPattern::Any) {
            let name = host.to_string();
            if !resolver.has(host) && !name.contains(':') && name.parse::<std::net::Ipv4Addr>().is_err() {
                resolver.add(host, &authority.issue(&[name], provider)?);
            }
        }
    }
    // For clients that name no host, or one of no site.
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let literals = policy.sites.iter().flat_map(|site| &site.hosts).filter_map(|host| match host {
        HostPattern::Exact(name) if name.parse::<std::net::IpAddr>().is_ok() => Some(name.clone()),
        _ => None,
    });
    names.extend(literals);
    names.sort();
    names.dedup();
    let local = authority.issue(&names, provider)?;
    let localhost = HostPattern::Exact("localhost".to_owned());
    if !resolver.has(&localhost) {
        resolver.add(&localhost, &local);
    }
    resolver.add_default(&local);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
