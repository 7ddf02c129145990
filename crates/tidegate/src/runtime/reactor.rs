//! What the kernel says: epoll, edge-triggered, for sockets, the timer and the bell of other threads.

use super::Local;
use super::wake::Registered;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Events taken in one go.
const EVENTS: usize = 256;

/// What is no socket: the timer, and the bell.
const TIMER: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;

/// A socket that the kernel has not been asked about yet.
const UNKNOWN: u32 = u32::MAX;

/// What a socket may be ready for, or has come to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Readiness(u8);

impl Readiness {
    /// Bytes, a connection, or an end can be taken.
    pub const READ: Readiness = Readiness(1);
    /// Bytes can be given.
    pub const WRITE: Readiness = Readiness(2);
    /// Nothing comes any more: stays so, though what was before the end was read.
    const ENDED: Readiness = Readiness(4);

    fn of(flags: EventFlags) -> Readiness {
        let mut bits = 0;
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP) {
            bits |= Readiness::READ.0;
        }
        if flags.intersects(EventFlags::OUT) {
            bits |= Readiness::WRITE.0;
        }
        if flags.intersects(EventFlags::RDHUP) {
            bits |= Readiness::ENDED.0;
        }
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            bits |= Readiness::READ.0 | Readiness::WRITE.0 | Readiness::ENDED.0;
        }
        Readiness(bits)
    }
}

/// What is known of a socket, and who waits for news of it. Not more than that: most sockets are idle.
pub struct Source {
    ready: Cell<u8>,
    /// Its place among all; the kernel is asked only when somebody has to wait.
    index: Cell<u32>,
    reader: Waiting,
    writer: Waiting,
}

/// Who waits for one direction.
#[derive(Default)]
struct Waiting(Cell<Option<Waker>>);

impl Waiting {
    fn set(&self, cx: &Context<'_>) {
        // A copy, as a rule of a number.
        self.0.set(Some(cx.waker().clone()));
    }

