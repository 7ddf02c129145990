//! What the supervisor gives to a new engine, and what the two say to each other afterwards.
//!
//! The engine is going to be sandboxed: it reads no file. So the contents of all files that the
//! configuration names travel with the sockets, and the engine reads the configuration again out of that
//! [`Bundle`]: the text is the one form of a configuration that needs no second format.

use super::channel;
use super::sockets::Bound;
use policy::source::Files;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Contents of files, by the paths that they were asked for by.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Shared, for a configuration may be large and a bundle has several owners on its way.
    files: BTreeMap<PathBuf, Arc<Vec<u8>>>,
    globs: BTreeMap<PathBuf, Vec<PathBuf>>,
    real_paths: BTreeMap<PathBuf, PathBuf>,
}

impl Bundle {
    /// Adds a file that the configuration needs without naming it.
    pub fn insert(&mut self, path: PathBuf, contents: Vec<u8>) {
        self.files.insert(path, Arc::new(contents));
    }
}

impl Files for Bundle {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).map(|contents| contents.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        self.globs.get(pattern).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn real_path(&self, path: &Path) -> PathBuf {
        self.real_paths.get(path).map_or_else(|| path.to_owned(), Clone::clone)
    }
}

/// Passes questions on and remembers the answers, so that they make a [`Bundle`].
pub struct Recording<'f> {
    source: &'f dyn Files,
    seen: RefCell<Bundle>,
}

impl<'f> Recording<'f> {
    /// Asks `source`.
    pub fn new(source: &'f dyn Files) -> Recording<'f> {
        Recording { source, seen: RefCell::default() }
    }

    /// All that was found.
    pub fn into_bundle(self) -> Bundle {
        self.seen.into_inner()
    }
}

impl Files for Recording<'_> {
    /// The same answer for the same path, always: a file that changes while it is being checked must not
    /// reach the engine unchecked.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some(known) = self.seen.borrow().files.get(path) {
            return Ok(known.to_vec());
        }
        let contents = self.source.read(path)?;
        self.seen.borrow_mut().files.insert(path.to_owned(), Arc::new(contents.clone()));
        Ok(contents)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        if let Some(known) = self.seen.borrow().globs.get(pattern) {
            return Ok(known.clone());
        }
        let paths = self.source.glob(pattern)?;
        self.seen.borrow_mut().globs.insert(pattern.to_owned(), paths.clone());
        Ok(paths)
    }

    fn real_path(&self, path: &Path) -> PathBuf {
        let mut seen = self.seen.borrow_mut();
        seen.real_paths.entry(path.to_owned()).or_insert_with(|| self.source.real_path(path)).clone()
    }
}

/// All that a new engine is given besides sockets.
#[derive(Clone, Debug)]
pub struct Handover {
    /// Counts the engines of this supervisor from 1.
    pub generation: u32,
    /// The configuration's path, as it was given.
    pub configuration: PathBuf,
    /// Contents of the configuration and of every file that it names.
    pub bundle: Bundle,
    /// Number of workers.
    pub workers: usize,
    /// Signs session cookies.
    pub cookie_key: [u8; 32],
}

/// The first message; contents and sockets follow it in the order that it names.
#[derive(Serialize, Deserialize)]
struct Announcement {
    generation: u32,
    configuration: PathBuf,
    workers: usize,
    cookie_key: [u8; 32],
    files: Vec<PathBuf>,
    globs: Vec<(PathBuf, Vec<PathBuf>)>,
    real_paths: Vec<(PathBuf, PathBuf)>,
    /// Number of sockets of each listener.
    sockets: Vec<usize>,
    /// Whether the access log comes behind them.
    log: bool,
}

/// What is handed over open, for the engine may not open it.
#[derive(Debug)]
pub struct Opened {
    /// The listening sockets of each listener.
    pub sockets: Vec<Vec<OwnedFd>>,
    /// What the access log is written to.
    pub log: Option<OwnedFd>,
}

impl Handover {
    /// Sends everything, with the sockets of `listeners` and the access log.
    ///
    /// # Errors
    /// When the engine is gone, or a path is not UTF-8.
    pub fn send(&self, stream: &UnixStream, listeners: &[Bound], log: Option<&OwnedFd>) -> io::Result<()> {
        let announcement = Announcement {
            generation: self.generation,
            configuration: self.configuration.clone(),
            workers: self.workers,
            cookie_key: self.cookie_key,
            files: self.bundle.files.keys().cloned().collect(),
            globs: self.bundle.globs.clone().into_iter().collect(),
            real_paths: self.bundle.real_paths.clone().into_iter().collect(),
            sockets: listeners.iter().map(|listener| listener.sockets.len()).collect(),
            log: log.is_some(),
        };
        channel::send(stream, &serde_json::to_vec(&announcement)?)?;
        for contents in self.bundle.files.values() {
            channel::send(stream, contents)?;
        }
        let sockets = listeners.iter().flat_map(|listener| &listener.sockets);
        let opened: Vec<BorrowedFd<'_>> = sockets.chain(log).map(AsFd::as_fd).collect();
        channel::send_descriptors(stream, &opened)
    }

