//! The bytes below a connection of HTTP/2: many small frames become one `send`.
//!
//! The codec flushes after nearly every frame. Here a flush does nothing; frames collect, and the task that drives the
//! connection [drains](Wire::poll_drain) once each time it has done all it can.

use super::flood::{Flood, FrameWatch};
use crate::http::stream::Stream;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So many bytes are written at once; more than that wait in the codec.
const COLLECTED_MAX: usize = 32 * 1024;

/// From this size on copying costs more than a call of its own.
const DIRECT_MIN: usize = 16 * 1024;

/// The stream below, shared by the codec and the task that drives it.
#[derive(Clone)]
pub struct Wire(Rc<Shared>);

struct Shared {
    inner: RefCell<Inner>,
    /// Requests that are on their way.
    open: Cell<usize>,
    /// The connection's task, which wants to know of the last one.
    waiting: RefCell<Option<Waker>>,
    /// Bytes that may be read still before those who are to have them have their turn.
    turn: Cell<usize>,
    /// Bytes of content that were given to the codec since it has written all.
    given: Cell<usize>,
    /// The socket takes no more, and frames wait for it.
    blocked: Cell<bool>,
    /// Requests that have something to write once it does, by the numbers of their streams.
    writers: RefCell<BTreeMap<u32, Waker>>,
    /// The stream that has written last: those behind it come next.
    served: Cell<u32>,
}

/// So many bytes are read in one turn: the codec bounds small frames that nobody has read, and nobody can have while it
/// reads on.
const TURN_BYTES: usize = 8 * 1024;

/// So much content is given to the codec before it has its turn to write: else many requests could give it much before
/// anybody knows whether the socket takes it.
const GIVEN_BYTES_MAX: usize = 32 * 1024;

/// So many requests are told at a time that the socket takes more; with all of them at once it would be full again before
/// the last one had its turn.
const WRITERS_AT_ONCE: usize = 16;

/// Counts a request on a connection until it is dropped.
pub struct OpenStream(Wire);

impl Drop for OpenStream {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.open.set(shared.open.get() - 1);
        if shared.open.get() == 0
            && let Some(waker) = shared.waiting.borrow_mut().take()
        {
            waker.wake();
        }
    }
}

struct Inner {
    stream: Stream,
    /// Frames that are to be written, from `sent` on.
    collected: Vec<u8>,
    sent: usize,
    /// The socket did not take what the codec wanted to write past these.
    stuck: bool,
    watch: Option<FrameWatch>,
    /// What was read when the version was found out.
    early: Vec<u8>,
    /// The start of the peer's first frame.
    first_frame: Vec<u8>,
    /// Bytes of that frame that are still to come.
    first_left: Option<usize>,
    /// Bytes that came in and went out.
    moved: u64,
    /// The end of what was written at the end.
    last_words: Vec<u8>,
}

/// So much of the last frames is kept: a GOAWAY with its reason in words.
const LAST_WORDS: usize = 64;

impl Wire {
    /// Over `stream`, of which `early` was read already. `watch` looks at the frames that come in.
    pub fn new(stream: Stream, early: Vec<u8>, watch: Option<FrameWatch>) -> Wire {
        let inner = Inner {
            stream,
            collected: Vec::new(),
            sent: 0,
            stuck: false,
            watch,
            early,
            first_frame: Vec::new(),
            first_left: None,
            moved: 0,
            last_words: Vec::new(),
        };
        Wire(Rc::new(Shared {
            inner: RefCell::new(inner),
            open: Cell::new(0),
            waiting: RefCell::new(None),
            turn: Cell::new(TURN_BYTES),
            given: Cell::new(0),
            blocked: Cell::new(false),
            writers: RefCell::default(),
            served: Cell::new(0),
        }))
    }

    /// One more request.
    pub fn open_stream(&self) -> OpenStream {
        self.0.open.set(self.0.open.get() + 1);
        OpenStream(self.clone())
    }

    /// How many requests are on their way.
    pub fn open_streams(&self) -> usize {
        self.0.open.get()
    }

    /// Ready when no request is on its way.
    pub fn poll_without_streams(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.open_streams() == 0 {
            return Poll::Ready(());
        }
        *self.0.waiting.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when all collected frames are with the kernel.
    pub fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.inner.borrow_mut();
        let drained = inner.poll_drain(cx);
        self.0.blocked.set(drained.is_pending() || inner.stuck);
        if !self.0.blocked.get() {
            self.0.given.set(0);
            let mut writers = self.0.writers.borrow_mut();
            let mut behind = writers.split_off(&(self.0.served.get() + 1));
            // In turns: whoever is told first writes most.
            let next = || behind.pop_first().or_else(|| writers.pop_first());
            std::iter::from_fn(next).take(WRITERS_AT_ONCE).for_each(|(_, waker)| waker.wake());
            writers.append(&mut behind);
            if !writers.is_empty() {
                // The others have their turn even if these had nothing to write.
                cx.waker().wake_by_ref();
            }
        }
        drained
    }

    /// Ready while the socket takes what is written, for the request of that stream.
    pub fn poll_writable(&self, cx: &mut Context<'_>, stream: u32) -> Poll<()> {
        if !self.0.blocked.get() && self.0.given.get() < GIVEN_BYTES_MAX {
            return Poll::Ready(());
        }
        self.0.writers.borrow_mut().insert(stream, cx.waker().clone());
        Poll::Pending
    }

    /// A new turn of the task that drives the connection.
    pub fn begin(&self) {
        self.0.turn.set(TURN_BYTES);
    }

