//! Counting by callgrind: runs of a program under load, and the difference between a long and a short one.

use super::program::{Place, Program, Start};
use super::scenario::Scenario;
use crate::process::{Process, free_address};
use crate::run::{Failure, command, output, root, succeed};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
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

/// How long a program may take to listen: slow under valgrind, and slower with many routes.
const START_LIMIT: Duration = Duration::from_secs(300);

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
        let (certificate, key) = (bench.folder.join("certificate"), bench.folder.join("key"));
        let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
        let mut words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=shop.example \
                         -addext subjectAltName=DNS:shop.example -addext basicConstraints=critical,CA:FALSE"
            .split_whitespace()
            .collect::<Vec<_>>();
        words.extend(["-out", &certificate, "-keyout", &key]);
        let mut openssl = command("openssl", &words);
        openssl.stderr(Stdio::null());
        succeed(openssl)?;
        let both = || -> std::io::Result<()> {
            let both = [std::fs::read(&*certificate)?, std::fs::read(&*key)?].concat();
            std::fs::write(bench.certificate(), both)
        };
        both().map_err(|error| format!("the certificate for TLS: {error}"))?;
        Ok(bench)
    }

    /// The certificate with its key, in one file.
    fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
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
        let certificate = self.certificate();
        let place = Place { folder: &folder, address: &address, origin: &origin, certificate: &certificate };
        let lockstep = self.lockstep.to_string_lossy();
        let mut server = command(&lockstep, &["origin", scenario.origin, &origin])
            .spawn()
            .map(Process)
            .map_err(|error| error.to_string())?;
        server.serves(&origin)?;
        let start = program.start(scenario, &place, &self.overseer, &valgrind)?;
        let running = Running::start(&start, &address, &folder)?;
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
    fn start(start: &Start, address: &str, folder: &Path) -> Result<Running, Failure> {
        let path = std::env::var("PATH").unwrap_or_default();
        let file = |name| File::create(folder.join(name)).map_err(|error| error.to_string());
        let mut command = Command::new(&start.words[0]);
        // nginx and HAProxy lie where ordinary users do not look.
        command.args(&start.words[1..]).current_dir(root()).env("PATH", format!("{path}:/usr/sbin"));
        command.stderr(file("stderr")?);
        match start.is_ours {
            true => command.stdin(Stdio::piped()).stdout(Stdio::piped()),
            false => command.stdin(Stdio::null()).stdout(file("stdout")?),
        };
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", start.words[0]))?;
        let (input, stdout) = (child.stdin.take(), child.stdout.take());
        let mut running = Running { process: Process(child), input };
        let serves = match stdout {
            Some(stdout) => says_ready(stdout),
            None => running.listens(address),
        };
        serves.map(|()| running).map_err(|error| format!("{error}{}", told(folder)))
    }

    /// Waits until it listens there.
    fn listens(&mut self, address: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.process.ended() {
                return Err(format!("it ended with {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("nothing listens on {address}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
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

/// Waits until a program says so.
fn says_ready(stdout: ChildStdout) -> Result<(), Failure> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    match line.trim() == "ready" {
        true => Ok(()),
        false => Err("it did not start".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn the_count_is_found() {
        let log = "==7== Events    : Ir\n==7== Collected : 422211504\n==7== \n";
        assert_eq!(collected(log), Some(422_211_504));
        assert_eq!(collected("==7== Collected : 0\n"), None);
        assert_eq!(collected("valgrind: failed to start\n"), None);
    }
}
