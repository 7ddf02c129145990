//! One certificate chain with its key, and what it is for.

use policy::model::{CertificateFiles, HostPattern};
use policy::source::Files;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a certificate cannot be used. Whether the chain's file or the key's is to blame, [`Self::blames_key`] says.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The chain's file cannot be read.
    #[error("cannot read it: {0}")]
    ReadChain(std::io::Error),
    /// The key's file cannot be read.
    #[error("cannot read it: {0}")]
    ReadKey(std::io::Error),
    /// There is no certificate in the file.
    #[error("no certificate in it; expected PEM with `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    /// There is no key in the file.
    #[error("no private key in it; expected PEM with PKCS#8, PKCS#1 or SEC1")]
    NoKey,
    /// The key is protected by a passphrase.
    #[error("the key is encrypted; a server cannot ask for its passphrase: decrypt it first")]
    EncryptedKey,
    /// The certificate is no X.509.
    #[error("the certificate is malformed")]
    Malformed,
    /// A later certificate did not sign the one before it.
    #[error("the chain is out of order: number {0} did not issue the one before it")]
    Order(usize),
    /// The key is of a kind that is not supported.
    #[error("the key cannot be used: {0}")]
    Unsupported(rustls::Error),
    /// The key belongs to another certificate.
    #[error("the key does not fit the certificate")]
    Mismatch,
}

impl CertificateError {
    /// Whether it is the key's file that is wrong.
    pub fn blames_key(&self) -> bool {
        use CertificateError::{EncryptedKey, Mismatch, NoKey, ReadKey, Unsupported};
        matches!(self, ReadKey(_) | NoKey | EncryptedKey | Unsupported(_) | Mismatch)
    }
}

/// A name that a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A host.
    Host(String),
    /// `*.name`, which stands for one label; kept as `.name`.
    Wildcard(String),
    /// An address.
    Address(IpAddr),
}

impl Name {
    /// The hosts that the name is for.
    pub fn pattern(&self) -> HostPattern {
        match self {
            Name::Host(name) => HostPattern::Exact(name.clone()),
            Name::Wildcard(name) => HostPattern::Wildcard(name.clone()),
            Name::Address(address) => HostPattern::Exact(address.to_string()),
        }
    }

    fn covers(&self, host: &HostPattern) -> bool {
        match (self, host) {
            (Name::Host(name), HostPattern::Exact(host)) => name == host,
            (Name::Address(address), HostPattern::Exact(host)) => host.parse() == Ok(*address),
            (Name::Wildcard(name), HostPattern::Exact(host)) => host
                .strip_suffix(name.as_str())
                .is_some_and(|label| !label.is_empty() && !label.contains('.')),
            // The site's wildcard may be deeper; what is one label below is covered.
            (Name::Wildcard(name), HostPattern::Wildcard(host)) => name == host,
            (_, HostPattern::Any) => true,
            _ => false,
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Host(name) => formatter.write_str(name),
            Name::Wildcard(name) => write!(formatter, "*{name}"),
            Name::Address(address) => write!(formatter, "{address}"),
        }
    }
}

/// A certificate that can be used.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// For `rustls`.
    pub key: Arc<CertifiedKey>,
    /// What it is for.
    pub names: Vec<Name>,
    /// Seconds since the epoch from which it is valid.
    pub not_before: i64,
    /// Seconds since the epoch until which it is valid.
    pub not_after: i64,
}

impl Certificate {
    /// Reads chain and key.
    ///
    /// # Errors
    /// When they cannot be read, are no such things, or do not belong together.
    pub fn load(
        paths: &CertificateFiles,
        files: &dyn Files,
        provider: &CryptoProvider,
    ) -> Result<Certificate, CertificateError> {
        let chain = read_chain(&paths.cert, files)?;
        let key = read_key(&paths.key, files)?;
        Certificate::new(chain, key, provider)
    }

    /// Puts chain (leaf first) and key together.
    ///
    /// # Errors
    /// When they do not belong together.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        provider: &CryptoProvider,
    ) -> Result<Certificate, CertificateError> {
        check_order(&chain)?;
        let leaf = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::Malformed)?;
        let names = names(&parsed);
        let (not_before, not_after) =
            (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateError::Mismatch,
            error => CertificateError::Unsupported(error),
        })?;
        Ok(Certificate { key: Arc::new(key), names, not_before, not_after })
    }

    /// Whether it may be shown for a host.
    pub fn covers(&self, host: &HostPattern) -> bool {
        self.names.iter().any(|name| name.covers(host))
    }
}

fn read_chain(path: &Path, files: &dyn Files) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = files.read(path).map_err(CertificateError::ReadChain)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or(CertificateError::NoCertificate)
}

fn read_key(path: &Path, files: &dyn Files) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = files.read(path).map_err(CertificateError::ReadKey)?;
    if text.windows(9).any(|part| part == b"ENCRYPTED") {
        return Err(CertificateError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| CertificateError::NoKey)
}

/// Each certificate is issued by the next.
fn check_order(chain: &[CertificateDer<'_>]) -> Result<(), CertificateError> {
    let parsed: Result<Vec<_>, _> = chain.iter().map(|der| X509Certificate::from_der(der)).collect();
    let parsed = parsed.map_err(|_| CertificateError::Malformed)?;
    for (number, pair) in parsed.windows(2).enumerate() {
        if pair[0].1.issuer() != pair[1].1.subject() {
            return Err(CertificateError::Order(number + 2));
        }
    }
    Ok(())
}

/// The subject's alternative names. The common name counts for nothing (RFC 9525 section 2).
fn names(certificate: &X509Certificate<'_>) -> Vec<Name> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |general: &GeneralName<'_>| match general {
        GeneralName::DNSName(name) => Some(match name.strip_prefix('*') {
            Some(suffix) => Name::Wildcard(suffix.to_ascii_lowercase()),
            None => Name::Host(name.to_ascii_lowercase()),
        }),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| Name::Address(bytes.into())),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| Name::Address(bytes.into())),
        },
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}
