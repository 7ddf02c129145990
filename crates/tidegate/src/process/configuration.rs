//! From a path to a configuration that may be served: read, resolved, certificates looked at, `tests:` run.
//!
//! `check`, `test`, `run` and the demo all come through [`check`]; the engine comes through [`rebuild`], which starts from
//! handed-over contents and has no reason to fail.

use super::disk::Disk;
use super::handover::{Bundle, Handover, Recording};
use super::places;
use super::state_dir::{StateDir, StateError};
use crate::cli::report::chain;
use crate::tls::client::ClientConfigs;
use crate::tls::{self, ListenerConfigs, internal};
use policy::decide::{CookieKeys, Rules};
use policy::model::Policy;
use policy::source::{Diagnostic, Files, Severity, Sources, render};
use policy::testing::{self, Failure};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A configuration that has been looked at, whatever came of it.
pub struct Checked {
    path: PathBuf,
    /// What it means; `None` when it has errors of its own.
    pub policy: Option<Arc<Policy>>,
    /// The files that it was read from.
    pub sources: Sources,
    /// Everything that is wrong with it, failing tests included.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more errors and warnings there are than diagnostics.
    pub dropped: usize,
    /// The tests that fail.
    pub failures: Vec<Failure>,
    bundle: Bundle,
}

/// A configuration that passed every check.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Its path, as given.
    pub path: PathBuf,
    /// What it means.
    pub policy: Arc<Policy>,
    /// Its own text and the contents of every file that it names.
    pub bundle: Bundle,
}

/// What an engine runs on.
pub struct Prepared {
    /// The resolved configuration.
    pub policy: Arc<Policy>,
    /// How TLS is ended, by listener.
    pub tls: ListenerConfigs,
    /// How TLS is begun with servers, by pool.
    pub server_tls: ClientConfigs,
}

/// Why a configuration that is right cannot be served here.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The internal CA cannot be made or read.
    #[error("cannot use the internal CA")]
    Authority(#[from] internal::InternalError),
}

/// Reads a configuration and does everything short of binding. Writes nothing.
pub fn check(path: &Path) -> Checked {
    let recording = Recording::new(&Disk);
    let loaded = load(&recording, path);
    let mut checked = Checked {
        path: path.to_owned(),
        policy: loaded.policy.map(Arc::new),
        sources: loaded.sources,
        diagnostics: loaded.diagnostics,
        dropped: loaded.dropped,
        failures: Vec::new(),
        bundle: Bundle::default(),
    };
    // What does not depend on the rest is looked at also where the rest has errors, so that all are told at once.
    let read = checked.policy.as_deref().or(loaded.draft.as_ref());
    if let Some(policy) = read {
        checked.diagnostics.extend(tls::check(policy, &recording, SystemTime::now()));
        checked.diagnostics.extend(places::check(policy));
    }
    if let Some(policy) = &checked.policy {
        // Cookies are signed and read by the same rules here; no key of a running server is needed.
        let keys = CookieKeys { current: [0; 32], previous: None };
        checked.failures = testing::run_all(&Rules::new(Arc::clone(policy), keys));
        checked.diagnostics.extend(checked.failures.iter().map(as_diagnostic));
    }
    // In the order of the file, whoever found them.
    checked.diagnostics.sort_by_key(|diagnostic| (diagnostic.at.source.0, diagnostic.at.start));
    checked.bundle = recording.into_bundle();
    checked
}

fn load(files: &dyn Files, path: &Path) -> policy::Loaded {
    policy::load(files, path, &|name| std::env::var(name).ok())
}

fn as_diagnostic(failure: &Failure) -> Diagnostic {
    let diagnostic = Diagnostic::error(failure.at, format!("test failed: {}", failure.test));
    diagnostic.label(failure.message.clone())
}

