#![allow(clippy::unwrap_used)]

use super::*;
use crate::runtime::{self, TcpStream};
use crate::worker::Wheel;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

const BOUNDS: Bounds = Bounds { head_bytes: 32 << 10, streams: 100 };

/// More than a socket takes of what nobody reads.
const PLENTY: usize = 32 << 20;

/// Whether a task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection, and its client.
fn session() -> (Session, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    let stream = Stream::Plain(TcpStream::new(OwnedFd::from(socket)));
    (Session::new(stream, Vec::new(), FrameWatch::new(Wheel::new()), BOUNDS), client)
}

/// A preface, settings, and these frames: kind, flags, stream, payload.
fn frames(frames: &[(u8, u8, u32, &[u8])]) -> Vec<u8> {
    let mut bytes = frame::PREFACE.to_vec();
    frame::put_header(&mut bytes, 0, frame::SETTINGS, 0, 0);
    for (kind, flags, stream, payload) in frames {
        frame::put_header(&mut bytes, payload.len(), *kind, *flags, *stream);
        bytes.extend_from_slice(payload);
    }
    bytes
}

#[test]
fn who_takes_what_waited_is_read_from_again() {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    runtime::run(async {
        let (session, mut client) = session();
        std::thread::spawn(move || io::copy(&mut client, &mut io::sink()));
        let mut cx = Context::from_waker(&waker);
        session.state().begin(&mut cx);
        session.state().out.resize(CLOGGED + 100, 0);
        assert!(session.poll_read(&mut cx, &mut [0; 100], 100).is_pending());
        loop {
            woken.0.store(false, Ordering::Relaxed);
            if session.state().poll_drain(&mut cx).is_ready() {
                break;
            }
            runtime::sleep(Duration::from_millis(1)).await;
        }
        assert!(woken.0.load(Ordering::Relaxed), "nobody else would look at what has come meanwhile");
    })
    .unwrap();
}

#[test]
fn what_was_written_is_not_kept_for_who_reads_slowly() {
    runtime::run(async {
        let (session, _client) = session();
        let mut cx = Context::from_waker(Waker::noop());
        let mut state = session.state();
        state.out.resize(PLENTY, 0);
        assert!(state.poll_drain(&mut cx).is_pending());
        assert!(state.sent < COLLECTED_MAX && state.out.len() < PLENTY);
        state.left = true;
        assert!(!state.is_over(), "the client has not taken all");
    })
    .unwrap();
}

#[test]
fn who_is_gone_waits_for_no_room() {
    runtime::run(async {
        let (session, _client) = session();
        let mut cx = Context::from_waker(Waker::noop());
        let mut state = session.state();
        let stream = state.open(1, None, false);
        state.flow.spend(frame::WINDOW_DEFAULT as usize);
        assert!(state.poll_room(&mut cx, stream.id).is_pending());
        assert_eq!(state.writers.len(), 1);
        state.drop_stream(&stream);
        assert!(state.writers.is_empty());
    })
    .unwrap();
}

#[test]
fn content_that_nobody_takes_gives_its_room_back() {
    const BYTES: usize = 6000;
    runtime::run(async {
        let (session, _client) = session();
        let mut state = session.state();
        for id in (1..1000).step_by(2) {
            let stream = state.open(id, None, true);
            assert!(state.flow.receive(BYTES), "the window of stream {id}");
            stream.receive(&[0; BYTES], BYTES).unwrap();
            stream.end_remote(None);
            state.send_data(&stream, &[], &[], true);
            assert!(state.find(id).is_none(), "it has ended on both sides");
            state.drop_stream(&stream);
        }
    })
    .unwrap();
}

#[test]
fn a_block_that_cannot_be_read_to_its_end_ends_the_connection() {
    runtime::run(async {
        // GET, with a name in upper case behind which nothing is looked at; and depends on itself.
        let block = [&[0_u8, 0, 0, 1, 0][..], &[0x82, 0x40, 1, b'A', 1, b'a'][..]].concat();
        let flags = frame::PRIORITISED | frame::END_HEADERS | frame::END_STREAM;
        let (session, _client) = session();
        let bytes = frames(&[(frame::HEADERS, flags, 1, &block)]);
        let outcome = session.state().receive(&bytes, 0).map(|(used, _)| used);
        assert_eq!(outcome, Err(Fault::from(Code::PROTOCOL_ERROR)));
        // Trailers, of which a single field is many times as large as all of them may be.
        let large = vec![b'a'; 4000];
        let field = [&[0x40, 3, b'x', b'-', b'a', 0x7f, 0xa1, 0x1e][..], &large[..]].concat();
        let bomb = [&field[..], &[0xbe; 60][..]].concat();
        let (session, _client) = self::session();
        session.state().last = 1;
        session.state().open(1, None, true);
        let bytes = frames(&[(frame::HEADERS, frame::END_HEADERS | frame::END_STREAM, 1, &bomb)]);
        let outcome = session.state().receive(&bytes, 0).map(|(used, _)| used);
        assert_eq!(outcome, Err(Fault::from(Flood::HeaderBomb)));
    })
    .unwrap();
}

#[test]
fn what_comes_behind_the_last_request_is_ignored_to_its_end() {
    runtime::run(async {
        let (session, _client) = session();
        session.state().last_served = 0;
        let bytes = frames(&[
            (frame::HEADERS, frame::END_HEADERS, 1, &[0x82]),
            (frame::DATA, 0, 1, b"content"),
            (frame::HEADERS, frame::END_HEADERS | frame::END_STREAM, 1, &[0x40, 1, b'a', 1, b'a']),
        ]);
        let (used, opened) = session.state().receive(&bytes, 0).unwrap();
        assert!(used == bytes.len() && opened.is_none());
    })
    .unwrap();
}
