//! What must survive a restart: the key that signs session cookies, and the internal CA, each a file in the
//! state directory that only its owner may read.

use rustls::crypto::aws_lc_rs;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

const COOKIE_KEY: &str = "cookie.key";

/// The state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It, or a file in it, cannot be made, read or written.
    #[error("cannot use the state directory: {path}: {source}; `state_dir:` names another one", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cookie key is not one of ours.
    #[error("{path} is not a cookie key (32 bytes are expected); remove it to get a new one, which ends all \
             sessions that are held by a cookie", path = path.display())]
    CookieKey {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// A folder that exists and belongs to us.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// Opens the folder; makes it, and those above it, with mode 0700 if it is not there.
    ///
    /// # Errors
    /// When it cannot be made or is no folder.
    pub fn open(path: &Path) -> Result<StateDir, StateError> {
        let result = DirBuilder::new().recursive(true).mode(0o700).create(path);
        result.map_err(|source| StateError::Io { path: path.to_owned(), source })?;
        Ok(StateDir { path: path.to_owned() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key that signs session cookies: read, or drawn and kept when there is none yet.
    ///
    /// # Errors
    /// When the file cannot be read or made, or holds something else.
    pub fn cookie_key(&self) -> Result<[u8; 32], StateError> {
        let path = self.path.join(COOKIE_KEY);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create_private(&path, &random_key()?),
            result => result,
        };
        let bytes = bytes.map_err(|source| StateError::Io { path: path.clone(), source })?;
        bytes.try_into().map_err(|_| StateError::CookieKey { path })
    }
}

/// Creates a file that only its owner may read, whole or not at all, and returns what it holds: if another process was
/// quicker, its contents win.
///
/// # Errors
/// When it cannot be written or read.
pub fn create_private(path: &Path, contents: &[u8]) -> io::Result<Vec<u8>> {
    // Threads of one process may be at it too.
    static DRAFTS: AtomicUsize = AtomicUsize::new(0);
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_extension(format!("{}-{number}.draft", std::process::id()));
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(contents)?;
    file.sync_all()?;
    // Unlike renaming, linking never replaces a key that was used a moment ago.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::read(path),
    }
}

/// A key that nobody can guess.
///
/// # Errors
/// When the system gives no random numbers.
pub fn random_key() -> Result<[u8; 32], StateError> {
    let mut key = [0; 32];
    let random = aws_lc_rs::default_provider().secure_random;
    random.fill(&mut key).map_err(|_| StateError::NoRandomness)?;
    Ok(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/state");
        let key = StateDir::open(&path).unwrap().cookie_key().unwrap();
        assert_eq!(StateDir::open(&path).unwrap().cookie_key().unwrap(), key);
        assert_ne!(key, [0; 32]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(COOKIE_KEY)), 0o600);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "the draft is gone");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(COOKIE_KEY), "short").unwrap();
        let error = StateDir::open(folder.path()).unwrap().cookie_key().unwrap_err();
        assert!(matches!(error, StateError::CookieKey { .. }));
    }

    #[test]
    fn of_two_that_make_the_key_at_once_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(COOKIE_KEY);
        assert_eq!(create_private(&path, b"first").unwrap(), b"first");
        assert_eq!(create_private(&path, b"second").unwrap(), b"first");
    }
}
