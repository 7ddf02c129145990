#![allow(clippy::unwrap_used)]

use super::*;
use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Waker;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(20);

/// A listener on loopback, and where it is.
fn listener() -> (TcpListener, SocketAddr) {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    (TcpListener::new(OwnedFd::from(socket)), address)
}

async fn receive(stream: &TcpStream, room: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; room];
    let count = poll_fn(|cx| stream.poll_receive(cx, &mut buffer)).await?;
    buffer.truncate(count);
    Ok(buffer)
}

#[test]
fn tasks_run_in_turns_beside_main() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let seen = run(async {
        for name in ["a", "b"] {
            let order = Rc::clone(&order);
            spawn(async move {
                for turn in 0..2 {
                    order.borrow_mut().push((name, turn));
                    yield_now().await;
                }
            });
        }
        for _ in 0..4 {
            yield_now().await;
        }
        order.borrow().clone()
    });
    assert_eq!(seen.unwrap(), [("a", 0), ("b", 0), ("a", 1), ("b", 1)]);
}

#[test]
fn a_panic_ends_its_task_alone() {
    let lives_on = run(async {
        spawn(async { panic!("meant to") });
        let lives_on = Rc::new(Cell::new(false));
        let seen = Rc::clone(&lives_on);
        spawn(async move { seen.set(true) });
        sleep(SHORT).await;
        lives_on.get()
    });
    assert!(lives_on.unwrap());
}

#[test]
fn what_is_ended_is_dropped_and_never_runs_again() {
    struct Dropped(Rc<Cell<u32>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            // A drop may spawn, even at the very end.
            spawn(async {});
        }
    }
    let drops = Rc::new(Cell::new(0));
    let token = Dropped(Rc::clone(&drops));
    let left = Dropped(Rc::clone(&drops));
    run(async {
        let task = spawn(async move {
            let _token = token;
            sleep(LONG).await;
        });
        yield_now().await;
        assert_eq!(drops.get(), 0);
        task.abort();
        assert_eq!(drops.get(), 1);
        // Its place has a new user, whom a late abort or wake of the former one does not concern.
        spawn(async move {
            let _left = left;
            sleep(LONG).await;
        });
        yield_now().await;
    })
    .unwrap();
    assert_eq!(drops.get(), 2, "what is left at the end is dropped too");
}

#[test]
fn a_waker_that_outlives_its_task_wakes_nobody() {
    let polls = Rc::new(Cell::new(0));
    let waker = run(async {
        let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
        let keep = Rc::clone(&kept);
        spawn(poll_fn(move |cx| {
            *keep.borrow_mut() = Some(cx.waker().clone());
            Poll::Ready(())
        }));
        yield_now().await;
        let counted = Rc::clone(&polls);
        spawn(poll_fn(move |_| {
            counted.set(counted.get() + 1);
            Poll::Pending
        }));
        yield_now().await;
        let waker = kept.take().unwrap();
        waker.wake_by_ref();
        yield_now().await;
        waker
    });
    assert_eq!(polls.get(), 1);
    // Nor when there is no runtime any more.
    waker.unwrap().wake();
}

#[test]
fn other_threads_wake_tasks() {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let (started, waits) = mpsc::sync_channel(1);
    let other = std::thread::spawn(move || {
        waits.recv().unwrap();
        for number in 0..1000 {
            sender.blocking_send(number).unwrap();
        }
    });
    let sum = run(async {
        started.send(()).unwrap();
        let mut sum = 0;
        while let Some(number) = receiver.recv().await {
            sum += number;
        }
        sum
    });
    assert_eq!(sum.unwrap(), 499_500);
    other.join().unwrap();
}

#[test]
fn sleepers_wake_in_the_order_of_their_times() {
    let order = Rc::new(RefCell::new(Vec::new()));
    run(async {
        let begin = Instant::now();
        for times in [3, 1, 2] {
            let order = Rc::clone(&order);
            spawn(async move {
                sleep(SHORT * times).await;
                assert!(begin.elapsed() >= SHORT * times);
                order.borrow_mut().push(times);
            });
        }
        sleep(Duration::ZERO).await;
        assert_eq!(timeout(SHORT, sleep(LONG)).await, None);
        assert_eq!(timeout(LONG, async { 5 }).await, Some(5));
        sleep(SHORT * 4).await;
        assert!(LOCAL.with(|local| local.sleepers.wake_due()).is_none(), "who was dropped waits no more");
    })
    .unwrap();
    assert_eq!(*order.borrow(), [1, 2, 3]);
}

