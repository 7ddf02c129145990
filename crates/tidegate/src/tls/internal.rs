//! A certificate authority of our own, for development and for names inside a house (`tls: { internal: true }`).
//!
//! Its certificate and key are kept in the state directory; the certificate is what clients are given to trust
//! (`curl --cacert`). Certificates for sites are issued at each start and live in memory only.

use crate::process::state_dir::create_private;
use policy::model::{Policy, Site};
use policy::source::Files;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Days that the authority's certificate is valid.
const AUTHORITY_DAYS: i32 = 3650;
/// Days that a site's certificate is valid; some clients take no more.
const SITE_DAYS: i32 = 397;

/// Why the authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InternalError {
    /// One of its files cannot be read or made.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its files are not what we have written, or a certificate cannot be issued.
    #[error("the authority's key or certificate is damaged; remove both files to get a new one")]
    Rcgen(#[from] rcgen::Error),
    /// `rustls` does not take what was issued.
    #[error("a certificate that was issued cannot be used")]
    Issued(#[from] super::certificate::CertificateError),
}

/// Where the authority's certificate is.
pub fn certificate_path(state_dir: &Path) -> PathBuf {
    state_dir.join("internal-ca.pem")
}

/// Where its key is.
pub fn key_path(state_dir: &Path) -> PathBuf {
    state_dir.join("internal-ca.key")
}

/// Whether a site gets certificates of the authority for names that have no other.
pub fn serves(policy: &Policy, site: &Site) -> bool {
    let has_tls_listener = match &site.listeners {
        None => policy.listeners.iter().any(|listener| listener.tls),
        Some(listeners) => listeners.iter().any(|listener| policy.listeners[listener.0].tls),
    };
    has_tls_listener && (site.tls.internal || policy.tls.internal)
}

/// Whether any site does.
pub fn is_needed(policy: &Policy) -> bool {
    policy.sites.iter().any(|site| serves(policy, site))
}

/// Makes the authority's files in the state directory (which must be there) unless they are there already.
///
/// # Errors
/// When they cannot be written.
pub fn ensure(state_dir: &Path) -> Result<(), InternalError> {
    let (certificate, key) = (certificate_path(state_dir), key_path(state_dir));
    if certificate.exists() && key.exists() {
        return Ok(());
    }
    if !key.exists() && certificate.exists() {
        // What is issued from now on would not fit it.
        fs::remove_file(&certificate).map_err(failed(&certificate))?;
    }
    // Another process may be at it too: whichever key is there in the end is the one that is certified.
    let drawn = KeyPair::generate()?.serialize_pem();
    let kept = create_private(&key, drawn.as_bytes()).map_err(failed(&key))?;
    let pair = KeyPair::from_pem(&String::from_utf8_lossy(&kept))?;
    let authority = authority_params()?.self_signed(&pair)?;
    create_private(&certificate, authority.pem().as_bytes()).map_err(failed(&certificate))?;
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> InternalError {
    let path = path.to_owned();
    move |source| InternalError::Io { path, source }
}

fn authority_params() -> Result<CertificateParams, InternalError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = name("Tidegate internal CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, AUTHORITY_DAYS);
    Ok(params)
}

fn name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// From yesterday (clocks differ) on.
fn set_validity(params: &mut CertificateParams, days: i32) {
    let now = jiff::Timestamp::now().as_second();
    let date = |days_from_now: i64| {
        let stamp = jiff::Timestamp::from_second(now + days_from_now * 86_400).unwrap_or_default();
        let date = jiff::tz::Offset::UTC.to_datetime(stamp).date();
        date_time_ymd(
            i32::from(date.year()),
            u8::try_from(date.month()).unwrap_or(1),
            u8::try_from(date.day()).unwrap_or(1),
        )
    };
    params.not_before = date(-1);
    params.not_after = date(i64::from(days));
}

/// The authority, ready to issue.
pub struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// Reads what [`ensure`] has made.
    ///
    /// # Errors
    /// When its files are missing or damaged.
    pub fn read(state_dir: &Path, files: &dyn Files) -> Result<Authority, InternalError> {
        let path = key_path(state_dir);
        let key = files.read(&path).map_err(|source| InternalError::Io { path, source })?;
        let pair = KeyPair::from_pem(&String::from_utf8_lossy(&key))?;
        // The name and the key are all of an issuer that a certificate shows.
        Ok(Authority(Issuer::new(authority_params()?, pair)))
    }

    /// A certificate for these names, hosts (with a leading `*.` for a wildcard) or addresses.
    ///
    /// # Errors
    /// When a name can be none.
    pub fn issue(
        &self,
        names: &[String],
        provider: &CryptoProvider,
    ) -> Result<Arc<CertifiedKey>, InternalError> {
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        // 64 characters at most (RFC 5280); clients look at the alternative names only.
        params.distinguished_name =
            name(&names.first().cloned().unwrap_or_default().chars().take(64).collect::<String>());
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        set_validity(&mut params, SITE_DAYS);
        let certificate = params.signed_by(&pair, &self.0)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialize_der()));
        Ok(super::Certificate::new(vec![certificate.der().clone()], key, provider)?.key)
    }
}
