//! When requests of an open load are due: as those of many clients who know nothing of each other, the same in every run.

use std::time::Duration;

/// Times from the start, each later than the one before.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    mean: f64,
    at: f64,
    state: u64,
}

impl Schedule {
    /// So many a second on average.
    pub(super) fn new(rate: f64) -> Schedule {
        Schedule { mean: 1.0 / rate, at: 0.0, state: 0x2545_f491_4f6c_dd1d }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        // Uniform in (0, 1], from the upper 53 bits.
        let uniform = ((self.state >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        self.at -= uniform.ln() * self.mean;
        Some(Duration::from_secs_f64(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_come_as_are_wanted_and_not_evenly() {
        let times: Vec<Duration> = Schedule::new(10_000.0).take(100_000).collect();
        let last = times[times.len() - 1].as_secs_f64();
        assert!((9.8..10.2).contains(&last), "{last}");
        assert!(times.is_sorted());
        // Of gaps that are spread exponentially, 1 - 1/e are below the mean.
        let short = times.windows(2).filter(|two| two[1] - two[0] < Duration::from_micros(100)).count();
        assert!((62_000..64_500).contains(&short), "{short}");
        assert!(Schedule::new(10_000.0).take(100).eq(times[..100].iter().copied()));
    }
}
