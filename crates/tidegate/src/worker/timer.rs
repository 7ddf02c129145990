//! Coarse time-outs: one lazily re-armed entry per connection in a wheel per worker.
//!
//! A runtime timer costs about a thousand instructions each time it is set; here moving a deadline further
//! away is one store, which is what happens on nearly every read. The price is the resolution of [`TICK`]:
//! a time-out fires up to one tick late, never early.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The wheel's resolution.
pub const TICK: Duration = Duration::from_millis(50);

/// Number of slots; entries further away than this many ticks (25 s) are looked at once a round.
const SLOTS: usize = 512;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// One worker's time-outs.
pub struct Wheel {
    start: Instant,
    /// The tick that was handled last.
    now: Cell<u64>,
    /// Number of timers alive.
    alive: Cell<usize>,
    entries: RefCell<Entries>,
}

#[derive(Default)]
struct Entries {
    slab: Vec<Entry>,
    free: Vec<u32>,
    slots: Vec<Vec<Slot>>,
}

struct Entry {
    /// The tick at which it is due.
    deadline: u64,
    /// The tick under which it stands in a slot; [`NEVER`] when it stands in none.
    queued: u64,
    /// The tick that was handled last when the deadline was set, as far as 32 bits go.
    armed: u32,
    /// Tells this use of the place in the slab from an earlier one.
    generation: u32,
    waker: Option<Waker>,
}

#[derive(Clone, Copy)]
struct Slot {
    index: u32,
    generation: u32,
    due: u64,
}

impl Wheel {
    /// An empty wheel, whose time starts now.
    pub fn new() -> Rc<Wheel> {
        let slots = (0..SLOTS).map(|_| Vec::new()).collect();
        Rc::new(Wheel {
            start: Instant::now(),
            now: Cell::new(0),
            alive: Cell::new(0),
            entries: RefCell::new(Entries { slots, ..Entries::default() }),
        })
    }

    /// A timer without a deadline.
    pub fn timer(self: &Rc<Wheel>) -> Timer {
        self.alive.set(self.alive.get() + 1);
        let mut entries = self.entries.borrow_mut();
        let index = if let Some(index) = entries.free.pop() {
            index
        } else {
            entries.slab.push(Entry { deadline: NEVER, armed: 0, queued: NEVER, generation: 0, waker: None });
            u32::try_from(entries.slab.len() - 1).expect("fewer connections than descriptors exist")
        };
        Timer { wheel: Rc::clone(self), index }
    }

    /// Moves time on to the present and wakes what is due. To be called once a [`TICK`].
    pub fn advance(&self) {
        let target = ticks(self.start.elapsed());
        let mut entries = self.entries.borrow_mut();
        let entries = &mut *entries;
        // What was set during a stall was set by a clock that stood still: without this it would be due too early.
        let stall = target.saturating_sub(self.now.get() + 1);
        if stall > 1 {
            let now = self.now.get();
            for entry in
                entries.slab.iter_mut().filter(|entry| entry.armed == now as u32 && entry.deadline != NEVER)
            {
                entry.deadline = entry.deadline.saturating_add(stall).min(NEVER - 1);
            }
        }
        // After a long stall each slot still needs only one visit.
        let first = (self.now.get() + 1).max(target.saturating_sub(SLOTS as u64 - 1));
        self.now.set(target);
        for tick in first..=target {
            let mut slot = std::mem::take(&mut entries.slots[tick as usize % SLOTS]);
            for queued in slot.drain(..) {
                let entry = &mut entries.slab[queued.index as usize];
                if entry.generation != queued.generation || entry.queued != queued.due {
                    continue; // a former user of this place, or queued again under an earlier tick
                }
                entry.queued = NEVER;
                if entry.deadline <= target {
                    if let Some(waker) = &entry.waker {
                        waker.wake_by_ref();
                    }
                } else if entry.deadline != NEVER {
                    let deadline = entry.deadline;
                    entries.queue(queued.index, deadline, target);
                }
            }
            // Keep the storage; an entry that went into this very slot again is kept too.
            let place = &mut entries.slots[tick as usize % SLOTS];
            slot.append(place);
            *place = slot;
        }
    }

