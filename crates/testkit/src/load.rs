//! A closed-loop load: a few clients, each sending its next request when it has its answer, that verify
//! every body and count failures by kind.

use crate::client::{Client, NoResponse};
use crate::message::pattern;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Requests after which a client makes a new connection, so that accepting is part of the load.
const REQUESTS_PER_CONNECTION: u64 = 200;

/// A load that is running.
#[derive(Debug)]
pub struct Load {
    stopping: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Report>>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whole answers with status 200 and the right body.
    pub good: u64,
    /// Connections that could not be made.
    pub refused: u64,
    /// Connections that ended, or time that ran out, without an answer.
    pub unanswered: u64,
    /// Answers that were cut after they had begun.
    pub cut: u64,
    /// Whole answers with another body.
    pub wrong: u64,
    /// Answers with another status.
    pub bad_status: u64,
    /// Clients that panicked, which is a mistake in the load itself.
    pub panicked: u64,
    /// What was wrong with the first few.
    pub examples: Vec<String>,
}

impl Report {
    /// Failures that a replayable request never shows: all but answers cut after they had begun.
    pub fn failed(&self) -> u64 {
        self.refused + self.unanswered + self.wrong + self.bad_status + self.panicked
    }

    fn add(&mut self, other: Report) {
        self.good += other.good;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.cut += other.cut;
        self.wrong += other.wrong;
        self.bad_status += other.bad_status;
        self.panicked += other.panicked;
        self.examples.extend(other.examples);
        self.examples.truncate(10);
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < 3 {
            self.examples.push(text);
        }
    }
}

impl Load {
    /// Starts `clients` of them, each asking `host` for `/size/bytes` over kept connections.
    pub fn start(address: SocketAddr, host: &str, clients: usize, bytes: usize) -> Load {
        let stopping = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let clients = (0..clients)
            .map(|_| {
                let (stopping, answered) = (Arc::clone(&stopping), Arc::clone(&answered));
                let host = host.to_owned();
                std::thread::spawn(move || one_client(address, &host, bytes, &stopping, &answered))
            })
            .collect();
        Load { stopping, answered, clients }
    }

    /// Requests that were answered so far, well or not.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    /// Lets running requests end; what came of all.
    pub fn stop(self) -> Report {
        self.stopping.store(true, Ordering::SeqCst);
        let mut report = Report::default();
        for client in self.clients {
            match client.join() {
                Ok(one) => report.add(one),
                Err(_) => {
                    report.panicked += 1;
                    report.example("a client panicked".to_owned());
                }
            }
        }
        report
    }
}

fn one_client(
    address: SocketAddr,
    host: &str,
    bytes: usize,
    stopping: &AtomicBool,
    answered: &AtomicU64,
) -> Report {
    let wanted = pattern(bytes);
    let path = format!("/size/{bytes}");
    let mut report = Report::default();
    while !stopping.load(Ordering::SeqCst) {
        let mut client = match Client::connect(address) {
            Ok(client) => client,
            Err(error) => {
                report.refused += 1;
                report.example(error.to_string());
                // Without a pause a server that is gone would be asked thousands of times a second.
                std::thread::sleep(std::time::Duration::from_millis(20));
                continue;
            }
        };
        for _ in 0..REQUESTS_PER_CONNECTION {
            let result = client.get(host, &path);
            answered.fetch_add(1, Ordering::SeqCst);
            if !count(&mut report, result, &wanted) || stopping.load(Ordering::SeqCst) {
                break;
            }
        }
    }
    report
}

/// Counts one result; whether the connection can go on.
fn count(report: &mut Report, result: Result<crate::client::Response, NoResponse>, wanted: &[u8]) -> bool {
    let response = match result {
        Ok(response) => response,
        Err(error) => {
            report.unanswered += 1;
            report.example(error.to_string());
            return false;
        }
    };
    if response.status != 200 {
        report.bad_status += 1;
        report.example(format!("{} {}", response.status, response.text()));
    } else if !response.complete {
        report.cut += 1;
        return false;
    } else if response.body != wanted {
        report.wrong += 1;
        report.example(format!("{} bytes that are not what was asked for", response.body.len()));
    } else {
        report.good += 1;
    }
    response.end.is_none() && !response.head.has_token("connection", "close")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_panicked_counts_as_failed() {
        let clients = vec![std::thread::spawn(|| panic!("on purpose")), std::thread::spawn(Report::default)];
        let load = Load { stopping: Arc::default(), answered: Arc::default(), clients };
        let report = load.stop();
        assert_eq!((report.failed(), report.panicked), (1, 1));
        assert_eq!(report.examples, ["a client panicked"]);
    }
}
