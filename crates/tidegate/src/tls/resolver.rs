//! Choosing a certificate by the name that a client asks for (SNI).

use policy::model::HostPattern;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// Certificates by name: exact, then the wildcards above it from the nearest on, then the default.
#[derive(Debug, Default)]
pub struct Resolver {
    exact: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// Keys begin with a dot.
    wildcard: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    default: Vec<Arc<CertifiedKey>>,
}

impl Resolver {
    /// Shows `key` for a host; after those that were added before.
    pub fn add(&mut self, host: &HostPattern, key: &Arc<CertifiedKey>) {
        match host {
            HostPattern::Exact(name) => self.exact.entry(name.as_str().into()).or_default(),
            HostPattern::Wildcard(name) => self.wildcard.entry(name.as_str().into()).or_default(),
            HostPattern::Any => &mut self.default,
        }
        .push(Arc::clone(key));
    }

    /// Shows `key` where nothing else fits, after what was added before.
    pub fn add_default(&mut self, key: &Arc<CertifiedKey>) {
        self.default.push(Arc::clone(key));
    }

    /// Whether there is a certificate for a host.
    pub fn has(&self, host: &HostPattern) -> bool {
        match host {
            HostPattern::Exact(name) => self.for_name(name).is_some(),
            HostPattern::Wildcard(name) => self.wildcard.contains_key(name.as_str()),
            HostPattern::Any => !self.default.is_empty(),
        }
    }

    /// What fits a name in lower case.
    fn for_name(&self, name: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        self.exact.get(name).or_else(|| self.wildcard.get(&name[name.find('.')?..]))
    }

    /// The first certificate that the client can verify, else the first.
    fn choose(
        &self,
        name: Option<&str>,
        can_verify: impl Fn(&CertifiedKey) -> bool,
    ) -> Option<Arc<CertifiedKey>> {
        let keys = name.and_then(|name| self.for_name(name)).unwrap_or(&self.default);
        keys.iter().find(|key| can_verify(key)).or(keys.first()).cloned()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // `rustls` gives names in lower case.
        let schemes = hello.signature_schemes();
        self.choose(hello.server_name(), |key| key.key.choose_scheme(schemes).is_some())
    }
}