    /// Wakes every timer's task, due or not: the worker has something to say to all (drain, stop).
    pub fn wake_all(&self) {
        for entry in &self.entries.borrow().slab {
            if let Some(waker) = &entry.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// The present tick.
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// Number of timers alive, which is the number of connections.
    pub fn alive(&self) -> usize {
        self.alive.get()
    }
}

impl Entries {
    fn queue(&mut self, index: u32, deadline: u64, now: u64) {
        let due = deadline.clamp(now + 1, now + SLOTS as u64 - 1);
        let entry = &mut self.slab[index as usize];
        entry.queued = due;
        self.slots[due as usize % SLOTS].push(Slot { index, generation: entry.generation, due });
    }
}

fn ticks(duration: Duration) -> u64 {
    (duration.as_nanos() / TICK.as_nanos()) as u64
}

/// One connection's time-out.
pub struct Timer {
    wheel: Rc<Wheel>,
    index: u32,
}

impl Timer {
    /// Due after `duration` from now, whatever was set before.
    pub fn arm(&self, duration: Duration) {
        let now = self.wheel.now.get();
        // One tick for the part of the present one that is over, one for the rounding.
        let deadline = now + ticks(duration).saturating_add(2).min(NEVER >> 1);
        let mut entries = self.wheel.entries.borrow_mut();
        let entry = &mut entries.slab[self.index as usize];
        entry.deadline = deadline;
        entry.armed = now as u32;
        if entry.queued > deadline {
            entries.queue(self.index, deadline, now);
        }
    }

    /// Ready when due; otherwise the task is woken when it will be (or by [`Wheel::wake_all`]).
    pub fn poll_due(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut entries = self.wheel.entries.borrow_mut();
        let entry = &mut entries.slab[self.index as usize];
        if entry.deadline <= self.wheel.now.get() {
            return Poll::Ready(());
        }
        match &entry.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => entry.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.wheel.alive.set(self.wheel.alive.get() - 1);
        let mut entries = self.wheel.entries.borrow_mut();
        let entry = &mut entries.slab[self.index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.deadline = NEVER;
        entry.queued = NEVER;
        entry.waker = None;
        entries.free.push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Moves the wheel's time by hand.
    fn pass(wheel: &mut Rc<Wheel>, by: Duration) {
        let inner = Rc::get_mut(wheel);
        match inner {
            Some(inner) => inner.start -= by,
            None => panic!("no timer may be alive while time is moved in this test"),
        }
        wheel.advance();
    }

    #[test]
    fn wakes_once_due_and_not_before() {
        let wheel = Wheel::new();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let timer = wheel.timer();
        timer.arm(TICK * 2);
        assert!(timer.poll_due(&mut cx).is_pending());
        wheel.advance();
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        for _ in 0..6 {
            std::thread::sleep(TICK);
            wheel.advance();
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(timer.poll_due(&mut cx).is_ready());
        timer.arm(TICK * 1000);
        assert!(timer.poll_due(&mut cx).is_pending());
    }

    #[test]
    fn what_is_set_at_the_end_of_a_stall_is_not_due_at_once() {
        let wheel = Wheel::new();
        let mut cx = Context::from_waker(Waker::noop());
        let timer = wheel.timer();
        // The worker was busy for long, and only then a request set its time.
        std::thread::sleep(TICK * 6);
        timer.arm(TICK * 3);
        wheel.advance();
        assert!(timer.poll_due(&mut cx).is_pending());
    }

    #[test]
    fn places_are_used_again() {
        let mut wheel = Wheel::new();
        for _ in 0..1000 {
            let timer = wheel.timer();
            timer.arm(Duration::from_secs(3600));
        }
        assert_eq!(wheel.alive(), 0);
        assert_eq!(wheel.entries.borrow().slab.len(), 1);
        pass(&mut wheel, Duration::from_secs(60));
        assert!(wheel.entries.borrow().slots.iter().all(Vec::is_empty));
    }
}
