//! Frames that cost more than they do: each kind has a budget, and who overdraws one is asked to leave.
//!
//! The `h2` crate bounds what grows in memory (streams, header lists, resets that nobody has seen yet). What only costs
//! time is counted here, on the bytes as they come in and before anything is done about them. Budgets fill up with time,
//! and with what such frames go with: a client that fetches much may open windows often.

use crate::worker::Wheel;
use std::rc::Rc;

/// Bytes of the client's connection preface (RFC 9113 section 3.4).
const PREFACE_BYTES: u32 = 24;

/// More CONTINUATION frames in a row than any head in its bounds needs.
const CONTINUATIONS_MAX: u32 = 32;

/// Heads that a server may send beyond [`HEADS_PER_REQUEST`].
const HEADS_MAX: u32 = 1000;
const HEADS_PER_REQUEST: u32 = 8;

/// A way in which a client wastes our time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Requests that are taken back at once (CVE-2023-44487).
    RapidReset,
    /// Frames that make us reset streams ("MadeYouReset", CVE-2025-8671).
    ProvokedResets,
    /// A head that goes on and on.
    Continuation,
    /// A head that is small on the wire and large in memory.
    HeaderBomb,
    /// DATA without any, or hardly.
    EmptyData,
    /// SETTINGS, each of which must be acknowledged.
    Settings,
    /// PING, each of which must be answered.
    Ping,
    /// PRIORITY, which means nothing any more.
    Priority,
    /// WINDOW_UPDATE without need.
    WindowUpdate,
    /// Frames of no known type, and those that say good-bye over and over.
    UnknownFrames,
    /// Heads without end, which a server may send before its answer.
    InterimHeads,
}

impl Flood {
    /// A word for the log.
    pub fn reason(self) -> &'static str {
        match self {
            Flood::RapidReset => "rapid_reset",
            Flood::ProvokedResets => "provoked_resets",
            Flood::Continuation => "continuation",
            Flood::HeaderBomb => "header_bomb",
            Flood::EmptyData => "empty_data",
            Flood::Settings => "settings",
            Flood::Ping => "ping",
            Flood::Priority => "priority",
            Flood::WindowUpdate => "window_update",
            Flood::UnknownFrames => "unknown_frames",
            Flood::InterimHeads => "interim_heads",
        }
    }
}

/// How much of one kind a connection may send.
struct Budget {
    left: u32,
    most: u32,
    per_second: u32,
}

impl Budget {
    const fn new(most: u32, per_second: u32) -> Budget {
        Budget { left: most, most, per_second }
    }

    fn earn(&mut self, count: u32) {
        self.left = self.left.saturating_add(count).min(self.most);
    }

    /// Whether there was nothing left.
    fn spend(&mut self, count: u32) -> bool {
        let short = self.left < count;
        self.left = self.left.saturating_sub(count);
        short
    }
}

/// Looks at the frames of one client as they come in.
pub struct FrameWatch {
    wheel: Rc<Wheel>,
    /// The tick up to which budgets were filled.
    filled_at: u64,
    /// Bytes that are of no interest: the preface, then payloads.
    skip: u32,
    header: [u8; 9],
    header_bytes: usize,
    continuations: u32,
    /// A head was begun, and the frame that ends it has not.
    inside_head: bool,
    /// In halves: a request earns one, so one reset for two requests is fine for ever.
    resets: Budget,
    empty_data: Budget,
    settings: Budget,
    pings: Budget,
    priorities: Budget,
    window_updates: Budget,
    unknown: Budget,
    /// Heads that a server may send; `None` for a client, whose heads are requests and bounded by the streams.
    heads: Option<Budget>,
    verdict: Option<Flood>,
}

impl FrameWatch {
    /// For a new connection. Numbers are frames at once, and frames a second.
    pub fn new(wheel: Rc<Wheel>) -> FrameWatch {
        FrameWatch {
            filled_at: wheel.now(),
            wheel,
            skip: PREFACE_BYTES,
            header: [0; 9],
            header_bytes: 0,
            continuations: 0,
            inside_head: false,
            resets: Budget::new(200, 200),
            empty_data: Budget::new(100, 10),
            settings: Budget::new(20, 1),
            pings: Budget::new(100, 10),
            priorities: Budget::new(200, 20),
            window_updates: Budget::new(1000, 100),
            unknown: Budget::new(100, 10),
            heads: None,
            verdict: None,
        }
    }

