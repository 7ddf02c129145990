//! What came of a load.

use serde_json::{Value, json};
use std::time::Duration;

/// Counts and times of one run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Requests with the expected answer.
    pub requests: u64,
    /// How long it ran, from the first request to the last answer.
    pub took: Duration,
    /// Connections that were made by a session of an earlier one.
    pub resumed: u64,
    /// µs from when a request was due to the end of its answer; in no order.
    pub latencies: Vec<u32>,
    /// What ended it early.
    pub failed: Option<String>,
}

impl Report {
    /// As JSON: counts, seconds, and µs.
    pub fn json(&mut self) -> Value {
        self.latencies.sort_unstable();
        let at = |part| percentile(&self.latencies, part);
        json!({
            "requests": self.requests,
            "seconds": self.took.as_secs_f64(),
            "resumed": self.resumed,
            "p50_us": at(0.5),
            "p99_us": at(0.99),
            "p999_us": at(0.999),
            "max_us": self.latencies.last(),
            "failed": self.failed,
        })
    }
}

/// The smallest of these, which are sorted, that as large a part is not above.
fn percentile(sorted: &[u32], part: f64) -> Option<u32> {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let hundred: Vec<u32> = (1..=100).collect();
        for (part, value) in [(0.5, 50), (0.99, 99), (0.999, 100), (0.0, 1)] {
            assert_eq!(percentile(&hundred, part), Some(value));
        }
        assert_eq!(percentile(&[], 0.5), None);
    }
}
