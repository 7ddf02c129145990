//! What the kernel says of processes, and what many figures come to.

use crate::run::Failure;

/// Nanoseconds that all threads of these processes have run.
///
/// # Errors
/// When a process is gone or the kernel does not count.
pub fn processor_time(pids: &[u32]) -> Result<u64, Failure> {
    let mut sum = 0;
    for pid in pids {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| error.to_string())?;
        for task in tasks.flatten() {
            // A thread that has just ended took next to nothing with it.
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            sum += text.split(' ').next().and_then(|time| time.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    if sum == 0 {
        Err("the kernel does not count the time of threads (schedstat)".to_owned())
    } else {
        Ok(sum)
    }
}

/// Bytes that only these processes hold.
///
/// # Errors
/// When a process is gone.
pub fn private_bytes(pids: &[u32]) -> Result<u64, Failure> {
    let mut sum = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let lines = text.lines().filter(|line| line.starts_with("Private_"));
        sum +=
            lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() * 1024;
    }
    Ok(sum)
}

/// The middle one of many; not a number when there is none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// Figures of one round divided by those of another in the same round: what disturbs a round disturbs all in it.
pub fn paired(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_rounds_and_of_their_ratios() {
        assert!(median(&[]).is_nan());
        for (values, middle) in [(&[3.0][..], 3.0), (&[5.0, 1.0, 2.0], 2.0), (&[4.0, 1.0, 2.0, 3.0], 2.5)] {
            assert_eq!(median(values), middle, "{values:?}");
        }
        // A round that everybody was slow in changes nothing.
        assert_eq!(paired(&[1.0, 10.0, 1.0], &[2.0, 20.0, 2.0]), [0.5, 0.5, 0.5]);
    }
}