    /// For a new connection to a server. Heads have no windows, and a client that does not read leaves them unread; of the
    /// rest a server may send as much as a client.
    pub fn of_server(wheel: Rc<Wheel>) -> FrameWatch {
        FrameWatch { skip: 0, heads: Some(Budget::new(HEADS_MAX, 0)), ..FrameWatch::new(wheel) }
    }

    /// Takes note of a request that goes to the server.
    pub fn asked(&mut self) {
        // Its answer's head, trailers, and a few interim ones.
        if let Some(heads) = &mut self.heads {
            heads.earn(HEADS_PER_REQUEST);
        }
    }

    /// Whether the end of a head that was begun is still to come.
    pub fn is_inside_head(&self) -> bool {
        self.inside_head || (self.skip > 0 && matches!(self.header[3], 1 | 9))
    }

    /// The budget that was overdrawn first.
    pub fn verdict(&self) -> Option<Flood> {
        self.verdict
    }

    /// Takes note of content that was sent to the client: it may want to open windows and measure its round trips.
    pub fn sent(&mut self, bytes: usize) {
        // For each piece one for the stream and one for the connection, and as many again; and more for large ones.
        let earned = u32::try_from(bytes / 256).unwrap_or(u32::MAX).saturating_add(4);
        self.window_updates.earn(earned);
        self.pings.earn(1);
    }

    /// Takes note of the next bytes.
    pub fn look(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let count = bytes.len().min(self.skip as usize);
                self.skip -= count as u32;
                bytes = &bytes[count..];
                continue;
            }
            let count = bytes.len().min(9 - self.header_bytes);
            self.header[self.header_bytes..self.header_bytes + count].copy_from_slice(&bytes[..count]);
            self.header_bytes += count;
            bytes = &bytes[count..];
            if self.header_bytes == 9 {
                self.header_bytes = 0;
                self.frame();
            }
        }
    }

    /// Takes note of the next frame, by its header.
    pub fn note(&mut self, header: [u8; 9]) {
        self.header = header;
        self.frame();
    }

    /// RFC 9113 section 4.1: length, type, flags, stream.
    fn frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        let length = u32::from_be_bytes([0, high, middle, low]);
        self.skip = length;
        const END_STREAM: u8 = 1;
        const END_HEADERS: u8 = 4;
        const ACK: u8 = 1;
        if matches!(kind, 1 | 9) {
            self.inside_head = flags & END_HEADERS == 0;
        }
        let flood = match kind {
            0 if length == 0 && flags & END_STREAM == 0 => {
                self.fill();
                self.empty_data.spend(1).then_some(Flood::EmptyData)
            }
            0 => {
                self.empty_data.earn(1);
                self.pings.earn(1);
                None
            }
            1 => {
                self.continuations = 0;
                self.resets.earn(1);
                self.priorities.earn(4);
                self.window_updates.earn(1);
                self.heads.as_mut().is_some_and(|heads| heads.spend(1)).then_some(Flood::InterimHeads)
            }
            2 => {
                self.fill();
                self.priorities.spend(1).then_some(Flood::Priority)
            }
            3 => {
                self.fill();
                self.resets.spend(2).then_some(Flood::RapidReset)
            }
            4 if flags & ACK == 0 => {
                self.fill();
                self.settings.spend(1).then_some(Flood::Settings)
            }
            6 if flags & ACK == 0 => {
                self.fill();
                self.pings.spend(1).then_some(Flood::Ping)
            }
            8 => {
                self.fill();
                self.window_updates.spend(1).then_some(Flood::WindowUpdate)
            }
            9 if flags & END_HEADERS == 0 => {
                self.continuations += 1;
                (self.continuations > CONTINUATIONS_MAX).then_some(Flood::Continuation)
            }
            9 => None,
            // Acknowledgements that nobody has asked for cost as much as frames that nobody knows.
            _ => {
                self.fill();
                self.unknown.spend(1).then_some(Flood::UnknownFrames)
            }
        };
        self.verdict = self.verdict.or(flood);
    }

    /// Lets budgets grow with the time that has passed; they are looked at in whole seconds.
    fn fill(&mut self) {
        let ticks_per_second = 1000 / crate::worker::TICK.as_millis() as u64;
        let seconds = (self.wheel.now() - self.filled_at) / ticks_per_second;
        if seconds == 0 {
            return;
        }
        self.filled_at += seconds * ticks_per_second;
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        for budget in [
            &mut self.resets,
            &mut self.empty_data,
            &mut self.settings,
            &mut self.pings,
            &mut self.priorities,
            &mut self.window_updates,
            &mut self.unknown,
        ] {
            budget.earn(budget.per_second.saturating_mul(seconds));
        }
    }
}