#[test]
fn a_task_that_is_always_ready_does_not_keep_sockets_waiting() {
    run(async {
        let (listener, address) = listener();
        let client = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"x").unwrap();
        });
        let busy = spawn(async {
            loop {
                yield_now().await;
            }
        });
        let (stream, _) = timeout(LONG, listener.accept()).await.unwrap().unwrap();
        assert_eq!(timeout(LONG, receive(&stream, 8)).await.unwrap().unwrap(), b"x");
        busy.abort();
        client.join().unwrap();
    })
    .unwrap();
}

#[test]
fn an_end_right_behind_the_bytes_is_seen() {
    run(async {
        let (listener, address) = listener();
        // Unwatched at first and watched afterwards, at all distances between bytes and end.
        for pause in [None, Some(Duration::ZERO), Some(SHORT)] {
            let client = std::thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.write_all(b"first").unwrap();
                let mut answer = [0; 2];
                stream.read_exact(&mut answer).unwrap();
                stream.write_all(b"second").unwrap();
                pause.into_iter().for_each(std::thread::sleep);
            });
            let (stream, _) = listener.accept().await.unwrap();
            assert_eq!(receive(&stream, 64).await.unwrap(), b"first");
            poll_fn(|cx| stream.poll_send(cx, b"ok")).await.unwrap();
            assert_eq!(receive(&stream, 64).await.unwrap(), b"second");
            let end = timeout(LONG, receive(&stream, 64)).await.unwrap();
            assert_eq!(end.unwrap(), b"");
            // And again, as often as it is asked for.
            assert_eq!(timeout(LONG, receive(&stream, 64)).await.unwrap().unwrap(), b"");
            client.join().unwrap();
        }
    })
    .unwrap();
}

#[test]
fn what_does_not_fit_waits_until_the_other_side_reads() {
    const BYTES: usize = 8 << 20;
    run(async {
        let (listener, address) = listener();
        let (go, waits) = mpsc::sync_channel(1);
        let client = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            waits.recv().unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all.len()
        });
        let (stream, _) = listener.accept().await.unwrap();
        let piece = vec![0; 1 << 20];
        let mut sent = 0;
        let write = async {
            while sent < BYTES {
                let some = &piece[..piece.len().min(BYTES - sent)];
                sent += poll_fn(|cx| stream.poll_send(cx, some)).await.unwrap();
            }
        };
        let mut write = pin!(write);
        assert!(timeout(SHORT, write.as_mut()).await.is_none(), "the other side does not read yet");
        go.send(()).unwrap();
        timeout(LONG, write).await.unwrap();
        stream.end().unwrap();
        drop(stream);
        assert_eq!(client.join().unwrap(), BYTES);
    })
    .unwrap();
}

#[test]
fn connecting_says_how_it_went() {
    run(async {
        let (listener, address) = listener();
        let stream = TcpStream::connect(address).await.unwrap();
        let (other, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, rustix::net::getsockname(&stream).unwrap().try_into().unwrap());
        assert!(rustix::net::sockopt::tcp_nodelay(&stream).unwrap());
        // A socket that was watched here can be given away, and used anew.
        assert!(timeout(SHORT, receive(&stream, 1)).await.is_none());
        let stream = TcpStream::new(stream.into_fd());
        poll_fn(|cx| other.poll_send(cx, b"x")).await.unwrap();
        assert_eq!(timeout(LONG, receive(&stream, 8)).await.unwrap().unwrap(), b"x");
        drop(listener);
        let error = TcpStream::connect(address).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    })
    .unwrap();
}

#[test]
fn places_of_sockets_and_tasks_are_used_again() {
    run(async {
        let (listener, address) = listener();
        for _ in 0..100 {
            let stream = TcpStream::connect(address).await.unwrap();
            let (other, _) = listener.accept().await.unwrap();
            spawn(async move { drop(other) });
            assert_eq!(timeout(LONG, receive(&stream, 8)).await.unwrap().unwrap(), b"");
        }
        LOCAL.with(|local| {
            assert!(local.reactor(|reactor| reactor.places()) <= 4);
            assert!(local.tasks.places() <= 4);
        });
    })
    .unwrap();
}
