//! Wakers that are a number: which runtime, which task.
//!
//! A waker owns nothing, so that copying and dropping it costs nothing and no count is kept. One that outlives its task
//! wakes nobody, or in rare cases another task that has its place now, which looks round once and sleeps on.
#![allow(unsafe_code, reason = "a waker that is a number can only be made of its table of functions")]

use super::LOCAL;
use super::tasks::TaskId;
use rustix::event::{EventfdFlags, eventfd};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::without_provenance;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{RawWaker, RawWakerVTable, Waker};

const _: () = assert!(usize::BITS >= 64, "a waker's number has 64 bits");

static FUNCTIONS: RawWakerVTable = RawWakerVTable::new(copy, wake, wake, |_| {});

thread_local! {
    /// The runtime of this thread; 0 where there is none.
    static HERE: Cell<u16> = const { Cell::new(0) };
}

/// All runtimes of this process, by their numbers: for wakers that are used on another thread.
static ELSEWHERE: Mutex<BTreeMap<u16, Arc<Remote>>> = Mutex::new(BTreeMap::new());

/// A waker of that task.
pub fn waker(task: TaskId) -> Waker {
    // SAFETY: the functions never follow the pointer, which is a number. So whatever thread calls them, in whatever
    // order, they touch only thread-locals and `ELSEWHERE`, whose accesses are synchronised. The contract of `RawWaker`
    // asks for no more than that: `copy` gives a waker of the same task, there is nothing to release.
    unsafe { Waker::from_raw(raw(task.packed())) }
}

fn raw(packed: u64) -> RawWaker {
    RawWaker::new(without_provenance(packed as usize), &FUNCTIONS)
}

fn copy(packed: *const ()) -> RawWaker {
    RawWaker::new(packed, &FUNCTIONS)
}

fn wake(packed: *const ()) {
    let task = TaskId::unpacked(packed.addr() as u64);
    // At a thread's end its tasks are gone already.
    let is_here = HERE.try_with(|here| here.get() == task.runtime).unwrap_or(false);
    if is_here {
        let _ = LOCAL.try_with(|local| local.tasks.wake(task));
    } else {
        wake_elsewhere(task);
    }
}

#[cold]
fn wake_elsewhere(task: TaskId) {
    let remotes = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(remote) = remotes.get(&task.runtime).cloned() {
        drop(remotes);
        remote.wake(task);
    }
}

/// What other threads know of a runtime.
pub struct Remote {
    woken: Mutex<Vec<TaskId>>,
    /// Becomes readable with the first one.
    bell: OwnedFd,
}

impl Remote {
    fn wake(&self, task: TaskId) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        woken.push(task);
        if woken.len() == 1 {
            // It cannot be full: it is emptied before `woken` is.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// What readability says that there is something in [`take`](Self::take).
    pub fn bell(&self) -> &OwnedFd {
        &self.bell
    }

    /// The tasks that others have woken.
    pub fn take(&self) -> Vec<TaskId> {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A runtime's number, under which its wakers find it; its thread's until it is dropped.
pub struct Registered {
    /// The number.
    pub id: u16,
    /// The other threads' side.
    pub remote: Arc<Remote>,
}

impl Registered {
    /// Takes the smallest number that is free.
    ///
    /// # Errors
    /// When the kernel has no eventfd for us, or there are 65,535 runtimes already.
    pub fn new() -> io::Result<Registered> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let remote = Arc::new(Remote { woken: Mutex::default(), bell });
        let mut remotes = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
        let id = (1..=u16::MAX).find(|id| !remotes.contains_key(id));
        let id = id.ok_or_else(|| io::Error::other("there are too many runtimes"))?;
        remotes.insert(id, Arc::clone(&remote));
        HERE.set(id);
        Ok(Registered { id, remote })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        let _ = HERE.try_with(|here| here.set(0));
    }
}
