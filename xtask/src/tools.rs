//! Programs that tests need, and getting them.

use crate::run::{Failure, command, output, succeed};
use std::path::Path;

/// A program and the Debian package that has it.
struct Tool {
    program: &'static str,
    package: &'static str,
    why: &'static str,
    required: bool,
}

const TOOLS: [Tool; 7] = [
    Tool { program: "nginx", package: "nginx", why: "a real server behind the program", required: true },
    Tool { program: "wrk", package: "wrk", why: "load", required: true },
    Tool { program: "curl", package: "curl", why: "a real client", required: true },
    Tool { program: "openssl", package: "openssl", why: "TLS as others speak it", required: true },
    Tool { program: "prlimit", package: "util-linux", why: "running out of descriptors", required: true },
    Tool { program: "kill", package: "procps", why: "signals", required: true },
    Tool { program: "valgrind", package: "valgrind", why: "counting instructions", required: false },
];

/// Makes sure that all are there: installs what is missing where that is allowed, else says what to install.
///
/// # Errors
/// When a required one is missing in the end.
pub fn set_up() -> Result<(), Failure> {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| !is_there(tool.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    if is_root() && is_there("apt-get") {
        println!("== installing {}", packages.join(" "));
        install(&packages)?;
    }
    let mut required = Vec::new();
    for tool in missing.iter().filter(|tool| !is_there(tool.program)) {
        if tool.required {
            required.push(tool.package);
        } else {
            println!("== SKIPPED where it is needed: {} ({}) is not installed", tool.program, tool.why);
        }
    }
    if required.is_empty() {
        return Ok(());
    }
    Err(format!(
        "tests need programs that are missing and that only root can install; run\n    \
         sudo apt-get install {}",
        required.join(" ")
    ))
}

/// Whether a program is on the path.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // nginx lies where ordinary users do not look.
    std::env::split_paths(&path)
        .chain([Path::new("/usr/sbin").to_path_buf(), Path::new("/sbin").to_path_buf()])
        .any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    output(command("id", &["-u"])).is_ok_and(|id| id.trim() == "0")
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    let apt = |arguments: &[&str]| {
        let mut command = command("apt-get", arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    // Most machines have lists of packages; a fresh one gets them first.
    if succeed(apt(&arguments)).is_ok() {
        return Ok(());
    }
    succeed(apt(&["update"]))?;
    // One at a time, so that an optional one that cannot be had takes no other along.
    for package in packages {
        if let Err(error) = succeed(apt(&["install", "-y", "--no-install-recommends", package])) {
            println!("== {error}");
        }
    }
    Ok(())
}
