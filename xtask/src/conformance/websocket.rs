//! WebSockets over HTTP/1 and HTTP/2, with and without TLS, and across a drain.

use super::Outcome;
use super::programs::{Found, node};
use super::stage::{Stage, Subject};
use crate::process::{descriptors, free_address, port};
use crate::run::{Failure, command, root};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// How many are open at once, where the system allows.
const CONNECTIONS: u64 = 2000;

/// What processes need beside the connections.
const OTHER_DESCRIPTORS: u64 = 200;

/// `drain.limit` in `conformance/websocket.yaml`.
const DRAIN_LIMIT_MS: &str = "3000";

/// For all cases together, should the programs hang.
const LIMIT_SECONDS: &str = "400";

/// Runs all cases.
///
/// # Errors
/// When something cannot be had or does not start, or does not end as it should.
pub fn run() -> Result<Outcome, Failure> {
    let modules = match node("WebSockets of a library")? {
        Found::Here(folder) => folder,
        Found::Missing(outcome) => return Ok(outcome),
    };
    let stage = Stage::new("websocket")?;
    let (server, server_h2c) = (free_address()?, free_address()?);
    let variables = [("SERVER", server.as_str()), ("SERVER_H2C", &server_h2c)];
    let running = stage.before(Subject::Tidegate, "websocket", &variables)?;
    let mut outcome = Outcome::default();
    let connections = connections(&mut outcome);
    let mut programs = programs(&modules);
    for (to, path) in [("h1", ""), ("h2c", "/h2c")] {
        for (from, scheme, address) in [
            ("h1", "ws", &running.plain),
            ("h1-tls", "wss", &running.secure),
            ("h2c", "http", &running.plain),
            ("h2-tls", "https", &running.secure),
        ] {
            programs.args(["--entry", &format!("{from} to {to}={scheme}://{address}{path}")]);
        }
    }
    programs.args(["--server", port(&server), "--server-h2c", port(&server_h2c)]);
    programs.args(["--ca", &stage.file("ca.pem"), "--connections", &connections]);
    programs.args(["--pid", &running.id().to_string(), "--drain-limit-ms", DRAIN_LIMIT_MS]);
    followed(programs, &mut outcome)?;
    // It has been told to end by the last cases.
    running.end()?;
    Ok(outcome)
}

/// Each needs two descriptors in Tidegate, and two in the process that is both client and server.
fn connections(outcome: &mut Outcome) -> String {
    let (_, allowed) = descriptors();
    let count = CONNECTIONS.min(allowed.saturating_sub(OTHER_DESCRIPTORS) / 2);
    if count < CONNECTIONS {
        outcome.skipped.push(format!(
            "SKIPPED: {CONNECTIONS} WebSockets at once need more than the {allowed} open files allowed here; {count} are tried"
        ));
    }
    count.to_string()
}

fn programs(modules: &Path) -> Command {
    let main = root().join("conformance/websocket/main.js").display().to_string();
    let mut node = command("timeout", &["-k", "5", LIMIT_SECONDS, "node", &main]);
    node.env("NODE_PATH", modules).stdout(Stdio::piped());
    node
}

/// Runs the programs, showing each case as it ends.
fn followed(mut programs: Command, outcome: &mut Outcome) -> Result<(), Failure> {
    let mut child = programs.spawn().map_err(|error| format!("node: {error}"))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("ok", _)) => {
                    outcome.passed += 1;
                    println!("{line}");
                }
                Some(("FAILED", case)) => outcome.fail(format!("websocket {case}")),
                _ => println!("{line}"),
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() && outcome.failed.is_empty() {
        outcome.fail(format!("websocket: the programs ended with {status}"));
    }
    Ok(())
}
