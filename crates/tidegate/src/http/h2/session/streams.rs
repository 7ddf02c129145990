//! One stream, and those that there are.

use super::flow::{Receiving, Windows};
use super::frame::{Code, WINDOW_MAX, put_reset};
use super::{State, StreamCell as Cell};
use http::HeaderMap;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

/// Streams whose rest is ignored, of those that we have reset early.
const RESET_EARLY_MAX: usize = 256;

/// Content that nobody has taken keeps its storage up to this size.
const KEPT_MAX: usize = 1024;

/// A stream, as its request and the connection see it.
pub struct StreamCell {
    /// Its number.
    pub id: u32,
    inner: RefCell<Inner>,
}

struct Inner {
    /// What we may send.
    send: i64,
    receive: Receiving,
    /// Content that has come and was not taken.
    body: VecDeque<u8>,
    /// What is still to come, where it was said.
    length_left: Option<u64>,
    trailers: Option<HeaderMap>,
    remote_ended: bool,
    local_ended: bool,
    /// Why it was cut, by whomever.
    cut: Option<Code>,
    /// The request's task.
    waker: Option<Waker>,
}

impl StreamCell {
    /// A new one, on which so much may be sent; `length_left` is what the head says of the body.
    pub fn new(id: u32, send: i64, length_left: Option<u64>, has_body: bool) -> Rc<StreamCell> {
        let inner = Inner {
            send,
            receive: Windows::of_stream(),
            body: VecDeque::new(),
            length_left,
            trailers: None,
            remote_ended: !has_body,
            local_ended: false,
            cut: None,
            waker: None,
        };
        // Allocation: one a request, for what it shares with its connection.
        Rc::new(StreamCell { id, inner: RefCell::new(inner) })
    }

    /// Has the task told of whatever happens.
    pub fn register(&self, cx: &mut Context<'_>) {
        let waker = &mut self.inner.borrow_mut().waker;
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Why it was cut.
    pub fn cut_code(&self) -> Option<Code> {
        self.inner.borrow().cut
    }

    /// Whether content is there.
    pub fn has_body(&self) -> bool {
        !self.inner.borrow().body.is_empty()
    }

    /// Whether no more content will come.
    pub fn is_remote_ended(&self) -> bool {
        self.inner.borrow().remote_ended
    }

    /// The trailers, once.
    pub fn take_trailers(&self) -> Option<HeaderMap> {
        self.inner.borrow_mut().trailers.take()
    }

    /// How much content is there.
    pub fn body_bytes(&self) -> usize {
        self.inner.borrow().body.len()
    }

    /// Moves content to `place`, as much as it has room for; returns how much.
    pub fn take(&self, place: &mut [u8]) -> usize {
        let body = &mut self.inner.borrow_mut().body;
        let count = place.len().min(body.len());
        let (first, second) = body.as_slices();
        let of_first = count.min(first.len());
        place[..of_first].copy_from_slice(&first[..of_first]);
        place[of_first..count].copy_from_slice(&second[..count - of_first]);
        body.drain(..count);
        if body.is_empty() && body.capacity() > KEPT_MAX {
            *body = VecDeque::new();
        }
        count
    }

    pub(super) fn room(&self) -> usize {
        self.inner.borrow().send.max(0) as usize
    }

    pub(super) fn spend(&self, bytes: usize) {
        self.inner.borrow_mut().send -= bytes as i64;
    }

    /// The client takes more, or less; `false` where that is more than a window can be.
    pub(super) fn open(&self, bytes: i64) -> bool {
        let mut inner = self.inner.borrow_mut();
        inner.send += bytes;
        if bytes > 0 {
            inner.wake();
        }
        inner.send <= WINDOW_MAX
    }

    /// See [`Receiving::release`].
    pub(super) fn release(&self, bytes: usize) -> u32 {
        let mut inner = self.inner.borrow_mut();
        // Nobody needs a window for what will not come.
        if inner.remote_ended || inner.cut.is_some() { 0 } else { inner.receive.release(bytes) }
    }

    /// Whether the answer's end was sent.
    pub fn is_local_ended(&self) -> bool {
        self.inner.borrow().local_ended
    }

    /// The answer's end was sent; whether nothing is left of the stream.
    pub(super) fn end_local(&self) -> bool {
        let mut inner = self.inner.borrow_mut();
        inner.local_ended = true;
        inner.remote_ended
    }

    /// The request's end has come; `None` where its content is shorter than was said, else whether nothing is left of the
    /// stream.
    pub(super) fn end_remote(&self, trailers: Option<HeaderMap>) -> Option<bool> {
        let mut inner = self.inner.borrow_mut();
        if inner.length_left.is_some_and(|left| left > 0) {
            return None;
        }
        inner.remote_ended = true;
        inner.trailers = trailers;
        inner.wake();
        Some(inner.local_ended)
    }

    /// Content has come, in a frame of so many bytes.
    pub(super) fn receive(&self, data: &[u8], frame: usize) -> Result<(), Code> {
        let mut inner = self.inner.borrow_mut();
        if !inner.receive.spend(frame) {
            return Err(Code::FLOW_CONTROL_ERROR);
        }
        if let Some(left) = &mut inner.length_left {
            *left = left.checked_sub(data.len() as u64).ok_or(Code::PROTOCOL_ERROR)?;
        }
        if !data.is_empty() {
            inner.body.extend(data);
            inner.wake();
        }
        Ok(())
    }

    /// Nothing more will come or go; returns how much content nobody has taken.
    pub(super) fn cut(&self, code: Code) -> usize {
        let mut inner = self.inner.borrow_mut();
        inner.cut = Some(code);
        inner.wake();
        std::mem::take(&mut inner.body).len()
    }
}

impl Inner {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

impl State {
    /// The stream of that number, while it is not closed.
    pub(super) fn find(&self, id: u32) -> Option<&Rc<Cell>> {
        let at = self.streams.binary_search_by_key(&id, |stream| stream.id).ok()?;
        self.streams.get(at)
    }

    /// Adds a stream, whose number is higher than those of all others.
    pub fn open(&mut self, id: u32, length_left: Option<u64>, has_body: bool) -> Rc<Cell> {
        let stream = StreamCell::new(id, self.flow.stream, length_left, has_body);
        self.streams.push(Rc::clone(&stream));
        stream
    }

    /// The streams that there are.
    pub(super) fn each(&self) -> impl Iterator<Item = &Rc<Cell>> {
        self.streams.iter()
    }

    /// Removes a stream that is closed.
    pub(super) fn forget(&mut self, id: u32) -> Option<Rc<Cell>> {
        let at = self.streams.binary_search_by_key(&id, |stream| stream.id).ok()?;
        Some(self.streams.remove(at))
    }

    /// Resets a stream. What is still on its way is ignored.
    pub(super) fn reset(&mut self, id: u32, code: Code) {
        put_reset(&mut self.out, id, code);
        self.wake_task();
        let stream = self.forget(id);
        if !stream.as_ref().is_some_and(|stream| stream.is_remote_ended()) {
            if self.reset_early.len() == RESET_EARLY_MAX {
                self.reset_early.pop_front();
            }
            self.reset_early.push_back(id);
        }
        if let Some(stream) = stream {
            let untaken = stream.cut(code);
            self.release_connection(untaken);
        }
    }

    /// The client has reset a stream.
    pub(super) fn was_reset(&mut self, id: u32, code: Code) {
        if let Some(stream) = self.forget(id) {
            let untaken = stream.cut(code);
            self.release_connection(untaken);
        }
    }
}
