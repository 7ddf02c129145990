//! A client's connection as frames (RFC 9113): what has come, what is to go, and the streams.
//!
//! The task of the connection reads and writes the socket; the tasks of requests put their answers' frames where they are
//! collected, one after another, and take what came for them. Nothing is queued but frames that are ready for the socket:
//! an answer that has no room waits where it is.

mod flow;
mod frame;
mod receive;
mod streams;
#[cfg(test)]
mod tests;

pub use frame::Code;
pub use receive::{Fault, Opened};
pub use streams::StreamCell;

use super::flood::{Flood, FrameWatch};
use crate::http::stream::Stream;
use http::HeaderMap;
use receive::Block;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use wire::h1::ResponseHead;
use wire::h2::Incoming;
use wire::hpack::{Decoder, Encoder};

/// What a client may send on one stream before it is read.
const STREAM_WINDOW: u32 = 128 * 1024;

/// On all streams together: the most that requests which nobody reads hold in memory.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of frames that are collected for the socket, before those who have more wait.
const COLLECTED_MAX: usize = 64 * 1024;

/// From this much on, nothing is read that would have to be answered.
const CLOGGED: usize = 256 * 1024;

/// Room for frames of other kinds behind those.
const SPARE: usize = 4 * 1024;

/// Storage for frames that a worker keeps, and up to which size.
const STORED_MAX: usize = 16;
const STORED_BYTES_MAX: usize = 128 * 1024;

thread_local! {
    static STORAGE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A shorter piece is not worth a frame, where more is to come.
const PIECE_MIN: usize = 1024;

/// So many requests are told at a time that there is room; with all of them at once it would be taken before the last one
/// had its turn.
const WRITERS_AT_ONCE: usize = 16;

/// Bounds that a listener sets.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// What a list of fields may count.
    pub head_bytes: u32,
    /// Streams at a time.
    pub streams: u32,
}

/// The connection, shared by its task and those of its requests.
#[derive(Clone)]
pub struct Session(Rc<Shared>);

struct Shared {
    state: RefCell<State>,
    /// Requests that are on their way.
    open: Cell<usize>,
}

/// What is known of a connection.
pub struct State {
    socket: Stream,
    bounds: Bounds,
    /// Frames that are to be written, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// Bytes that came in.
    read: u64,
    /// Bytes that went out.
    written: u64,
    /// The socket takes no more, and frames wait for it.
    blocked: bool,
    /// Nothing was read because of them, and nobody waits for the socket to have something.
    clogged: bool,
    watch: FrameWatch,
    /// Read, but not a whole frame yet.
    partial: Vec<u8>,
    greeted: bool,
    settled: bool,
    decoder: Decoder,
    /// The head that came last.
    pub incoming: Incoming,
    block: Option<Block>,
    encoder: Encoder,
    /// By their numbers.
    streams: Vec<Rc<StreamCell>>,
    /// Streams that we have reset though more of them may be on its way; the newest last.
    reset_early: VecDeque<u32>,
    /// Streams that we have reset because of what the client did.
    provoked: usize,
    /// The client's last stream.
    last: u32,
    /// The last stream that is served.
    last_served: u32,
    /// The client has asked nothing more of us, or will not.
    left: bool,
    /// Room for content on all streams, here and at the client.
    flow: flow::Windows,
    /// The task of the connection, and whether it is at work.
    task: Option<Waker>,
    driving: bool,
    /// Requests that have something to write once there is room, by the numbers of their streams.
    writers: BTreeMap<u32, Waker>,
    /// The stream that has written last: those behind it come next.
    served: u32,
}

/// Counts a request on a connection until it is dropped.
pub struct OpenStream(Session);

impl Drop for OpenStream {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.open.set(shared.open.get() - 1);
        if shared.open.get() == 0 {
            shared.state.borrow_mut().wake_task();
        }
    }
}

