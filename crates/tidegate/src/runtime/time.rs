//! Waiting for a time, exactly but not cheaply: a connection's time-outs are in the worker's
//! [wheel](crate::worker::Wheel).

use super::LOCAL;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// When, and a number that tells those of one time apart.
type Key = (Instant, u64);

/// Who waits for a time.
pub struct Sleepers {
    waiting: RefCell<BTreeMap<Key, Waker>>,
    last: Cell<u64>,
}

impl Sleepers {
    /// Nobody.
    pub const fn new() -> Sleepers {
        Sleepers { waiting: RefCell::new(BTreeMap::new()), last: Cell::new(0) }
    }

    /// Nobody any more.
    pub fn clear(&self) {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        drop(waiting);
    }

    /// Wakes those whose time has come; how long the next one has to wait.
    pub fn wake_due(&self) -> Option<Duration> {
        let now = Instant::now();
        loop {
            let mut waiting = self.waiting.borrow_mut();
            let next = waiting.first_entry()?;
            let (due, _) = *next.key();
            if due > now {
                return Some(due - now);
            }
            let waker = next.remove();
            drop(waiting);
            waker.wake();
        }
    }

    /// One more; and whether it is the first of all now.
    fn add(&self, due: Instant, waker: Waker) -> (Key, bool) {
        self.last.set(self.last.get() + 1);
        let key = (due, self.last.get());
        let mut waiting = self.waiting.borrow_mut();
        waiting.insert(key, waker);
        let is_first = waiting.first_key_value().is_some_and(|(first, _)| *first == key);
        (key, is_first)
    }

    fn poll(&self, key: Key, cx: &Context<'_>) -> Poll<()> {
        match self.waiting.borrow_mut().get_mut(&key) {
            Some(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

/// Ready after `duration`.
pub fn sleep(duration: Duration) -> Sleep {
    let now = Instant::now();
    // Longer than anybody waits.
    let due = now.checked_add(duration).unwrap_or_else(|| now + Duration::from_secs(1 << 32));
    Sleep { due, key: None }
}

/// `future`'s output, if it is ready within `duration`.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = sleep(duration);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut sleep).poll(cx).map(|()| None)
    })
    .await
}

/// See [`sleep`].
pub struct Sleep {
    due: Instant,
    key: Option<Key>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        LOCAL.with(|local| match self.key {
            // Who is not there any more was woken.
            Some(key) => local.sleepers.poll(key, cx),
            None => {
                let now = Instant::now();
                if self.due <= now {
                    return Poll::Ready(());
                }
                let (key, is_first) = local.sleepers.add(self.due, cx.waker().clone());
                self.key = Some(key);
                if is_first {
                    local.reactor(|reactor| reactor.ring_in(self.due - now));
                }
                Poll::Pending
            }
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // At a thread's end there is nobody to be woken.
            let _ = LOCAL.try_with(|local| local.sleepers.waiting.borrow_mut().remove(&key));
        }
    }
}
