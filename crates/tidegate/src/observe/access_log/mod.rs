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
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// A buffer is handed over once it holds this many bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// Buffers that may wait to be written; with [`BUFFER_BYTES`] the most that the log holds in memory.
const WAITING_MAX: usize = 64;

/// Opens what the configuration names. Apart from the rest, for whoever writes the log may not be allowed to.
///
/// # Errors
/// When the file, which the error names, cannot be opened.
pub fn open(settings: &AccessLog) -> io::Result<OwnedFd> {
    match &settings.to {
        LogTarget::Stdout => io::stdout().as_fd().try_clone_to_owned(),
        LogTarget::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            file.map(OwnedFd::from).map_err(named)
        }
    }
}

/// The writing end of the log.
pub struct LogSink {
    sender: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
    /// Ends when all is written.
    written: Receiver<()>,
}

/// How long the last lines may take.
const END_LIMIT: Duration = Duration::from_secs(1);

impl LogSink {
    /// Starts the writer to what [`open`] has opened.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(target: OwnedFd) -> io::Result<LogSink> {
        let mut target = File::from(target);
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let (ended, written) = sync_channel(1);
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            let _ended: SyncSender<()> = ended;
            write_all(&receiver, &mut target, &counter);
        })?;
        Ok(LogSink { sender, dropped, written })
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
        // A pipe that nobody reads from must not keep the process alive.
        if self.written.recv_timeout(END_LIMIT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the access log does not take its last lines; they are lost");
        }
    }
}

fn write_all(buffers: &Receiver<Vec<u8>>, target: &mut dyn Write, dropped: &AtomicU64) {
    let mut target = WholeLines { target, torn: false };
    let mut failed = false;
    for buffer in buffers {
        let lost = dropped.swap(0, Ordering::Relaxed);
        match target.put(&buffer, lost) {
            Ok(()) => failed = false,
            Err(error) => {
                let lines = buffer.iter().filter(|byte| **byte == b'\n').count() as u64;
                dropped.fetch_add(lost + lines, Ordering::Relaxed);
                // Said once, not once a line.
                if !std::mem::replace(&mut failed, true) {
                    tracing::error!(%error, "the access log cannot be written");
                }
            }
        }
    }
}

/// A target that may fail for a while, in the middle of a line too.
struct WholeLines<'a> {
    target: &'a mut dyn Write,
    /// The last line that was begun has no end.
    torn: bool,
}

impl WholeLines<'_> {
    fn put(&mut self, lines: &[u8], lost: u64) -> io::Result<()> {
        if self.torn {
            self.write_all(b"\n")?;
        }
        self.write_all(lines)?;
        if lost > 0 {
            writeln!(self, "{{\"access_log_dropped\":{lost}}}")?;
        }
        self.flush()
    }
}

impl Write for WholeLines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.target.write(bytes)?;
        if let Some(last) = bytes[..written].last() {
            self.torn = *last != b'\n';
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
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
    use std::collections::VecDeque;

    #[test]
    fn lines_reach_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let sink = LogSink::start(open(&settings(&path)).unwrap()).unwrap();
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
        let error = open(&settings(&path)).unwrap_err();
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

    /// Takes so many bytes at each write, or fails; in the end takes all.
    struct Full {
        taken: Vec<u8>,
        script: VecDeque<Option<usize>>,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.script.pop_front().unwrap_or(Some(bytes.len()));
            let room = room.ok_or(io::ErrorKind::StorageFull)?.min(bytes.len());
            self.taken.extend_from_slice(&bytes[..room]);
            Ok(room)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_was_full_leaves_whole_lines_and_a_count() {
        let (sender, receiver) = sync_channel(8);
        for number in 0..4 {
            sender.send(format!("{{\"a\":{number}}}\n{{\"b\":{number}}}\n").into_bytes()).unwrap();
        }
        drop(sender);
        let mut target = Full { taken: Vec::new(), script: [Some(3), None, None].into() };
        write_all(&receiver, &mut target, &AtomicU64::new(0));
        let text = String::from_utf8(target.taken).unwrap();
        assert_eq!(text, "{\"a\n{\"a\":2}\n{\"b\":2}\n{\"access_log_dropped\":4}\n{\"a\":3}\n{\"b\":3}\n");
    }

    #[test]
    fn a_reader_that_has_stopped_reading_does_not_hold_up_the_end() {
        let (_reading, writing) = io::pipe().unwrap();
        let sink = LogSink::start(writing.into()).unwrap();
        let buffer = sink.worker();
        for number in 0..20_000 {
            buffer.record(|line| line.num(key!("number"), number));
        }
        buffer.flush();
        drop(buffer);
        let started = std::time::Instant::now();
        sink.stop();
        assert!(started.elapsed() < END_LIMIT * 5, "{:?}", started.elapsed());
    }
}
