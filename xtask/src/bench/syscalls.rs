//! Counting system calls: by `perf`, which hardly slows what it counts, else by `strace`, which does.

use super::machine::get;
use crate::process::Process;
use crate::run::{Failure, command};
use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

/// How long a counter may take to attach to all threads.
const ATTACH: Duration = Duration::from_millis(300);

/// What counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    Perf,
    Strace,
}

impl Counter {
    /// One that works here; it is installed where that is allowed.
    pub fn find() -> Option<Counter> {
        let own = [std::process::id()];
        let works = |counter: &Counter| {
            let counting = counter.start(&own);
            counting.and_then(Counting::end).is_ok()
        };
        // One cannot trace oneself with the second; that it is there must do.
        match get("perf", "linux-perf") && works(&Counter::Perf) {
            true => Some(Counter::Perf),
            false => get("strace", "strace").then_some(Counter::Strace),
        }
    }

    /// Begins to count what these processes do.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start(self, pids: &[u32]) -> Result<Counting, Failure> {
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let mut command = match self {
            Counter::Perf => {
                command("perf", &["stat", "-x", ";", "-e", "raw_syscalls:sys_enter", "-p", &pids.join(",")])
            }
            Counter::Strace => {
                let mut words = vec!["-f", "-c"];
                pids.iter().for_each(|pid| words.extend(["-p", pid]));
                command("strace", &words)
            }
        };
        command.env("LC_ALL", "C").stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| error.to_string())?;
        std::thread::sleep(ATTACH);
        Ok(Counting { counter: self, process: Process(child) })
    }
}

/// A count under way.
pub(super) struct Counting {
    counter: Counter,
    process: Process,
}

impl Counting {
    /// Ends it; the count.
    ///
    /// # Errors
    /// When it has not counted.
    pub fn end(mut self) -> Result<u64, Failure> {
        // Both say what they have on an interrupt.
        let _ = command("kill", &["-INT", &self.process.id().to_string()]).status();
        let mut said = String::new();
        if let Some(mut output) = self.process.0.stderr.take() {
            output.read_to_string(&mut said).map_err(|error| error.to_string())?;
        }
        let count = match self.counter {
            Counter::Perf => perf(&said),
            Counter::Strace => strace(&said),
        };
        count.ok_or_else(|| {
            format!("system calls were not counted: {}", said.lines().next().unwrap_or_default())
        })
    }
}

/// The first cell of the event's line.
fn perf(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("raw_syscalls:sys_enter"))?;
    line.split(';').next()?.parse().ok()
}

/// The cell of the line of totals below `calls`; versions differ in what stands before it.
fn strace(said: &str) -> Option<u64> {
    let head = said.lines().find(|line| line.starts_with("% time"))?;
    let end = head.find("calls")? + "calls".len();
    let line = said.lines().find(|line| line.ends_with(" total"))?;
    line.get(..end)?.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_in_what_is_said() {
        assert_eq!(perf("81234;;raw_syscalls:sys_enter;1000;100.00;;\n"), Some(81_234));
        assert_eq!(perf("<not counted>;;raw_syscalls:sys_enter;0;0.00;;\n"), None);
        assert_eq!(perf("Error: Access denied\n"), None);
        let table = [
            "strace: Process 7 attached",
            "% time     seconds  usecs/call     calls    errors syscall",
            "------ ----------- ----------- --------- --------- ----------------",
            " 60.00    0.080000          12      6215        35 recvfrom",
            "------ ----------- ----------- --------- --------- ----------------",
            "100.00    0.133370          10     12934        40 total",
        ]
        .join("\n");
        assert_eq!(strace(&table), Some(12_934));
        // Older ones leave the mean of totals empty.
        assert_eq!(strace(&table.replace("   10     12934", "          12934")), Some(12_934));
        assert_eq!(strace("strace: attach: Operation not permitted"), None);
    }
}
