//! Foreign programs: built or fetched in the versions that `conformance/` pins, and kept in `target/conformance/`.

use super::Outcome;
use crate::run::{Failure, command, output, root, succeed, target};
use crate::tools::is_there;
use std::path::{Path, PathBuf};

/// Something that may not be there, for a reason that is no fault of the program's.
pub enum Found<T> {
    /// It is.
    Here(T),
    /// It is not; the suite is skipped.
    Missing(Outcome),
}

/// Builds programs of the Go module; gives the folder that they are in. Go's own cache makes it quick the next time.
///
/// # Errors
/// When they do not build.
pub fn go(packages: &[&str], what: &str) -> Result<Found<PathBuf>, Failure> {
    if !is_there("go") {
        return Ok(missing(&format!("go is not installed: {what}")));
    }
    let module = root().join("conformance/go");
    let text = std::fs::read_to_string(module.join("go.mod")).map_err(|error| error.to_string())?;
    let (has, needs) = (output(command("go", &["version"]))?, needed_version(&text));
    if version(&has).is_some_and(|has| has < needs) {
        let reason =
            format!("Go {}.{} or newer is needed, and this is {}: {what}", needs.0, needs.1, has.trim());
        return Ok(missing(&reason));
    }
    let folder = made(&target().join("conformance/bin"))?;
    let mut build = command("go", &["build", "-o"]);
    build.arg(&folder).args(packages).current_dir(module);
    succeed(build)?;
    Ok(Found::Here(folder))
}

/// Installs the packages of the WebSocket programs; gives the folder that Node finds them in.
///
/// # Errors
/// When they cannot be had.
pub fn node(what: &str) -> Result<Found<PathBuf>, Failure> {
    for program in ["node", "npm"] {
        if !is_there(program) {
            return Ok(missing(&format!("{program} is not installed: {what}")));
        }
    }
    let folder = made(&target().join("conformance/node"))?;
    let modules = folder.join("node_modules");
    let (wanted, there) = (root().join("conformance/websocket"), folder.join("package-lock.json"));
    let lock = "package-lock.json";
    let is_same = std::fs::read(wanted.join(lock)).ok() == std::fs::read(&there).ok();
    if is_same && modules.is_dir() {
        return Ok(Found::Here(modules));
    }
    for file in ["package.json", lock] {
        std::fs::copy(wanted.join(file), folder.join(file)).map_err(|error| format!("{file}: {error}"))?;
    }
    let mut install = command("npm", &["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    install.current_dir(&folder);
    succeed(install).inspect_err(|_| {
        // Else the next run would take what is there for whole.
        let _ = std::fs::remove_file(&there);
    })?;
    Ok(Found::Here(modules))
}

fn missing<T>(reason: &str) -> Found<T> {
    Found::Missing(Outcome::skipped(reason))
}

/// The folder, made if it is not there.
fn made(folder: &Path) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.to_path_buf())
}

/// What `go version` says, as numbers that can be compared.
fn version(text: &str) -> Option<(u32, u32)> {
    let word = text.split_whitespace().find_map(|word| word.strip_prefix("go1."))?;
    let minor: String = word.chars().take_while(char::is_ascii_digit).collect();
    Some((1, minor.parse().ok()?))
}

/// What the `go` line of a `go.mod` asks for.
fn needed_version(module: &str) -> (u32, u32) {
    let line = module.lines().find_map(|line| line.strip_prefix("go 1."));
    let minor = line.and_then(|line| line.split('.').next()?.trim().parse().ok());
    (1, minor.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_compared() {
        assert_eq!(version("go version go1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(version("go version go1.9rc1 linux/amd64"), Some((1, 9)));
        assert_eq!(version("go version devel linux/amd64"), None, "its owner knows what it can do");
        assert_eq!(needed_version("module a\n\ngo 1.26.0\n"), (1, 26));
        assert_eq!(needed_version("module a\n\ngo 1.9\n"), (1, 9));
    }
}
