//! A load (`bench-load` of testkit) on core 1, and what it says.

use super::subject::{pinned, program};
use crate::process::Process;
use crate::run::Failure;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};

/// A load whose connections are open.
pub(super) struct Load {
    // Closed first, which ends the process.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _process: Process,
}

/// What a load came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answered {
    /// Requests with the expected answer.
    pub requests: u64,
    /// How long it took.
    pub seconds: f64,
    /// Connections made by a session of an earlier one.
    pub resumed: u64,
    /// µs within which half, 99 of 100 and 999 of 1000 requests had their answers.
    pub percentiles: [f64; 3],
}

impl Load {
    /// Opens the connections and waits until each has had an answer.
    ///
    /// # Errors
    /// When that does not go as expected, with what the load says about it.
    pub fn open(address: &str, words: &str) -> Result<Load, Failure> {
        let mut all = vec![address];
        all.extend(words.split_whitespace());
        let mut command = pinned("1", &program("release", "bench-load"), &all);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("bench-load: {error}"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let process = Process(child);
        let output = BufReader::new(output.ok_or("bench-load has no output")?);
        let mut load = Load { input, output, _process: process };
        match load.line()?.as_str() {
            "ready" => Ok(load),
            said => Err(said.trim_start_matches("failed ").to_owned()),
        }
    }

    /// Begins to send.
    ///
    /// # Errors
    /// When the load is gone.
    pub fn begin(&mut self) -> Result<(), Failure> {
        let input = self.input.as_mut().ok_or("bench-load has no input")?;
        input.write_all(b"go\n").map_err(|error| format!("bench-load: {error}"))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When an answer was not the expected one, or none came.
    pub fn end(&mut self) -> Result<Answered, Failure> {
        answered(&self.line()?)
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) => Err("bench-load ended without a word".to_owned()),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) => Err(format!("bench-load: {error}")),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Its connections end with its input.
        self.input = None;
    }
}

fn answered(line: &str) -> Result<Answered, Failure> {
    let said: Value = serde_json::from_str(line).map_err(|_| format!("bench-load says `{line}`"))?;
    if let Some(why) = said["failed"].as_str() {
        return Err(why.to_owned());
    }
    let number = |name: &str| said[name].as_f64().ok_or_else(|| format!("bench-load says no {name}"));
    Ok(Answered {
        requests: number("requests")? as u64,
        seconds: number("seconds")?,
        resumed: number("resumed")? as u64,
        percentiles: [number("p50_us")?, number("p99_us")?, number("p999_us")?],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_no_figures() {
        let good = r#"{"failed":null,"max_us":9,"p50_us":2,"p99_us":3,"p999_us":4,"requests":50,"resumed":7,"seconds":1.5}"#;
        let wanted = Answered { requests: 50, seconds: 1.5, resumed: 7, percentiles: [2.0, 3.0, 4.0] };
        assert_eq!(answered(good), Ok(wanted));
        let bad = good.replace("null", "\"a connection broke\"");
        assert_eq!(answered(&bad), Err("a connection broke".to_owned()));
        let none = good.replace("\"p50_us\":2", "\"p50_us\":null");
        assert_eq!(answered(&none), Err("bench-load says no p50_us".to_owned()));
        assert_eq!(answered("hm"), Err("bench-load says `hm`".to_owned()));
    }
}