    /// Writes the last frames, says that no more will come, and throws away what the peer still sends, up to `left`
    /// bytes. Ready when the peer has closed too, or has sent too much.
    pub fn poll_part(&self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        let mut inner = self.0.inner.borrow_mut();
        if ready!(inner.poll_drain(cx)).is_err() || ready!(inner.stream.poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        let mut waste = crate::worker::Buffer::take();
        loop {
            match ready!(inner.stream.poll_read(cx, &mut waste)) {
                Ok(read) if read > 0 && read <= *left => *left -= read,
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Makes the close that follows a reset.
    pub fn reset_on_close(&self) {
        self.0.inner.borrow().stream.reset_on_close();
    }

    /// Whether frames wait for a peer that does not read.
    pub fn holds_back(&self) -> bool {
        let inner = self.0.inner.borrow();
        inner.sent < inner.collected.len() || inner.stuck || inner.stream.holds_back()
    }

    /// Whether the peer's first frame has come in full: a server's settings (RFC 9113 section 3.4).
    pub fn has_settings(&self) -> bool {
        self.0.inner.borrow().first_left == Some(0)
    }

    /// Bytes that came in and went out until now.
    pub fn moved(&self) -> u64 {
        self.0.inner.borrow().moved
    }

    /// Takes note of a request that goes to the peer.
    pub fn asked(&self) {
        if let Some(watch) = &mut self.0.inner.borrow_mut().watch {
            watch.asked();
        }
    }

    /// Takes note of content that was handed over for the peer, on that stream.
    pub fn sent(&self, stream: u32, bytes: usize) {
        self.0.served.set(stream);
        self.0.given.set(self.0.given.get() + bytes);
        if let Some(watch) = &mut self.0.inner.borrow_mut().watch {
            watch.sent(bytes);
        }
    }

    /// Whether the GOAWAY that ended the connection speaks of `word`. The codec tells its reasons to nobody but the peer.
    pub fn said_at_last(&self, word: &str) -> bool {
        let inner = self.0.inner.borrow();
        inner.last_words.windows(word.len()).any(|part| part == word.as_bytes())
    }

    /// Whether the end of a head that the peer has begun is still to come.
    pub fn is_inside_head(&self) -> bool {
        self.0.inner.borrow().watch.as_ref().is_some_and(FrameWatch::is_inside_head)
    }

    /// The first of the peer's budgets that was overdrawn.
    pub fn flood(&self) -> Option<Flood> {
        self.0.inner.borrow().watch.as_ref().and_then(FrameWatch::verdict)
    }
}

impl Inner {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.collected.len() {
            match ready!(self.stream.poll_write(cx, &self.collected[self.sent..], &[]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    self.sent += count;
                    self.moved += count as u64;
                }
            }
        }
        self.sent = 0;
        if self.collected.capacity() > COLLECTED_MAX {
            self.collected = Vec::new();
        } else {
            self.collected.clear();
        }
        self.stream.poll_flush(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        let count = first.len() + second.len();
        if self.collected.len() - self.sent + count > COLLECTED_MAX || count >= DIRECT_MIN {
            ready!(self.poll_drain(cx))?;
        }
        if count >= DIRECT_MIN {
            let written = self.stream.poll_write(cx, first, second);
            self.stuck = written.is_pending();
            let count = ready!(written)?;
            self.moved += count as u64;
            return Poll::Ready(Ok(count));
        }
        self.collected.extend_from_slice(first);
        self.collected.extend_from_slice(second);
        Poll::Ready(Ok(count))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        if self.watch.as_ref().is_some_and(|watch| watch.verdict().is_some()) {
            // Nothing more is heard; the task ends the connection.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if self.early.is_empty() {
            ready!(self.stream.poll_read_buf(cx, buffer))?;
        } else {
            let count = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early[..count]);
            self.early.drain(..count);
        }
        let bytes = &buffer.filled()[before..];
        self.moved += bytes.len() as u64;
        if self.first_left != Some(0) {
            note_first_frame(&mut self.first_frame, &mut self.first_left, bytes);
        }
        if let Some(watch) = &mut self.watch {
            watch.look(bytes);
        }
        Poll::Ready(Ok(bytes.len()))
    }
}

/// Finds out when the first frame has come in full: `left` is what is still to come of it, once `start` is its header.
fn note_first_frame(start: &mut Vec<u8>, left: &mut Option<usize>, mut bytes: &[u8]) {
    let Some(left) = left else {
        // RFC 9113 section 4.1.
        let count = bytes.len().min(9 - start.len());
        start.extend_from_slice(&bytes[..count]);
        bytes = &bytes[count..];
        if let [high, middle, low, _, _, _, _, _, _] = start[..] {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            *left = Some(length.saturating_sub(bytes.len()));
        }
        return;
    };
    *left = left.saturating_sub(bytes.len());
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.turn.get() == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let count = ready!(self.0.inner.borrow_mut().poll_read(cx, buffer))?;
        self.0.turn.set(self.0.turn.get().saturating_sub(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.inner.borrow_mut().poll_write(cx, bytes, &[])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.first().map_or(&[][..], |slice| slice);
        let second = slices.get(1).map_or(&[][..], |slice| slice);
        self.0.inner.borrow_mut().poll_write(cx, first, second)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.inner.borrow_mut();
        if inner.last_words.is_empty() {
            let start = inner.collected.len().saturating_sub(LAST_WORDS);
            inner.last_words = inner.collected[start..].to_vec();
        }
        ready!(inner.poll_drain(cx))?;
        inner.stream.poll_shutdown(cx)
    }
}