impl Session {
    /// Over `socket`, of which `early` was read already. Says hello, which waits for nobody.
    pub fn new(socket: Stream, early: Vec<u8>, watch: FrameWatch, bounds: Bounds) -> Session {
        let mut state = State {
            socket,
            bounds,
            out: Vec::new(),
            sent: 0,
            read: 0,
            written: 0,
            blocked: false,
            clogged: false,
            watch,
            partial: early,
            greeted: false,
            settled: false,
            decoder: Decoder::default(),
            incoming: Incoming::default(),
            block: None,
            encoder: Encoder::new(),
            streams: Vec::new(),
            reset_early: VecDeque::new(),
            provoked: 0,
            last: 0,
            last_served: u32::MAX,
            left: false,
            flow: flow::Windows::new(),
            task: None,
            driving: false,
            writers: BTreeMap::new(),
            served: 0,
        };
        frame::put_hello(&mut state.out, bounds);
        Session(Rc::new(Shared { state: RefCell::new(state), open: Cell::new(0) }))
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

    /// What is known of it; not to be held while others have their turn.
    pub fn state(&self) -> RefMut<'_, State> {
        self.0.state.borrow_mut()
    }

    /// Ready with what was read behind what had come before, in `buffer`; with nothing but that, if it is to be looked at now.
    /// `limit` is how much may be read.
    pub fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.state.borrow_mut();
        let state = &mut *state;
        if state.out.len() - state.sent > CLOGGED {
            state.clogged = true;
            return Poll::Pending;
        }
        let kept = state.partial.len();
        if !state.greeted && kept > 0 && state.read == 0 {
            // What was read when the version was found out.
            state.read = kept as u64;
            buffer[..kept].copy_from_slice(&state.partial);
            state.partial.clear();
            return Poll::Ready(Ok(kept));
        }
        let end = buffer.len().min(kept + limit);
        let read = ready!(state.socket.poll_read(cx, &mut buffer[kept..end]))?;
        if read == 0 {
            return Poll::Ready(Ok(0));
        }
        state.read += read as u64;
        buffer[..kept].copy_from_slice(&state.partial);
        state.partial.clear();
        Poll::Ready(Ok(kept + read))
    }

    /// Writes the last frames, says that no more will come, and throws away what the peer still sends, up to `left`
    /// bytes. Ready when the peer has closed too, or has sent too much.
    pub fn poll_part(&self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        let mut state = self.0.state.borrow_mut();
        if ready!(state.poll_write(cx)).is_err() || ready!(state.socket.poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        let mut waste = crate::worker::Buffer::take();
        loop {
            match ready!(state.socket.poll_read(cx, &mut waste)) {
                Ok(read) if read > 0 && read <= *left => *left -= read,
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl State {
    /// The task of the connection begins its turn, and writes when it ends it.
    pub fn begin(&mut self, cx: &mut Context<'_>) {
        self.driving = true;
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
        }
    }

    /// Ready when all collected frames are with the kernel. Ends the turn.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.driving = false;
        let drained = self.poll_write(cx);
        self.blocked = drained.is_pending();
        if !self.blocked && std::mem::take(&mut self.clogged) {
            cx.waker().wake_by_ref();
        }
        if !self.blocked && self.flow.has_room() {
            self.tell_writers(cx);
        }
        drained
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let Poll::Ready(written) = self.socket.poll_write(cx, &self.out[self.sent..], &[]) else {
                // One who reads slowly, so that it never is empty, is not to make it grow.
                if self.sent >= COLLECTED_MAX {
                    self.out.drain(..self.sent);
                    self.sent = 0;
                }
                return Poll::Pending;
            };
            match written? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    self.sent += count;
                    self.written += count as u64;
                }
            }
        }
        self.sent = 0;
        self.give_storage();
        self.socket.poll_flush(cx)
    }

    /// Answers are collected in storage that a worker's connections share: whoever has none to write holds none.
    fn take_storage(&mut self) {
        if self.out.capacity() == 0 {
            // Allocation: only until there are as many as are in use at once.
            let kept = STORAGE.with_borrow_mut(Vec::pop);
            self.out = kept.unwrap_or_else(|| Vec::with_capacity(COLLECTED_MAX + SPARE));
        }
    }

    fn give_storage(&mut self) {
        self.out.clear();
        let used = COLLECTED_MAX..=STORED_BYTES_MAX;
        let out = std::mem::take(&mut self.out);
        if used.contains(&out.capacity()) {
            STORAGE.with_borrow_mut(|kept| {
                if kept.len() < STORED_MAX {
                    kept.push(out);
                }
            });
        }
    }

    fn tell_writers(&mut self, cx: &mut Context<'_>) {
        if self.writers.is_empty() {
            return;
        }
        let mut behind = self.writers.split_off(&(self.served + 1));
        // In turns: whoever is told first writes most.
        let next = || behind.pop_first().or_else(|| self.writers.pop_first());
        std::iter::from_fn(next).take(WRITERS_AT_ONCE).for_each(|(_, waker)| waker.wake());
        self.writers.append(&mut behind);
        if !self.writers.is_empty() {
            // The others have their turn even if these had nothing to write.
            cx.waker().wake_by_ref();
        }
    }

    fn wake_task(&self) {
        if let (false, Some(task)) = (self.driving, &self.task) {
            task.wake_by_ref();
        }
    }

    /// Bytes for which there is room among the collected frames.
    fn room(&self) -> usize {
        if self.blocked { 0 } else { COLLECTED_MAX.saturating_sub(self.out.len() - self.sent) }
    }

    /// Ready while there is room for content, for the request of that stream.
    pub fn poll_room(&mut self, cx: &mut Context<'_>, stream: u32) -> Poll<()> {
        if self.room() >= PIECE_MIN && self.flow.has_room() {
            return Poll::Ready(());
        }
        self.writers.insert(stream, cx.waker().clone());
        Poll::Pending
    }

    /// Makes the close that follows a reset.
    pub fn reset_on_close(&self) {
        self.socket.reset_on_close();
    }

    /// Whether frames wait for a client that does not read.
    pub fn holds_back(&self) -> bool {
        self.sent < self.out.len() || self.socket.holds_back()
    }

    /// Bytes that the client was given until now.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether a preface, or the end of a head that the client has begun, is still to come.
    pub fn is_inside_head(&self) -> bool {
        const HEADS: [u8; 2] = [frame::HEADERS, frame::CONTINUATION];
        self.block.is_some() || self.greeted && self.partial.get(3).is_some_and(|kind| HEADS.contains(kind))
    }

    /// The last stream that the client has begun.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Whether the client's preface and settings have come.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// The first of the client's budgets that was overdrawn.
    pub fn flood(&self) -> Option<Flood> {
        self.watch.verdict()
    }

    /// Says that the connection is about to end, so that the client begins no more requests; and asks for a sign that it has
    /// heard, behind which there are none.
    pub fn leave(&mut self) {
        frame::put_goaway(&mut self.out, frame::STREAM_MAX, Code::NO_ERROR, b"");
        frame::put_ping(&mut self.out, frame::LAST_PING, false);
        self.wake_task();
    }

    /// Whether it has ended for both sides, and the client has taken all, so that nothing but a good-bye is left to say.
    pub fn is_over(&self) -> bool {
        (self.left || self.last_served != u32::MAX) && self.streams.is_empty() && !self.holds_back()
    }

    /// Says that the connection ends, and why; `word` is for people.
    pub fn say_goodbye(&mut self, code: Code, word: &str) {
        let last = self.last.min(self.last_served);
        frame::put_goaway(&mut self.out, last, code, word.as_bytes());
    }

    /// Whatever is not finished is not going to be.
    pub fn close(&mut self) {
        for stream in std::mem::take(&mut self.streams) {
            stream.cut(Code::CANCEL);
        }
        for waker in std::mem::take(&mut self.writers).into_values() {
            waker.wake();
        }
        self.task = None;
    }

    /// Sends an answer's head.
    pub fn send_head(
        &mut self,
        stream: &Rc<StreamCell>,
        head: &ResponseHead,
        text: &[u8],
        lines: &[u8],
        ends: bool,
    ) {
        self.take_storage();
        let State { out, encoder, .. } = self;
        let start = frame::begin_block(out);
        wire::h2::put_response(head, text, lines, encoder, out);
        self.end_block(stream, start, ends);
    }

    /// Sends trailers, behind which there is nothing.
    pub fn send_trailers(&mut self, stream: &Rc<StreamCell>, trailers: &HeaderMap) {
        let State { out, encoder, .. } = self;
        let start = frame::begin_block(out);
        wire::h2::put_trailers(trailers, encoder, out);
        self.end_block(stream, start, true);
    }

    fn end_block(&mut self, stream: &Rc<StreamCell>, start: usize, ends: bool) {
        frame::end_block(&mut self.out, start, stream.id, ends);
        self.wake_task();
        if ends {
            self.ended(stream);
        }
    }

    /// Sends content, as much as there is room for; returns how much that was. With the last of it the end, if it `ends`.
    pub fn send_data(&mut self, stream: &Rc<StreamCell>, first: &[u8], second: &[u8], ends: bool) -> usize {
        self.take_storage();
        let total = first.len() + second.len();
        let mut sent = 0;
        while sent < total || (ends && total == 0) {
            let left = total - sent;
            let room = self.room();
            let count = left.min(room).min(self.flow.room()).min(stream.room()).min(frame::PAYLOAD_MAX);
            // Small pieces are for small windows alone.
            if left > 0 && (count == 0 || count < left && room < PIECE_MIN) {
                break;
            }
            let last = ends && count == left;
            frame::put_header(&mut self.out, count, frame::DATA, u8::from(last), stream.id);
            let of_first = count.min(first.len().saturating_sub(sent));
            let from = sent.saturating_sub(first.len());
            self.out.extend_from_slice(&first[sent.min(first.len())..][..of_first]);
            self.out.extend_from_slice(&second[from..][..count - of_first]);
            self.flow.spend(count);
            stream.spend(count);
            sent += count;
            if last {
                self.ended(stream);
                break;
            }
        }
        if sent > 0 || ends {
            self.served = stream.id;
            self.watch.sent(sent);
            self.wake_task();
        }
        sent
    }

    /// Has the task of the request told when there may be room again.
    pub fn await_room(&mut self, cx: &mut Context<'_>, stream: &StreamCell) {
        stream.register(cx);
        if stream.room() > 0 {
            self.writers.insert(stream.id, cx.waker().clone());
        }
    }

    /// The last of an answer was sent.
    fn ended(&mut self, stream: &Rc<StreamCell>) {
        if stream.end_local() {
            self.forget(stream.id);
        }
    }

    /// Gives room for what was taken of a body.
    pub fn release(&mut self, stream: &StreamCell, bytes: usize) {
        let stream_update = stream.release(bytes);
        if stream_update > 0 {
            frame::put_window_update(&mut self.out, stream.id, stream_update);
            self.wake_task();
        }
        self.release_connection(bytes);
    }

    fn release_connection(&mut self, bytes: usize) {
        let update = self.flow.release(bytes);
        if update > 0 {
            frame::put_window_update(&mut self.out, 0, update);
            self.wake_task();
        }
    }

    /// The request is not looked after any more. What is not finished is cut so that it shows; an answer that is finished is
    /// one, though the rest of the request is not wanted.
    pub fn drop_stream(&mut self, stream: &Rc<StreamCell>) {
        let code = if stream.is_local_ended() { Code::NO_ERROR } else { Code::INTERNAL_ERROR };
        self.writers.remove(&stream.id);
        if self.find(stream.id).is_some() {
            self.reset(stream.id, code);
        } else {
            // It has ended on both sides, yet nobody has taken all of it.
            let untaken = stream.cut(code);
            self.release_connection(untaken);
        }
    }
}