    /// Receives what [`Handover::send`] sent.
    ///
    /// # Errors
    /// When the supervisor is gone or sends something else.
    pub fn receive(stream: &UnixStream) -> io::Result<(Handover, Opened)> {
        let announced: Announcement = serde_json::from_slice(&channel::receive(stream)?)?;
        let mut files = BTreeMap::new();
        for path in announced.files {
            files.insert(path, Arc::new(channel::receive(stream)?));
        }
        let count = announced.sockets.iter().sum::<usize>() + usize::from(announced.log);
        let mut opened = channel::receive_descriptors(stream, count)?.into_iter();
        let sockets = announced.sockets.iter().map(|count| opened.by_ref().take(*count).collect()).collect();
        let opened = Opened { sockets, log: opened.next() };
        let handover = Handover {
            generation: announced.generation,
            configuration: announced.configuration,
            bundle: Bundle {
                files,
                globs: announced.globs.into_iter().collect(),
                real_paths: announced.real_paths.into_iter().collect(),
            },
            workers: announced.workers,
            cookie_key: announced.cookie_key,
        };
        Ok((handover, opened))
    }
}

/// What the supervisor tells a running engine. The end of the channel means [`Order::Drain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Finish what runs, then end.
    Drain,
    /// End now.
    Stop,
}

/// What an engine tells its supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// It serves.
    Ready,
    /// It cannot start, for this reason, and ends.
    Failed(String),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers differently each time.
    struct Restless(std::cell::Cell<u8>);

    impl Files for Restless {
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            if path == Path::new("missing") {
                return Err(io::ErrorKind::NotFound.into());
            }
            self.0.set(self.0.get() + 1);
            Ok(vec![self.0.get()])
        }

        fn glob(&self, _pattern: &Path) -> io::Result<Vec<PathBuf>> {
            self.0.set(self.0.get() + 1);
            Ok(vec![PathBuf::from(self.0.get().to_string())])
        }

        fn real_path(&self, path: &Path) -> PathBuf {
            Path::new("/real").join(path)
        }
    }

    fn recorded() -> Bundle {
        let source = Restless(0.into());
        let recording = Recording::new(&source);
        assert_eq!(recording.read(Path::new("a")).unwrap(), [1]);
        assert_eq!(recording.read(Path::new("b")).unwrap(), [2]);
        assert_eq!(recording.read(Path::new("a")).unwrap(), [1], "what was checked is what is handed over");
        assert_eq!(recording.glob(Path::new("*")).unwrap(), [PathBuf::from("3")]);
        assert_eq!(recording.glob(Path::new("*")).unwrap(), [PathBuf::from("3")]);
        assert_eq!(recording.real_path(Path::new("a")), Path::new("/real/a"));
        recording.read(Path::new("missing")).unwrap_err();
        recording.into_bundle()
    }

    #[test]
    fn everything_arrives() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let listeners: Vec<Bound> = [2, 1]
            .map(|count| {
                let sockets: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
                let address = sockets[0].local_addr().unwrap();
                Bound {
                    name: "web".to_owned(),
                    address,
                    sockets: sockets.into_iter().map(Into::into).collect(),
                }
            })
            .into();
        let sent = Handover {
            generation: 7,
            configuration: "tidegate.yaml".into(),
            bundle: recorded(),
            workers: 3,
            cookie_key: [9; 32],
        };
        let log = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        sent.send(&ours, &listeners, Some(&log)).unwrap();

        let (got, Opened { sockets, log }) = Handover::receive(&theirs).unwrap();
        assert!(log.is_some());
        assert_eq!((got.generation, got.workers, got.cookie_key), (7, 3, [9; 32]));
        assert_eq!(got.configuration, Path::new("tidegate.yaml"));
        assert_eq!(got.bundle.read(Path::new("b")).unwrap(), [2]);
        assert_eq!(got.bundle.read(Path::new("c")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(got.bundle.glob(Path::new("*")).unwrap(), [PathBuf::from("3")]);
        assert_eq!(got.bundle.real_path(Path::new("a")), Path::new("/real/a"));
        assert_eq!(sockets.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        let first = TcpListener::from(sockets.into_iter().next().unwrap().remove(0));
        assert_eq!(first.local_addr().unwrap(), listeners[0].address);
    }
}