impl Checked {
    /// Whether it may be served.
    pub fn is_accepted(&self) -> bool {
        self.policy.is_some()
            && !self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The configuration, if it may be served.
    pub fn accepted(&self) -> Option<Configuration> {
        let policy = self.policy.as_ref().filter(|_| self.is_accepted())?;
        Some(Configuration {
            path: self.path.clone(),
            policy: Arc::clone(policy),
            bundle: self.bundle.clone(),
        })
    }

    /// The configuration, if it may be served. Its text and all that was only needed to tell what is wrong are let go of.
    ///
    /// # Errors
    /// All of it, if it may not.
    pub fn into_accepted(self) -> Result<Configuration, Box<Checked>> {
        self.accepted().ok_or_else(|| Box::new(self))
    }

    /// All diagnostics as text.
    pub fn rendered(&self, color: bool) -> String {
        self.diagnostics.iter().map(|diagnostic| render(diagnostic, &self.sources, color)).collect()
    }
}

impl Configuration {
    /// Makes the internal CA in the state directory where a site needs it, and puts its files into the bundle.
    ///
    /// # Errors
    /// When the state directory cannot be used.
    pub fn with_authority(&self) -> Result<Bundle, PrepareError> {
        let mut bundle = self.bundle.clone();
        if internal::is_needed(&self.policy) {
            let folder = StateDir::open(&self.policy.state_dir)?;
            internal::ensure(folder.path())?;
            for path in [internal::certificate_path(folder.path()), internal::key_path(folder.path())] {
                let contents =
                    Disk.read(&path).map_err(|source| StateError::Io { path: path.clone(), source })?;
                bundle.insert(path, contents);
            }
        }
        Ok(bundle)
    }

    /// What an engine in this very process runs on.
    ///
    /// # Errors
    /// Why it cannot, in words.
    pub fn prepare(&self) -> Result<Prepared, String> {
        let bundle = self.with_authority().map_err(|error| chain(&error))?;
        let tls = tls::build(&self.policy, &bundle).map_err(|error| chain(&error))?;
        let server_tls = ClientConfigs::new(&self.policy.pools, &bundle).map_err(|error| chain(&error))?;
        Ok(Prepared { policy: Arc::clone(&self.policy), tls, server_tls })
    }
}

/// Reads a configuration again out of what was handed over. `bound` are the addresses of its listeners as they were bound,
/// which differ from what is written where port 0 is.
///
/// # Errors
/// Why it cannot, in words; the supervisor has checked all of it, so only its own fault makes it fail.
pub fn rebuild(handover: &Handover, bound: &[SocketAddr]) -> Result<Prepared, String> {
    let mut policy = apart(|| load_accepted(handover))?;
    let tls = tls::build(&policy, &handover.bundle).map_err(|error| chain(&error))?;
    let server_tls = ClientConfigs::new(&policy.pools, &handover.bundle).map_err(|error| chain(&error))?;
    set_ports(&mut policy, bound);
    Ok(Prepared { policy: Arc::new(policy), tls, server_tls })
}

/// What was handed over, resolved.
fn load_accepted(handover: &Handover) -> Result<Policy, String> {
    let loaded = load(&handover.bundle, &handover.configuration);
    loaded.policy.ok_or_else(|| {
        let texts = loaded.diagnostics.iter().map(|diagnostic| render(diagnostic, &loaded.sources, false));
        format!("the configuration that was handed over is refused:\n{}", texts.collect::<String>())
    })
}

/// Makes a value in a thread of its own, and gives a copy that was made in this one.
///
/// Each thread allocates from pages of its own. What is made on the way to a large configuration is many times its size,
/// and whatever stays of it would hold the pages that it happens to lie in; the copy lies close together elsewhere.
fn apart<T: Clone + Send, E: Send>(make: impl FnOnce() -> Result<T, E> + Send) -> Result<T, E> {
    std::thread::scope(|scope| match scope.spawn(make).join() {
        Ok(Ok(made)) => Ok(T::clone(&made)),
        Ok(Err(error)) => Err(error),
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Puts real ports in the place of 0, in listeners and in the redirects to them.
fn set_ports(policy: &mut Policy, bound: &[SocketAddr]) {
    for (listener, address) in policy.listeners.iter_mut().zip(bound) {
        listener.address.set_port(address.port());
    }
    for site in policy.sites.iter_mut().filter(|site| site.redirect_to_https == Some(0)) {
        let mut listeners = policy.listeners.iter().enumerate().filter(|(number, listener)| {
            let seen = site.listeners.as_ref();
            listener.tls && seen.is_none_or(|seen| seen.contains(&policy::model::ListenerId(*number)))
        });
        site.redirect_to_https = listeners.next().map(|(_, listener)| listener.address.port());
    }
}
