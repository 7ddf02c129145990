//! What a process costs, as the kernel counts it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes of a page, on all machines that we measure on.
const PAGE: u64 = 4096;

/// Between two looks at memory that may be held for a moment only.
const LOOK: Duration = Duration::from_millis(2);

/// A process and those that it started, threads and all.
#[derive(Clone, Debug)]
pub struct Processes(pub Vec<u32>);

impl Processes {
    /// The process with this id, and its children.
    pub fn of(pid: u32) -> Processes {
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        Processes(std::iter::once(pid).chain(children).collect())
    }

    /// How long all their threads have run.
    ///
    /// # Errors
    /// When a process is gone or the kernel does not count.
    pub fn processor_time(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for pid in &self.0 {
            for task in std::fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
                // A thread that has just ended took next to nothing with it.
                let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                nanoseconds += first_number(&text);
            }
        }
        match nanoseconds {
            0 => Err(io::Error::other("the kernel does not count the time of threads (schedstat)")),
            some => Ok(Duration::from_nanos(some)),
        }
    }

    /// Bytes of memory that they hold.
    ///
    /// # Errors
    /// When a process is gone.
    pub fn resident(&self) -> io::Result<u64> {
        self.0.iter().try_fold(0, |sum, pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
            Ok(sum + text.split_once(' ').map_or(0, |(_, rest)| first_number(rest)) * PAGE)
        })
    }
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Looks at the memory of processes again and again, and keeps the most.
#[derive(Debug)]
pub struct Peak {
    most: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peak {
    /// Starts to look.
    pub fn watch(processes: &Processes) -> Peak {
        let (most, stopping) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (processes, most, stopping) = (processes.clone(), Arc::clone(&most), Arc::clone(&stopping));
            move || {
                while !stopping.load(Ordering::SeqCst) {
                    most.fetch_max(processes.resident().unwrap_or(0), Ordering::SeqCst);
                    std::thread::sleep(LOOK);
                }
            }
        });
        Peak { most, stopping, thread: Some(thread) }
    }

    /// The most that they held since.
    pub fn most(mut self) -> u64 {
        self.end();
        self.most.load(Ordering::SeqCst)
    }

    fn end(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It cannot panic.
            let _ = thread.join();
        }
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.end();
    }
}
