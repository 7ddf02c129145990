//! Programs that people use: curl, openssl, wrk.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a program said.
pub struct Output {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a program to its end.
pub fn run(program: &str, arguments: &[&str]) -> Output {
    run_with(program, arguments, "")
}

/// Runs a program with this on its standard input.
pub fn run_with(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error} (cargo xtask test installs what is missing)"));
    // A program that does not read its input ends all the same.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// curl, silent, with a limit.
pub fn curl(arguments: &[&str]) -> Output {
    let mut all = vec!["-sS", "--max-time", "20"];
    all.extend(arguments);
    run("curl", &all)
}

/// Makes `NAME.pem`, a certificate of that common name for `host` that signs itself, and `NAME.key`.
pub fn certificate(folder: &Path, name: &str, host: &str) {
    let path = |end: &str| folder.join(format!("{name}.{end}")).to_str().unwrap().to_owned();
    let (names, subject) = (format!("subjectAltName=DNS:{host}"), format!("/CN={name}"));
    let output = run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-subj",
            &subject,
            "-addext",
            &names,
            "-keyout",
            &path("key"),
            "-out",
            &path("pem"),
        ],
    );
    assert_eq!(output.code, 0, "{}", output.stderr);
}
