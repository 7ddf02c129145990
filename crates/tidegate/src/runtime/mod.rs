//! The workers' runtime: one thread, its tasks, its sockets and its time.
//!
//! It does what a general runtime does and no more, for a thread that shares nothing: tasks without atomics, a queue of
//! those that are ready, edge-triggered epoll, and time from one timer. Sockets speak tokio's traits for reading and
//! writing, so that what is built on those (HTTP/2, TLS) works here too; channels that belong to no runtime
//! (`tokio::sync`) wake tasks here from any thread.
//!
//! Everything of it is found through the thread, so [`spawn`], [`sleep()`] and sockets can be used inside of [`run`] only.

mod net;
mod reactor;
mod receive;
mod tasks;
mod time;
mod wake;

pub use net::{TcpListener, TcpStream};
pub use tasks::{Task, spawn, yield_now};
pub use time::{Sleep, sleep, timeout};

use reactor::Reactor;
use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use tasks::Tasks;
use time::Sleepers;

/// After this many tasks the sockets have their turn, though others are ready still.
pub const TASKS_PER_TURN: usize = 64;

thread_local! {
    static LOCAL: Local = const {
        Local { tasks: Tasks::new(), sleepers: Sleepers::new(), reactor: RefCell::new(None) }
    };
}

/// What a thread has of it.
struct Local {
    tasks: Tasks,
    sleepers: Sleepers,
    /// `None` outside of [`run`].
    reactor: RefCell<Option<Reactor>>,
}

impl Local {
    /// Calls `f` with the thread's reactor.
    ///
    /// # Panics
    /// Outside of [`run`]; then nothing that needs a reactor can be there.
    fn reactor<T>(&self, f: impl FnOnce(&mut Reactor) -> T) -> T {
        f(self.reactor.borrow_mut().as_mut().expect("sockets and time are used on a thread that runs `run`"))
    }
}

/// Runs `main` on this thread until it is ready, and meanwhile all that it spawns. What is left then is dropped.
///
/// # Errors
/// When the kernel has no epoll or no timer for us.
///
/// # Panics
/// When called inside of itself.
pub fn run<F: Future>(main: F) -> io::Result<F::Output> {
    let reactor = Reactor::new()?;
    let id = reactor.id();
    LOCAL.with(|local| {
        let before = local.reactor.replace(Some(reactor));
        assert!(before.is_none(), "a thread has one runtime at a time");
    });
    let _end = End;
    let mut main = pin!(main);
    let waker = wake::waker(tasks::MAIN.of(id));
    let mut main_is_ready = true;
    loop {
        if main_is_ready && let Poll::Ready(output) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Ok(output);
        }
        main_is_ready = LOCAL.with(|local| {
            local.tasks.turn(id, TASKS_PER_TURN);
            Reactor::wait(local, local.tasks.are_idle())?;
            io::Result::Ok(local.tasks.take_main())
        })?;
    }
}

/// Leaves the thread as it was, also when `main` panics.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            local.tasks.clear();
            local.sleepers.clear();
            local.reactor.replace(None);
        });
    }
}

#[cfg(test)]
mod tests;
