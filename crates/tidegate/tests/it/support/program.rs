//! The program under test, run as its users run it.

use super::{LIMIT, wait_for};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use testkit::client::Client;

/// A running `tidegate run`. Dropping it stops it by TERM and demands exit code 0.
pub struct Tidegate {
    /// Real addresses by the names of listeners.
    pub addresses: HashMap<String, SocketAddr>,
    /// Where its configuration and state are.
    pub folder: tempfile::TempDir,
    child: Child,
    stdout: Lines,
    stderr: Lines,
    ended: bool,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Tidegate {
    /// Starts it with this configuration; a state directory is added where none is named.
    pub fn start(yaml: &str) -> Tidegate {
        Tidegate::start_in(tempfile::tempdir().unwrap(), yaml, &[])
    }

    /// Starts it in a folder that has what the configuration names, through other programs that run it
    /// (`prlimit --nofile=64`).
    pub fn start_in(folder: tempfile::TempDir, yaml: &str, through: &[&str]) -> Tidegate {
        let mut tidegate = Tidegate::launch(folder, yaml, through);
        tidegate.wait_until_ready();
        tidegate
    }

    /// The same without waiting for it to be ready.
    pub fn launch(folder: tempfile::TempDir, yaml: &str, through: &[&str]) -> Tidegate {
        let file = folder.path().join("tidegate.yaml");
        let state = folder.path().join("state");
        let own_state =
            if yaml.contains("state_dir:") { String::new() } else { format!("state_dir: {state:?}\n") };
        // Few workers: many programs run at once on few cores.
        let workers = if yaml.contains("workers:") { "" } else { "workers: 2\n" };
        std::fs::write(&file, format!("{yaml}\n{own_state}{workers}")).unwrap();
        let mut words = through.iter().copied().chain([env!("CARGO_BIN_EXE_tidegate"), "run", "-c"]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg(&file);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Tidegate { addresses: HashMap::new(), folder, child, stdout, stderr, ended: false }
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + LIMIT;
        while !self.stderr().iter().any(|line| line == "tidegate: ready") {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.ended = true;
                panic!("it did not start ({status}):\n{}", self.stderr().join("\n"));
            }
            assert!(Instant::now() < deadline, "it is not ready:\n{}", self.stderr().join("\n"));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        for line in self.stderr() {
            let Some(rest) = line.strip_prefix("tidegate: listening on ") else { continue };
            let (name, address) = rest.rsplit_once(' ').unwrap();
            self.addresses.insert(name.to_owned(), address.parse().unwrap());
        }
    }

    /// The address of the listener `web`.
    pub fn address(&self) -> SocketAddr {
        self.addresses["web"]
    }

    /// A new connection to the listener `web`.
    pub fn client(&self) -> Client {
        Client::connect(self.address()).unwrap()
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.lock().unwrap().clone()
    }

    /// The access log so far.
    pub fn log(&self) -> Vec<serde_json::Value> {
        let lines = self.stdout.lock().unwrap().clone();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// Waits until the access log has `count` lines.
    pub fn logs(&self, count: usize) -> Vec<serde_json::Value> {
        wait_for("lines of the access log", || self.log().len() >= count);
        self.log()
    }

    /// Waits for a line of the access log whose `reason` is this one.
    #[track_caller]
    pub fn log_with_reason(&self, reason: &str) -> serde_json::Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(line) = self.log().into_iter().find(|line| line["reason"] == reason) {
                return line;
            }
            assert!(Instant::now() < deadline, "no line with the reason {reason}: {:#?}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// The process that people see: the supervisor.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process that does the work.
    pub fn engine_pid(&self) -> u32 {
        self.engine().expect("an engine")
    }

    /// The process that does the work, if there is one now.
    pub fn engine(&self) -> Option<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// Kilobytes of memory that the engine holds.
    pub fn resident_kb(&self) -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.engine_pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Kilobytes of memory that supervisor and engine have to themselves.
    pub fn private_kb(&self) -> u64 {
        let of = |pid: u32| -> u64 {
            let map = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
            let private = map.lines().filter(|line| line.starts_with("Private_"));
            private.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum()
        };
        of(self.pid()) + of(self.engine_pid())
    }

    /// Sends it a signal by name (`TERM`).
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.ended = true;
                return status;
            }
            if Instant::now() > deadline {
                self.ended = true;
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("it does not end:\n{}", self.stderr().join("\n"));
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Stops it by TERM.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Tidegate {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if std::thread::panicking() {
            eprintln!("--- standard error of the program\n{}", self.stderr().join("\n"));
            eprintln!("--- access log\n{}", self.stdout.lock().unwrap().join("\n"));
            let _ = self.child.kill();
            let _ = self.child.wait();
            return;
        }
        let status = self.stop();
        assert!(status.success(), "it ended with {status}:\n{}", self.stderr().join("\n"));
    }
}

/// Reads lines on a thread of their own, so that the program never waits for the test.
fn collect(pipe: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let collected = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            collected.lock().unwrap().push(line);
        }
    });
    lines
}
