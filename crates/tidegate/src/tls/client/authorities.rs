//! Certificates that servers are trusted by: a file of the configuration's own, or what the system trusts.

use policy::model::AuthorityFile;
use policy::source::Files;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where systems keep the authorities that they trust, the usual ones first.
const SYSTEM: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Arch, Alpine
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",   // older ones of them
    "/etc/ssl/ca-bundle.pem",             // SUSE
    "/etc/ssl/cert.pem",                  // others
    "/etc/ssl/certs/ca-bundle.crt",       // NixOS
];

/// Why certificates cannot be used to trust servers by.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Read(io::Error),
    /// There is no certificate in the file.
    #[error("no certificate in it; expected PEM with `-----BEGIN CERTIFICATE-----`")]
    Empty,
    /// A certificate in the file is none.
    #[error("certificate number {0} in it is malformed")]
    Malformed(usize),
    /// The system has no such file in any of the usual places.
    #[error("this system keeps no authorities in any of the usual places ({})", SYSTEM.join(", "))]
    NoSystem,
}

/// Certificates that are trusted.
#[derive(Debug)]
pub struct TrustedCertificates {
    /// Those who may certify others.
    pub roots: Arc<RootCertStore>,
    /// Each by itself.
    pub certificates: HashSet<CertificateDer<'static>>,
}

/// Reads and parses each file once, however many pools name it.
pub struct Authorities<'f> {
    /// Where files come from.
    pub files: &'f dyn Files,
    known: HashMap<Option<PathBuf>, Arc<TrustedCertificates>>,
}

impl<'f> Authorities<'f> {
    /// Out of these files.
    pub fn new(files: &'f dyn Files) -> Authorities<'f> {
        Authorities { files, known: HashMap::new() }
    }

    /// What is trusted by a file; without one, by the system.
    ///
    /// # Errors
    /// When it cannot be read, or there is no certificate in it.
    pub fn load(&mut self, file: Option<&AuthorityFile>) -> Result<Arc<TrustedCertificates>, AuthorityError> {
        let path = file.map(|file| file.path.clone());
        if let Some(known) = self.known.get(&path) {
            return Ok(Arc::clone(known));
        }
        let trusted = Arc::new(match &path {
            Some(path) => of_file(path, self.files)?,
            None => of_system(self.files)?,
        });
        self.known.insert(path, Arc::clone(&trusted));
        Ok(trusted)
    }
}

/// All certificates of a file; each must be one.
fn of_file(path: &Path, files: &dyn Files) -> Result<TrustedCertificates, AuthorityError> {
    let text = files.read(path).map_err(AuthorityError::Read)?;
    let mut roots = RootCertStore::empty();
    let mut certificates = HashSet::new();
    for (index, certificate) in CertificateDer::pem_slice_iter(&text).enumerate() {
        let malformed = || AuthorityError::Malformed(index + 1);
        let certificate = certificate.map_err(|_| malformed())?;
        roots.add(certificate.clone()).map_err(|_| malformed())?;
        certificates.insert(certificate);
    }
    if certificates.is_empty() { Err(AuthorityError::Empty) } else { Ok(trusted(roots, certificates)) }
}

/// The first of the usual files that has any. What in it cannot be parsed is the system's own affair.
fn of_system(files: &dyn Files) -> Result<TrustedCertificates, AuthorityError> {
    for path in SYSTEM {
        let Ok(text) = files.read(Path::new(path)) else { continue };
        let certificates: HashSet<_> = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok).collect();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        if !roots.is_empty() {
            return Ok(trusted(roots, certificates));
        }
    }
    Err(AuthorityError::NoSystem)
}

fn trusted(roots: RootCertStore, certificates: HashSet<CertificateDer<'static>>) -> TrustedCertificates {
    TrustedCertificates { roots: Arc::new(roots), certificates }
}
