//! Counting by callgrind: runs of a program under load, and the difference between a long and a short one.

use super::program::{Place, Program};
use super::scenario::Scenario;
use crate::process::{Process, free_address};
use crate::run::{Failure, command, output, root};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// What all runs have in common.
pub struct Bench {
    /// For files, removed in the end.
    pub folder: PathBuf,
    /// The client and the origin.
    pub lockstep: PathBuf,
    /// Starts engines under valgrind.
    pub overseer: PathBuf,
}

/// How long a program may take to end, valgrind's account included.
const END_LIMIT: Duration = Duration::from_secs(60);

impl Bench {
    /// Makes the folder, and in it a certificate. `programs` has the programs of ours.
    ///
    /// # Errors
    /// When the folder or the certificate cannot be made.
    pub fn new(programs: &Path) -> Result<Bench, Failure> {
        let folder = std::env::temp_dir().join(format!("tidegate-instructions-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let bench =
            Bench { folder, lockstep: programs.join("lockstep"), overseer: programs.join("overseer") };
        let (certificate, key) = bench.certificate();
        let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
        let mut words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=shop.example \
                         -addext subjectAltName=DNS:shop.example -addext basicConstraints=critical,CA:FALSE"
            .split_whitespace()
            .collect::<Vec<_>>();
        words.extend(["-out", &certificate, "-keyout", &key]);
        let mut openssl = command("openssl", &words);
        openssl.stderr(Stdio::null());
        crate::run::succeed(openssl)?;
        Ok(bench)
    }

    fn certificate(&self) -> (PathBuf, PathBuf) {
        (self.folder.join("certificate.pem"), self.folder.join("key.pem"))
    }

    /// User instructions of one request, as the difference between two runs says.
    ///
    /// # Errors
    /// When a run fails.
    pub fn count(&self, program: &Program, scenario: &Scenario) -> Result<u64, Failure> {
        let few = self.run(program, scenario, scenario.few, None)?;
        let many = self.run(program, scenario, scenario.many, None)?;
        Ok(many.saturating_sub(few) / u64::from(scenario.many - scenario.few))
    }

    /// User instructions of a program from its start to its end, with so many requests; callgrind's account of them goes
    /// to `account`.
    ///
    /// # Errors
    /// When something cannot be started, a request is not answered, or the program does not end well.
    pub fn run(
        &self,
        program: &Program,
        scenario: &Scenario,
        requests: u32,
        account: Option<&Path>,
    ) -> Result<u64, Failure> {
        let what = || format!("{} {} {requests}", program.name(), scenario.name);
        self.run_in(program, scenario, requests, account).map_err(|error| format!("{}: {error}", what()))
    }

    fn run_in(
        &self,
        program: &Program,
        scenario: &Scenario,
        requests: u32,
        account: Option<&Path>,
    ) -> Result<u64, Failure> {
        let (address, origin) = (free_address()?, free_address()?);
        let folder = self.folder.join(crate::process::port(&address));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let log = folder.join("valgrind.log");
        let valgrind = [
            "valgrind".to_owned(),
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}", account.unwrap_or(Path::new("/dev/null")).display()),
            format!("--log-file={}", log.display()),
        ];
        let (certificate, key) = self.certificate();
        let place =
            Place { folder: &folder, address: &address, origin: &origin, certificate: (&certificate, &key) };
        let lockstep = self.lockstep.to_string_lossy();
        let mut server = command(&lockstep, &["origin", scenario.origin, &origin])
            .spawn()
            .map(Process)
            .map_err(|error| error.to_string())?;
        server.serves(&origin)?;
        let (words, has_input) = program.command(scenario, &place, &self.overseer, &valgrind)?;
        let running = Running::start(&words, has_input, &address, &folder)?;
        let certificate = certificate.to_string_lossy();
        let load = ["client", scenario.workload, &address, &requests.to_string(), &certificate];
        let answered = output(command(&lockstep, &load));
        let ended = running.end();
        answered.and(ended).map_err(|error| format!("{error}{}", told(&folder)))?;
        let text = std::fs::read_to_string(&log).map_err(|error| error.to_string())?;
        collected(&text).ok_or_else(|| format!("valgrind gives no count:\n{text}"))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for temporary files anyway.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The number at the end of what callgrind logs.
fn collected(log: &str) -> Option<u64> {
    let line = log.lines().find_map(|line| line.split_once("Collected : "))?.1;
    line.trim().parse().ok().filter(|count| *count > 0)
}

/// What a program wrote to its standard error.
fn told(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("stderr")).unwrap_or_default();
    if text.is_empty() { text } else { format!("; the program said:\n{text}") }
}

/// A program under valgrind.
struct Running {
    process: Process,
    /// What it ends with, where it does not end by a signal.
    input: Option<ChildStdin>,
}

impl Running {
    /// Starts it and waits until it serves.
    fn start(words: &[String], has_input: bool, address: &str, folder: &Path) -> Result<Running, Failure> {
        let path = std::env::var("PATH").unwrap_or_default();
        let stderr = File::create(folder.join("stderr")).map_err(|error| error.to_string())?;
        let mut command = Command::new(&words[0]);
        // nginx and HAProxy lie where ordinary users do not look.
        command.args(&words[1..]).current_dir(root()).env("PATH", format!("{path}:/usr/sbin")).stderr(stderr);
        if !has_input {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let child = command.spawn().map_err(|error| format!("{}: {error}", words[0]))?;
            let mut running = Running { process: Process(child), input: None };
            running.process.serves(address).map_err(|error| format!("{error}{}", told(folder)))?;
            return Ok(running);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", words[0]))?;
        let (input, stdout) = (child.stdin.take(), child.stdout.take());
        let running = Running { process: Process(child), input };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        match line.trim() == "ready" {
            true => Ok(running),
            false => Err(format!("it did not start{}", told(folder))),
        }
    }

    /// Ends it and waits for valgrind's account.
    fn end(mut self) -> Result<(), Failure> {
        if self.input.take().is_none() {
            return self.process.end().map(|_| ());
        }
        let deadline = Instant::now() + END_LIMIT;
        while Instant::now() < deadline {
            match self.process.ended() {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("it ended with {status}")),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        Err("it does not end".to_owned())
    }
}
