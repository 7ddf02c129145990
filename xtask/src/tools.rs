//! Programs that tests and the bench need, and getting them.

use crate::run::{Failure, command, output, succeed};
use std::path::Path;

/// A program and the Debian package that has it.
#[derive(Debug, PartialEq, Eq)]
struct Tool {
    program: &'static str,
    package: &'static str,
    why: &'static str,
    required: bool,
}

const fn tool(program: &'static str, package: &'static str, why: &'static str) -> Tool {
    Tool { program, package, why, required: true }
}

const TOOLS: [Tool; 8] = [
    tool("nginx", "nginx", "a real server behind the program"),
    tool("wrk", "wrk", "load"),
    tool("curl", "curl", "a real client"),
    tool("openssl", "openssl", "TLS as others speak it"),
    tool("prlimit", "util-linux", "running out of descriptors"),
    tool("taskset", "util-linux", "the bench: a core for each program"),
    tool("kill", "procps", "signals"),
    Tool { required: false, ..tool("valgrind", "valgrind", "counting instructions") },
];

/// Makes sure that all are there: installs what is missing where that is allowed, else says what to install. Returns a
/// line for each optional one that is not there in the end.
///
/// # Errors
/// When a required one is missing in the end.
pub fn set_up() -> Result<Vec<String>, Failure> {
    let missing = || -> Vec<&Tool> { TOOLS.iter().filter(|tool| !is_there(tool.program)).collect() };
    let mut plan = plan(&missing(), is_root(), is_there("apt-get"));
    if let Plan::Install(packages) = plan {
        println!("== installing {}", packages.join(" "));
        install(&packages);
        plan = after_install(&missing());
    }
    match plan {
        Plan::Go { skipped } => {
            for line in &skipped {
                println!("== {line}");
            }
            Ok(skipped)
        }
        Plan::Refuse(reason) => Err(reason),
        Plan::Install(_) => unreachable!("it is tried once"),
    }
}

/// What is to be done about missing programs.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// These packages can be installed.
    Install(Vec<&'static str>),
    /// Nothing required is missing; a line for each optional one that is.
    Go { skipped: Vec<String> },
    /// Something required is missing, and only a person can help.
    Refuse(Failure),
}

/// What is to be done at first.
fn plan(missing: &[&Tool], is_root: bool, has_apt: bool) -> Plan {
    if !missing.is_empty() && is_root && has_apt {
        return Plan::Install(packages(missing));
    }
    let advice = |packages: &str| match has_apt {
        true => format!(
            "tests need programs that only root can install; run\n    sudo apt-get install {packages}"
        ),
        false => format!(
            "tests need programs that are missing, and there is no apt-get to install them with; \
             in Debian they are in the packages\n    {packages}"
        ),
    };
    go_or_refuse(missing, advice)
}

/// What is to be done about those that are missing after all was tried.
fn after_install(missing: &[&Tool]) -> Plan {
    go_or_refuse(missing, |packages| {
        format!("tests need programs that could not be installed (apt-get said why, above):\n    {packages}")
    })
}

fn go_or_refuse(missing: &[&Tool], advice: impl Fn(&str) -> String) -> Plan {
    let (required, optional): (Vec<&Tool>, Vec<&Tool>) = missing.iter().partition(|tool| tool.required);
    if required.is_empty() {
        let line = |tool: &&Tool| format!("SKIPPED: {} is not installed: {}", tool.program, tool.why);
        return Plan::Go { skipped: optional.iter().map(line).collect() };
    }
    Plan::Refuse(advice(&packages(&required).join(" ")))
}

/// Each package once.
fn packages(tools: &[&Tool]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for tool in tools {
        if !packages.contains(&tool.package) {
            packages.push(tool.package);
        }
    }
    packages
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

/// Installs what can be had. What is missing afterwards tells how that went; here it is only shown.
fn install(packages: &[&str]) {
    let apt = |arguments: &[&str]| {
        let mut command = command("apt-get", arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        succeed(command)
    };
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    // Most machines have lists of packages; a fresh one gets them first.
    if apt(&arguments).is_ok() {
        return;
    }
    if let Err(error) = apt(&["update"]) {
        println!("== {error}");
    }
    // One at a time, so that one that cannot be had takes no other along.
    for package in packages {
        if let Err(error) = apt(&["install", "-y", "--no-install-recommends", package]) {
            println!("== {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NGINX: &Tool = &tool("nginx", "nginx", "serving");
    const PRLIMIT: &Tool = &tool("prlimit", "util-linux", "limits");
    const TASKSET: &Tool = &tool("taskset", "util-linux", "cores");
    const VALGRIND: &Tool = &Tool { required: false, ..tool("valgrind", "valgrind", "counting") };

    /// What a plan comes to, as a word and what follows it.
    fn told(plan: Plan) -> String {
        match plan {
            Plan::Install(packages) => format!("install {}", packages.join(" ")),
            Plan::Go { skipped } => format!("go {}", skipped.join(" ")),
            Plan::Refuse(reason) => format!("refuse {reason}"),
        }
    }

    #[test]
    fn what_is_missing_is_installed_told_or_skipped() {
        let skipped = "go SKIPPED: valgrind is not installed: counting";
        for (missing, is_root, has_apt, begin, end) in [
            (&[][..], true, true, "go ", "go "),
            (&[], false, false, "go ", "go "),
            (&[NGINX, VALGRIND], true, true, "install", "nginx valgrind"),
            (&[PRLIMIT, TASKSET], true, true, "install", "install util-linux"),
            (&[VALGRIND], true, true, "install", "valgrind"),
            (&[VALGRIND], false, true, skipped, skipped),
            (&[VALGRIND], true, false, skipped, skipped),
            (
                &[NGINX, VALGRIND],
                false,
                true,
                "refuse tests need programs that only root",
                "sudo apt-get install nginx",
            ),
            (&[NGINX, VALGRIND], true, false, "refuse tests need programs that are missing", "\n    nginx"),
            (&[NGINX], false, false, "refuse tests need programs that are missing", "\n    nginx"),
        ] {
            let told = told(plan(missing, is_root, has_apt));
            assert!(
                told.starts_with(begin) && told.ends_with(end),
                "{missing:?} {is_root} {has_apt}: {told}"
            );
        }
    }

    #[test]
    fn an_optional_one_that_could_not_be_installed_stops_nothing() {
        assert_eq!(told(after_install(&[])), "go ");
        assert_eq!(told(after_install(&[VALGRIND])), "go SKIPPED: valgrind is not installed: counting");
        let refused = told(after_install(&[NGINX, VALGRIND]));
        assert!(refused.contains("could not be installed") && refused.ends_with("\n    nginx"), "{refused}");
        assert!(!refused.contains("only root"), "root it was: {refused}");
    }
}
