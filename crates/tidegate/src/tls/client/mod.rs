//! TLS to servers: whom to trust, what to show, and by which name each server is known.
//!
//! Each pool has a configuration of its own, and with it a store of sessions of its own, so that a session that was
//! earned with one client certificate, or under one set of authorities, is never resumed under another.

mod authorities;
mod check;
mod verifier;

pub use authorities::{Authorities, AuthorityError};
pub use check::check;

use super::certificate::Certificate;
use super::{ALPN_H1, ALPN_H2, TlsError};
use policy::model::{Pool, PoolId, Protocol, ServerTls};
use policy::source::Files;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use std::collections::HashSet;
use std::sync::Arc;
use verifier::{Anybody, Trusted};

/// Sessions that are kept for a name: as many connections may be resumed at once.
const SESSIONS_PER_NAME: usize = 8;

/// TLS to the servers of all pools. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct ClientConfigs(Arc<[Option<PoolTls>]>);

/// TLS to the servers of one pool.
#[derive(Debug)]
pub struct PoolTls {
    /// For `rustls`. ALPN offers what the pool speaks and nothing else: whether the server took it is for the caller to
    /// check, with [`agreed_on_h2`] where HTTP/2 is spoken.
    pub config: Arc<ClientConfig>,
    /// What each server is asked for and must be certified for, in the order of the pool.
    pub names: Box<[ServerName<'static>]>,
}

impl ClientConfigs {
    /// That of a pool; `None` when it has no TLS.
    pub fn get(&self, pool: PoolId) -> Option<&PoolTls> {
        self.0.get(pool.0)?.as_ref()
    }

    /// TLS to the servers of these pools.
    ///
    /// # Errors
    /// When authorities or a certificate cannot be used, which [`check`] finds before.
    pub fn new(pools: &[Pool], files: &dyn Files) -> Result<ClientConfigs, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut authorities = Authorities::new(files);
        let mut one = |pool: &Pool| {
            pool.tls.as_ref().map(|tls| pool_tls(pool, tls, &mut authorities, &provider)).transpose()
        };
        Ok(ClientConfigs(pools.iter().map(&mut one).collect::<Result<_, _>>()?))
    }
}

/// Whether HTTP/2 was agreed on. A server that knows no ALPN agrees on nothing, and may speak anything.
pub fn agreed_on_h2(session: &rustls::CommonState) -> bool {
    session.alpn_protocol() == Some(ALPN_H2)
}

fn pool_tls(
    pool: &Pool,
    tls: &ServerTls,
    authorities: &mut Authorities<'_>,
    provider: &Arc<CryptoProvider>,
) -> Result<PoolTls, TlsError> {
    let names = names(pool, tls).collect::<Result<Box<[_]>, _>>()?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier(pool, tls, authorities, provider)?);
    let mut config = match &tls.certificate {
        None => builder.with_no_client_auth(),
        Some(paths) => {
            let certificate = Certificate::load(paths, authorities.files, provider)
                .map_err(|source| TlsError::Certificate { path: paths.cert.display().to_string(), source })?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.key)))
        }
    };
    let alpn = if pool.protocol == Protocol::H2 { ALPN_H2 } else { ALPN_H1 };
    config.alpn_protocols = vec![alpn.to_vec()];
    let distinct = names.iter().collect::<HashSet<_>>().len();
    config.resumption = Resumption::in_memory_sessions(SESSIONS_PER_NAME * distinct);
    Ok(PoolTls { config: Arc::new(config), names })
}

fn names<'p>(
    pool: &'p Pool,
    tls: &'p ServerTls,
) -> impl Iterator<Item = Result<ServerName<'static>, TlsError>> {
    pool.servers.iter().map(|server| {
        let name = tls.name(server);
        ServerName::try_from(name.to_owned())
            .map_err(|_| TlsError::ServerName { pool: pool.name.clone(), name: name.to_owned() })
    })
}

fn verifier(
    pool: &Pool,
    tls: &ServerTls,
    authorities: &mut Authorities<'_>,
    provider: &CryptoProvider,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    if !tls.verify {
        return Ok(Arc::new(Anybody::new(provider)));
    }
    let trusted = authorities
        .load(tls.ca.as_ref())
        .map_err(|source| TlsError::Authorities { pool: pool.name.clone(), source })?;
    Ok(Arc::new(Trusted::new(trusted, provider)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
