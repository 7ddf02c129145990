//! Whether what a running Tidegate writes can be written where the configuration says. Only looks: nothing is made.

use policy::model::{AccessLog, LogTarget, Policy};
use policy::source::{Diagnostic, Span};
use rustix::fs::{Access, PROC_SUPER_MAGIC, access, statfs};
use std::fs::metadata;
use std::io;
use std::path::{Path, PathBuf};

/// `sysfs`, which rustix has no name for (`linux/magic.h`).
const SYSFS_MAGIC: i64 = 0x6265_6572;

/// What could not be written.
pub fn check(policy: &Policy) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    if let Some(AccessLog { to: LogTarget::File(path), at }) = &policy.access_log
        && let Err(error) = check_file(path)
    {
        let message = format!("the access log cannot be written to {}: {error}", path.display());
        diagnostics.push(Diagnostic::error(*at, message).label("expected a file in a folder that is there"));
    }
    // A default is another one for whoever runs it later, and nothing in the file is wrong.
    if policy.state_dir_at != Span::default()
        && let Err(error) = check_folder(&policy.state_dir)
    {
        let message = format!("the state directory {} cannot be used: {error}", policy.state_dir.display());
        diagnostics.push(
            Diagnostic::error(policy.state_dir_at, message).label("expected a folder that can be written to"),
        );
    }
    diagnostics
}

/// A file that can be appended to, or made.
fn check_file(path: &Path) -> io::Result<()> {
    match metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => Ok(access(path, Access::WRITE_OK)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => takes_entries(&parent(path)),
        Err(error) => Err(error),
    }
}

/// A folder that takes new files, or can be made with those above it.
fn check_folder(path: &Path) -> io::Result<()> {
    let mut folder = path.to_owned();
    loop {
        match metadata(&folder) {
            Ok(_) => return takes_entries(&folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder != parent(&folder) => {
                folder = parent(&folder);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The folder that a path is in; of a bare name, the current one.
fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    }
}

fn takes_entries(folder: &Path) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    if !metadata(folder).map_err(named)?.is_dir() {
        return Err(named(io::ErrorKind::NotADirectory.into()));
    }
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| named(error.into()))?;
    // For root these look like any folder, and take nothing all the same.
    let kind = statfs(folder).map_err(|error| named(error.into()))?.f_type;
    if [PROC_SUPER_MAGIC, SYSFS_MAGIC].contains(&kind) {
        return Err(named(io::ErrorKind::ReadOnlyFilesystem.into()));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_that_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        std::fs::write(place("there"), "").unwrap();
        for (path, as_file, as_folder) in [
            (place("there"), true, false),
            (place("new"), true, true),
            (place("a/b/new"), false, true),
            (place("there/new"), false, false),
            (folder.path().to_owned(), false, true),
            ("/proc/x".into(), false, false),
            ("/sys/x".into(), false, false),
            ("new".into(), true, true),
        ] {
            assert_eq!(check_file(&path).is_ok(), as_file, "file {}", path.display());
            assert_eq!(check_folder(&path).is_ok(), as_folder, "folder {}", path.display());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is made");
    }
}