    fn wake(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

impl Source {
    /// Of a socket that may be ready for all: one that was not tried yet.
    pub fn new() -> Rc<Source> {
        Rc::new(Source {
            ready: Cell::new(Readiness::READ.0 | Readiness::WRITE.0),
            index: Cell::new(UNKNOWN),
            reader: Waiting::default(),
            writer: Waiting::default(),
        })
    }

    /// Whether an attempt may succeed.
    pub fn is(&self, wanted: Readiness) -> bool {
        let ended = if wanted == Readiness::READ { Readiness::ENDED.0 } else { 0 };
        self.ready.get() & (wanted.0 | ended) != 0
    }

    /// An attempt has shown that it is not ready. The kernel says when it is again.
    pub fn is_not(&self, wanted: Readiness) {
        self.ready.set(self.ready.get() & !wanted.0);
    }

    /// Has the task woken when it is ready, which it is not.
    ///
    /// # Errors
    /// When the kernel does not want to watch it.
    pub fn wait(
        self: &Rc<Self>,
        socket: &impl AsFd,
        wanted: Readiness,
        cx: &Context<'_>,
    ) -> io::Result<Poll<()>> {
        let waiting = if wanted == Readiness::READ { &self.reader } else { &self.writer };
        waiting.set(cx);
        if self.index.get() == UNKNOWN {
            super::LOCAL.with(|local| local.reactor(|reactor| reactor.watch(socket, self)))?;
        }
        Ok(Poll::Pending)
    }

    /// Forgets it; whether the kernel watches the socket, which ends with the socket's descriptor.
    pub fn forget(&self) -> bool {
        let index = self.index.replace(UNKNOWN);
        if index == UNKNOWN {
            return false;
        }
        // After the end of a runtime all are forgotten.
        let _ = super::LOCAL.try_with(|local| {
            if let Ok(mut reactor) = local.reactor.try_borrow_mut()
                && let Some(reactor) = &mut *reactor
            {
                reactor.sources[index as usize] = None;
                reactor.free.push(index);
            }
        });
        true
    }

    fn note(&self, flags: EventFlags) {
        let now = Readiness::of(flags);
        self.ready.set(self.ready.get() | now.0);
        if now.0 & (Readiness::READ.0 | Readiness::ENDED.0) != 0 {
            self.reader.wake();
        }
        if now.0 & Readiness::WRITE.0 != 0 {
            self.writer.wake();
        }
    }
}

/// One thread's.
pub struct Reactor {
    epoll: OwnedFd,
    timer: OwnedFd,
    registered: Registered,
    sources: Vec<Option<Rc<Source>>>,
    free: Vec<u32>,
    events: Vec<Event>,
}

impl Reactor {
    /// Without a socket.
    ///
    /// # Errors
    /// When the kernel has no descriptor for us.
    pub fn new() -> io::Result<Reactor> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let registered = Registered::new()?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        epoll::add(&epoll, registered.remote.bell(), EventData::new_u64(BELL), EventFlags::IN)?;
        let events = Vec::with_capacity(EVENTS);
        Ok(Reactor { epoll, timer, registered, sources: Vec::new(), free: Vec::new(), events })
    }

    /// The runtime's number.
    pub fn id(&self) -> u16 {
        self.registered.id
    }

    fn watch(&mut self, socket: &impl AsFd, source: &Rc<Source>) -> io::Result<()> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.sources.push(None);
                u32::try_from(self.sources.len() - 1).map_err(io::Error::other)?
            }
        };
        let all = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if let Err(error) = epoll::add(&self.epoll, socket, EventData::new_u64(u64::from(index)), all) {
            self.free.push(index);
            return Err(error.into());
        }
        self.sources[index as usize] = Some(Rc::clone(source));
        source.index.set(index);
        Ok(())
    }

    /// Places that were ever taken at once.
    #[cfg(test)]
    pub fn places(&self) -> usize {
        self.sources.len()
    }

    /// Has the kernel forget a socket that lives on.
    pub fn unwatch(&self, socket: &impl AsFd) {
        // Where it fails the kernel does not know it.
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// Has the timer ring.
    pub fn ring_in(&self, duration: Duration) {
        // Zero would stop it.
        let duration = duration.max(Duration::from_nanos(1));
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(duration.subsec_nanos()),
            },
        };
        if let Err(error) = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once) {
            tracing::error!(%error, "a worker's timer cannot be set");
        }
    }

    /// Takes what the kernel has to say, and wakes whom it concerns; waits for it where `is_idle`.
    ///
    /// # Errors
    /// When the kernel refuses to say anything.
    pub fn wait(local: &Local, is_idle: bool) -> io::Result<()> {
        let at_once = Timespec::default();
        let timeout = if is_idle { None } else { Some(&at_once) };
        let mut events = local.reactor(|reactor| {
            let mut events = std::mem::take(&mut reactor.events);
            events.clear();
            match epoll::wait(&reactor.epoll, spare_capacity(&mut events), timeout) {
                Ok(_) | Err(rustix::io::Errno::INTR) => Ok(events),
                Err(error) => Err(io::Error::from(error)),
            }
        })?;
        for event in &events {
            let (data, flags) = (event.data.u64(), event.flags);
            match data {
                TIMER => {
                    let _ = local.reactor(|reactor| rustix::io::read(&reactor.timer, &mut [0; 8]));
                    if let Some(next) = local.sleepers.wake_due() {
                        local.reactor(|reactor| reactor.ring_in(next));
                    }
                }
                BELL => {
                    let woken = local.reactor(|reactor| reactor.registered.remote.take());
                    woken.into_iter().for_each(|task| local.tasks.wake(task));
                }
                index => {
                    // One that was closed while this event was under way has no place any more, or a new user of it
                    // tries once in vain.
                    let source = local.reactor(|reactor| reactor.sources[index as usize].clone());
                    if let Some(source) = source {
                        source.note(flags);
                    }
                }
            }
        }
        local.reactor(|reactor| reactor.events = std::mem::take(&mut events));
        Ok(())
    }
}
