//! Tasks of one thread: a slab of futures and a queue of those that are ready.

use super::{LOCAL, wake};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

type BoxedFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Which task, of which runtime, as wakers carry it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskId {
    /// The runtime's number.
    pub runtime: u16,
    place: Place,
}

/// A place in the slab, and which of its users.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    index: u32,
    use_of: u16,
}

/// What [`run`](super::run) was called with has no place in the slab.
pub const MAIN: Place = Place { index: u32::MAX, use_of: 0 };

impl Place {
    /// As a task of that runtime.
    pub fn of(self, runtime: u16) -> TaskId {
        TaskId { runtime, place: self }
    }
}

impl TaskId {
    /// As one number.
    pub fn packed(self) -> u64 {
        u64::from(self.runtime) << 48 | u64::from(self.place.use_of) << 32 | u64::from(self.place.index)
    }

    /// The reverse of [`packed`](Self::packed).
    pub fn unpacked(packed: u64) -> TaskId {
        let place = Place { index: packed as u32, use_of: (packed >> 32) as u16 };
        TaskId { runtime: (packed >> 48) as u16, place }
    }
}

struct Slot {
    /// `None` while it runs, and in a free place.
    future: Option<BoxedFuture>,
    is_queued: bool,
    use_of: u16,
}

/// The tasks of a thread.
pub struct Tasks {
    slots: RefCell<Slots>,
    main_is_woken: Cell<bool>,
}

struct Slots {
    slab: Vec<Slot>,
    free: Vec<u32>,
    ready: VecDeque<u32>,
}

impl Tasks {
    /// None.
    pub const fn new() -> Tasks {
        let slots = Slots { slab: Vec::new(), free: Vec::new(), ready: VecDeque::new() };
        Tasks { slots: RefCell::new(slots), main_is_woken: Cell::new(false) }
    }

    fn add(&self, future: BoxedFuture) -> Place {
        let mut slots = self.slots.borrow_mut();
        let index = if let Some(index) = slots.free.pop() {
            let slot = &mut slots.slab[index as usize];
            slot.future = Some(future);
            // A former user's wake may stand in the queue still.
            if !std::mem::replace(&mut slot.is_queued, true) {
                slots.ready.push_back(index);
            }
            index
        } else {
            let index = u32::try_from(slots.slab.len()).unwrap_or(u32::MAX);
            assert!(index < MAIN.index, "there are too many tasks");
            slots.slab.push(Slot { future: Some(future), is_queued: true, use_of: 0 });
            slots.ready.push_back(index);
            index
        };
        Place { index, use_of: slots.slab[index as usize].use_of }
    }

    /// Has the task run soon.
    pub fn wake(&self, TaskId { place, .. }: TaskId) {
        if place == MAIN {
            return self.main_is_woken.set(true);
        }
        let mut slots = self.slots.borrow_mut();
        let Slots { slab, ready, .. } = &mut *slots;
        // After the end of a runtime there may be no such place.
        if let Some(slot) = slab.get_mut(place.index as usize)
            && slot.use_of == place.use_of
            && !slot.is_queued
        {
            slot.is_queued = true;
            ready.push_back(place.index);
        }
    }

    /// Runs what is ready, `most` tasks at most.
    pub fn turn(&self, runtime: u16, most: usize) {
        for _ in 0..most {
            if !self.run_next(runtime) {
                break;
            }
        }
    }

    /// Whether the main future was woken; it is not any more.
    pub fn take_main(&self) -> bool {
        self.main_is_woken.replace(false)
    }

    /// Whether nothing is ready.
    pub fn are_idle(&self) -> bool {
        !self.main_is_woken.get() && self.slots.borrow().ready.is_empty()
    }

    /// Runs the task that has been ready for longest; whether there was one.
    fn run_next(&self, runtime: u16) -> bool {
        let mut slots = self.slots.borrow_mut();
        let Some(index) = slots.ready.pop_front() else { return false };
        let slot = &mut slots.slab[index as usize];
        slot.is_queued = false;
        let use_of = slot.use_of;
        let Some(mut future) = slot.future.take() else { return true };
        drop(slots);
        let waker = wake::waker(Place { index, use_of }.of(runtime));
        let mut cx = Context::from_waker(&waker);
        // What one connection does to its task is not to end the others. The panic was told of by its hook.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
        if matches!(polled, Ok(Poll::Pending)) {
            let mut slots = self.slots.borrow_mut();
            let slot = &mut slots.slab[index as usize];
            if slot.use_of == use_of {
                slot.future = Some(future);
                return true;
            }
            // It was ended while it ran; its drop may look at the slab.
            drop(slots);
            drop_quietly(future);
        } else {
            drop_quietly(future);
            self.slots.borrow_mut().release(Place { index, use_of });
        }
        true
    }

    /// Places that were ever taken at once.
    #[cfg(test)]
    pub fn places(&self) -> usize {
        self.slots.borrow().slab.len()
    }

    /// Ends all.
    pub fn clear(&self) {
        // What is dropped may spawn, and that is dropped too; but not for ever.
        for _ in 0..8 {
            let slab = std::mem::take(&mut self.slots.borrow_mut().slab);
            if slab.is_empty() {
                break;
            }
            self.slots.borrow_mut().free.clear();
            self.slots.borrow_mut().ready.clear();
            slab.into_iter().filter_map(|slot| slot.future).for_each(drop_quietly);
        }
        self.slots.borrow_mut().ready.clear();
        self.main_is_woken.set(false);
    }
}

fn drop_quietly(future: BoxedFuture) {
    // As with a panic of its poll.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
}

impl Slots {
    /// Makes the place free, unless it is somebody else's already.
    fn release(&mut self, place: Place) {
        if let Some(slot) = self.slab.get_mut(place.index as usize)
            && slot.use_of == place.use_of
        {
            slot.use_of = slot.use_of.wrapping_add(1);
            self.free.push(place.index);
        }
    }
}

/// A task that was spawned. It goes on when this is dropped.
#[derive(Debug)]
pub struct Task(Place);

impl Task {
    /// Ends it: it never runs again.
    pub fn abort(self) {
        let future = LOCAL.with(|local| {
            let mut slots = local.tasks.slots.borrow_mut();
            let slot = slots.slab.get_mut(self.0.index as usize)?;
            if slot.use_of != self.0.use_of {
                return None;
            }
            let future = slot.future.take();
            slots.release(self.0);
            future
        });
        drop(future);
    }
}

/// Runs `future` on this thread, beside what runs already. A panic of it ends it alone.
pub fn spawn(future: impl Future<Output = ()> + 'static) -> Task {
    Task(LOCAL.with(|local| local.tasks.add(Box::pin(future))))
}

/// Lets all others that are ready run first.
pub async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
