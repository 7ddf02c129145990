//! Stalls: little is sent, so that the server has to hold much, for long.
//!
//! Each brings its connection into a state and keeps it there until the server ends it, or the plan's time is over.

use super::frame::{self, Frame, INITIAL_WINDOW_SIZE, PREFACE};
use super::hpack::Block;
use super::{Attack, Connection, Outcome, Plan};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// An answer that is larger than what anybody between should hold of it.
const LARGE: &str = "/size/200000";

/// The most that a window may be.
const WINDOW_MAX: u32 = 0x7fff_ffff;

/// Between two looks of one that does not read whether the connection is there.
const LOOK: Duration = Duration::from_millis(200);

/// All of them.
pub const STALLS: [Attack; 12] = [
    stall("zero_window", zero_window),
    stall("slow_reader", slow_reader),
    stall("deaf_reader", deaf_reader),
    stall("slow_sender", slow_sender),
    stall("silent_sender", silent_sender),
    stall("too_many_streams", too_many_streams),
    stall("no_preface", no_preface),
    stall("half_preface", half_preface),
    stall("slow_preface", slow_preface),
    stall("settings_unacknowledged", settings_unacknowledged),
    stall("half_frame_head", half_frame_head),
    stall("unfinished_head", unfinished_head),
];

const fn stall(name: &'static str, run: fn(SocketAddr, &Plan) -> io::Result<Outcome>) -> Attack {
    Attack { name, batch: 100, run }
}

/// Waits until the server ends it.
fn hold(mut connection: Connection, plan: &Plan, started: Instant) -> Outcome {
    connection.wait(plan.left(), |returned| returned.end.is_some());
    Outcome::of(connection, started)
}

/// Takes the same step again and again, with the plan's pause between.
fn keep_at(
    mut connection: Connection,
    plan: &Plan,
    started: Instant,
    mut step: impl FnMut(&mut Connection),
) -> Outcome {
    while !plan.left().is_zero() && connection.returned().end.is_none() {
        step(&mut connection);
        if connection.flush().is_err() {
            // The reading thread will see it too, if there is one.
            connection.note_end();
        }
        std::thread::sleep(plan.pause.max(Duration::from_millis(1)).min(plan.left()));
    }
    Outcome::of(connection, started)
}

/// Opens as many streams as the plan says; their numbers.
fn open_streams(connection: &mut Connection, plan: &Plan, head: &Block, end: bool) -> io::Result<Vec<u32>> {
    let streams: Vec<u32> = (0..plan.count).map(|_| connection.new_stream()).collect();
    for stream in &streams {
        connection.hostile(&Frame::headers(*stream, head.0.as_slice(), end));
    }
    connection.flush()?;
    Ok(streams)
}

/// Large answers, and never room for any of them.
///
/// # Errors
/// When there is no connection to be had; so for all below.
pub fn zero_window(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut connection = Connection::open_with(address, &[(INITIAL_WINDOW_SIZE, 0)])?;
    open_streams(&mut connection, plan, &Block::get("a", LARGE), true)?;
    Ok(hold(connection, plan, started))
}

/// Large answers, and room for a byte of each from time to time.
///
/// # Errors
/// As above.
pub fn slow_reader(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut connection = Connection::open_with(address, &[(INITIAL_WINDOW_SIZE, 0)])?;
    let streams = open_streams(&mut connection, plan, &Block::get("a", LARGE), true)?;
    Ok(keep_at(connection, plan, started, |connection| {
        for stream in &streams {
            connection.hostile(&Frame::window_update(*stream, 1));
        }
    }))
}

/// Large answers and room for all of them, but nothing is read from the socket.
///
/// # Errors
/// As above.
pub fn deaf_reader(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut connection = Connection::deaf(address)?;
    connection.bytes(PREFACE);
    connection.frame(&Frame::settings(&[(INITIAL_WINDOW_SIZE, WINDOW_MAX)]));
    connection.frame(&Frame::window_update(0, WINDOW_MAX - 65_535));
    connection.frame(&Frame::new(frame::SETTINGS, frame::ACK, 0, []));
    open_streams(&mut connection, plan, &Block::get("a", LARGE), true)?;
    // One that does not read learns of the end by writing only.
    let plan = Plan { pause: plan.pause.max(LOOK), ..*plan };
    Ok(keep_at(connection, &plan, started, |connection| connection.hostile(&Frame::ping(0))))
}

/// Bodies that come a byte at a time.
///
/// # Errors
/// As above.
pub fn slow_sender(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut connection = Connection::open(address)?;
    let streams = open_streams(&mut connection, plan, &Block::post("a", "/size/10"), false)?;
    Ok(keep_at(connection, plan, started, |connection| {
        for stream in &streams {
            connection.hostile(&Frame::data(*stream, *b"x", false));
        }
    }))
}

/// Bodies that never come.
///
/// # Errors
/// As above.
pub fn silent_sender(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut connection = Connection::open(address)?;
    open_streams(&mut connection, plan, &Block::post("a", "/size/10"), false)?;
    Ok(hold(connection, plan, started))
}

/// Ten times as many streams as others open, none of which ends.
///
/// # Errors
/// As above.
pub fn too_many_streams(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    silent_sender(address, &Plan { count: plan.count.saturating_mul(10), ..*plan })
}

/// Nothing at all.
///
/// # Errors
/// As above.
pub fn no_preface(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    Ok(hold(Connection::silent(address)?, plan, started))
}

/// Half of the preface.
///
/// # Errors
/// As above.
pub fn half_preface(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut connection = Connection::silent(address)?;
    connection.bytes(&PREFACE[..PREFACE.len() / 2]);
    connection.count_hostile();
    connection.flush()?;
    Ok(hold(connection, plan, started))
}

/// The preface a byte at a time, and its last one never.
///
/// # Errors
/// As above.
pub fn slow_preface(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut bytes = PREFACE[..PREFACE.len() - 1].iter();
    Ok(keep_at(Connection::silent(address)?, plan, started, |connection| {
        if let Some(byte) = bytes.next() {
            connection.bytes(&[*byte]);
            connection.count_hostile();
        }
    }))
}

/// A client that never says that it has seen the server's settings, and asks nothing.
///
/// # Errors
/// As above.
pub fn settings_unacknowledged(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut connection = Connection::silent(address)?;
    connection.bytes(PREFACE);
    connection.hostile(&Frame::settings(&[]));
    connection.flush()?;
    Ok(hold(connection, plan, started))
}

/// Four of the nine bytes before a payload.
///
/// # Errors
/// As above.
pub fn half_frame_head(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut connection = Connection::open(address)?;
    connection.bytes(&[0, 0, 100, frame::HEADERS]);
    connection.count_hostile();
    connection.flush()?;
    Ok(hold(connection, plan, started))
}

/// A request's head whose end does not come.
///
/// # Errors
/// As above.
pub fn unfinished_head(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut connection = Connection::open(address)?;
    let stream = connection.new_stream();
    let head = Block::get("a", "/size/10");
    connection.hostile(&Frame::new(frame::HEADERS, frame::END_STREAM, stream, head));
    connection.flush()?;
    Ok(hold(connection, plan, started))
}
