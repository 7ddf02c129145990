//! The access log: a line of JSON for each request, off the path.
//!
//! A worker formats its lines into a buffer of its own; full buffers, and each buffer a few times a second, go
//! through a bounded channel to a thread that writes them. When that thread cannot keep up, lines are
//! dropped and counted, and a line says how many: the log never holds a request up.

mod line;

pub(crate) use line::key;
pub use line::{Key, LineWriter};

use policy::model::{AccessLog, LogTarget};
use std::cell::{Cell, RefCell};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// A buffer is handed over once it holds this many bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// Buffers that may wait to be written; with [`BUFFER_BYTES`] the most that the log holds in memory.
const WAITING_MAX: usize = 64;

/// The writing end of the log.
pub struct LogSink {
    sender: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
    writer: JoinHandle<()>,
}

impl LogSink {
    /// Opens the target and starts the writer.
    ///
    /// # Errors
    /// When the file, which the error names, cannot be opened, or no thread be had.
    pub fn start(settings: &AccessLog) -> io::Result<LogSink> {
        let mut target: Box<dyn Write + Send> =
            match &settings.to {
                LogTarget::Stdout => Box::new(io::stdout()),
                LogTarget::File(path) => {
                    let file = OpenOptions::new().create(true).append(true).open(path);
                    Box::new(file.map_err(|error| {
                        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
                    })?)
                }
            };
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let writer = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_all(&receiver, &mut *target, &counter))?;
        Ok(LogSink { sender, dropped, writer })
    }

    /// A buffer for one worker.
    pub fn worker(&self) -> LogBuffer {
        LogBuffer {
            sender: self.sender.clone(),
            dropped: Arc::clone(&self.dropped),
            bytes: RefCell::new(Vec::with_capacity(BUFFER_BYTES)),
            lines: Cell::new(0),
        }
    }

    /// Writes what is left; call it when all workers have ended.
    pub fn stop(self) {
        drop(self.sender);
        if self.writer.join().is_err() {
            tracing::error!("the access log's writer has panicked");
        }
    }
}

fn write_all(buffers: &Receiver<Vec<u8>>, target: &mut dyn Write, dropped: &AtomicU64) {
    let mut failed = false;
    for buffer in buffers {
        let mut result = target.write_all(&buffer);
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            result = result.and_then(|()| writeln!(target, "{{\"access_log_dropped\":{lost}}}"));
        }
        match result.and_then(|()| target.flush()) {
            Ok(()) => failed = false,
            // Said once, not for each buffer of a full disk.
            Err(error) if !std::mem::replace(&mut failed, true) => {
                tracing::error!(%error, "the access log cannot be written");
            }
            Err(_) => {}
        }
    }
}

/// One worker's lines.
pub struct LogBuffer {
    sender: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
    bytes: RefCell<Vec<u8>>,
    lines: Cell<u64>,
}

impl LogBuffer {
    /// Adds a line, whose time is now; `fields` writes the rest.
    pub fn record(&self, fields: impl FnOnce(&mut LineWriter<'_>)) {
        let full = {
            let mut bytes = self.bytes.borrow_mut();
            let mut line = LineWriter::begin(&mut bytes);
            fields(&mut line);
            line.end();
            bytes.len() >= BUFFER_BYTES - BUFFER_BYTES / 8
        };
        self.lines.set(self.lines.get() + 1);
        if full {
            self.flush();
        }
    }

    /// Hands the lines over, without waiting.
    pub fn flush(&self) {
        let lines = self.lines.replace(0);
        if lines == 0 {
            return;
        }
        // Allocation: one for some hundred lines.
        let bytes = self.bytes.replace(Vec::with_capacity(BUFFER_BYTES));
        match self.sender.try_send(bytes) {
            Ok(()) => {}
            Err(TrySendError::Full(mut bytes) | TrySendError::Disconnected(mut bytes)) => {
                self.dropped.fetch_add(lines, Ordering::Relaxed);
                bytes.clear();
                self.bytes.replace(bytes);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_reach_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let sink = LogSink::start(&settings(&path)).unwrap();
        let buffer = sink.worker();
        for number in 0..5000 {
            buffer.record(|line| line.num(key!("number"), number));
        }
        buffer.flush();
        drop(buffer);
        sink.stop();
        let text = std::fs::read_to_string(path).unwrap();
        let numbers: Vec<u64> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["number"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, (0..5000).collect::<Vec<_>>());
    }

    fn settings(path: &std::path::Path) -> AccessLog {
        AccessLog { to: LogTarget::File(path.to_owned()), at: policy::source::Span::default() }
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere/access.log");
        let error = LogSink::start(&settings(&path)).err().unwrap();
        assert!(error.to_string().contains("nowhere/access.log"), "{error}");
    }

    #[test]
    fn a_slow_writer_loses_lines_and_counts_them() {
        let (sender, receiver) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let buffer = LogBuffer {
            sender,
            dropped: Arc::clone(&dropped),
            bytes: RefCell::default(),
            lines: Cell::new(0),
        };
        for _ in 0..3 {
            buffer.record(|line| line.num(key!("a"), 1));
            buffer.flush();
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        drop(buffer);
        let mut out = Vec::new();
        write_all(&receiver, &mut out, &dropped);
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("{\"access_log_dropped\":2}\n"), "{text}");
    }
}
