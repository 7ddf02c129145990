//! The configuration's files on disk.

use policy::source::Files;
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Reads from disk; relative paths start at the current folder.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Opening a pipe that nobody writes to would wait for ever, and a device may never end. What the shell hands
        // over (`-c <(…)`, `-c /dev/stdin`) is open already.
        let handed_over = path.starts_with("/dev/fd") || path == Path::new("/dev/stdin");
        if !handed_over && !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        std::fs::read(path)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = vec![PathBuf::new()];
        let mut written_out = true;
        for component in pattern.components() {
            found = match component {
                Component::Normal(name) if has_wildcard(name) => {
                    matching_entries(&found, name, std::mem::take(&mut written_out))?
                }
                fixed => found.into_iter().map(|path| path.join(fixed)).collect(),
            };
        }
        found.retain(|path| path.exists());
        found.sort();
        Ok(found)
    }

    fn real_path(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }
}

fn has_wildcard(name: &OsStr) -> bool {
    name.as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// Entries of `folders` whose name fits; hidden ones only where the pattern begins with a dot as well, as
/// in a shell. A folder that is `written_out` and not there is an error; others just have no entries.
fn matching_entries(folders: &[PathBuf], pattern: &OsStr, written_out: bool) -> io::Result<Vec<PathBuf>> {
    let pattern = pattern.as_encoded_bytes();
    let mut found = Vec::new();
    for folder in folders {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = match std::fs::read_dir(here) {
            Err(error)
                if !written_out
                    && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                continue;
            }
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let bytes = name.as_encoded_bytes();
            let hidden = bytes.starts_with(b".") && !pattern.starts_with(b".");
            if !hidden && fits(pattern, bytes) {
                found.push(folder.join(&name));
            }
        }
    }
    Ok(found)
}

/// Whether `name` fits `pattern` (`*`: any number of characters, `?`: one byte). Remembers only the last
/// `*`, which is enough, so the cost is at most the product of the lengths.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                p = star + 1;
                n = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_fit() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        };
        check("*.yaml", "a.yaml", true);
        check("*.yaml", "a.yml", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("*a*b", "xaxaxb", true);
        check("*a*b", "xaxbx", false);
        check("**", "", true);
        check("a", "ab", false);
    }

    #[test]
    fn globs_are_sorted_and_pass_hidden_files_by() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/x.yaml", "a/x.yaml", "a/.x.yaml", "a/x.txt", "c"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let glob = |pattern: &str| Disk.glob(&folder.path().join(pattern)).unwrap();
        assert_eq!(glob("*/*.yaml"), [folder.path().join("a/x.yaml"), folder.path().join("b/x.yaml")]);
        assert_eq!(glob("c"), [folder.path().join("c")]);
        assert!(glob("missing").is_empty());
        assert!(glob("*/missing/*").is_empty());
        let missing = Disk.glob(&folder.path().join("missing/*"));
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
        let other = folder.path().join("b/../a/x.yaml");
        assert_eq!(Disk.real_path(&other), Disk.real_path(&folder.path().join("a/x.yaml")));
    }

    #[test]
    fn pipes_are_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(Disk.read(&pipe).unwrap_err().to_string(), "it is not a regular file");
        assert!(Disk.read(folder.path()).is_err());
    }
}
