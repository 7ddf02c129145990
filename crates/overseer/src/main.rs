//! `overseer CONFIGURATION PROGRAM ARGUMENT…`: the supervisor's part in the start of an engine, whose command is given here.
//!
//! `tidegate run` starts its engine by `/proc/self/exe`. Under valgrind that is valgrind itself, so the engine of the
//! program that is shipped cannot be counted that way. This checks the configuration, binds its sockets and hands over
//! as the supervisor does, but to `PROGRAM ARGUMENT… engine` (`valgrind … tidegate engine`). It says `ready` on standard
//! output when the engine serves. At the end of its standard input it lets the engine drain, and ends with it.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use tidegate::observe::access_log;
use tidegate::process::handover::{Handover, Report};
use tidegate::process::supervisor::ENGINE_COMMAND;
use tidegate::process::{channel, configuration, limits, sockets};

/// How long the engine may take to take what it is handed, and to say that it serves. It is slow under valgrind, and slower
/// with many routes.
const LIMIT: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, program, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: overseer CONFIGURATION PROGRAM ARGUMENT…");
        return ExitCode::from(2);
    };
    let mut command = Command::new(program);
    command.args(rest);
    match oversee(Path::new(file), command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("overseer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn oversee(file: &Path, command: Command) -> Result<ExitCode, String> {
    let (mut engine, channel) = start(file, command)?;
    let ready = wait_until_ready(&channel);
    if ready.is_ok() {
        println!("ready");
        // Whoever started this may be gone already; then the input has ended too.
        let _ = io::stdout().flush();
        let _ = io::stdin().read_to_end(&mut Vec::new());
    }
    // An engine whose supervisor is gone drains and ends.
    drop(channel);
    let status = engine.wait().map_err(|error| error.to_string())?;
    ready?;
    match status.success() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(format!("the engine ended with {status}")),
    }
}

/// Starts the engine and hands over; the engine and the channel to it.
fn start(file: &Path, mut command: Command) -> Result<(Child, UnixStream), String> {
    limits::raise_open_files();
    let checked = configuration::check(file);
    let configuration = checked.accepted().ok_or_else(|| checked.rendered(false))?;
    let policy = &configuration.policy;
    let workers = policy.workers.unwrap_or(1);
    let listeners = sockets::bind_all(&policy.listeners, workers).map_err(|error| error.to_string())?;
    let open = |settings| access_log::open(settings).map_err(|error| error.to_string());
    let log = policy.access_log.as_ref().map(open).transpose()?;
    let handover = Handover {
        generation: 1,
        configuration: configuration.path.clone(),
        bundle: configuration.with_authority().map_err(|error| error.to_string())?,
        workers,
        cookie_key: [1; 32],
    };
    let begin = || {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_write_timeout(Some(LIMIT))?;
        ours.set_read_timeout(Some(LIMIT))?;
        command.arg(ENGINE_COMMAND).env("MIMALLOC_ALLOW_THP", "0");
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        let engine = command.spawn()?;
        // The command holds the engine's end of the channel open.
        drop(command);
        handover.send(&ours, &listeners, log.as_ref())?;
        Ok((engine, ours))
    };
    begin().map_err(|error: io::Error| error.to_string())
}

fn wait_until_ready(channel: &UnixStream) -> Result<(), String> {
    let report = channel::receive(channel).map_err(|error| format!("the engine said nothing: {error}"))?;
    match serde_json::from_slice(&report) {
        Ok(Report::Ready) => Ok(()),
        Ok(Report::Failed(reason)) => Err(reason),
        Err(error) => Err(format!("the engine says what is not understood: {error}")),
    }
}
