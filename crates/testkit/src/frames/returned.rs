//! What the other side sent back.

use super::frame::{self, Frame};
use super::hpack;
use std::collections::BTreeMap;
use std::time::Instant;

pub use crate::client::End;

/// Everything that came back on a connection so far.
#[derive(Clone, Debug, Default)]
pub struct Returned {
    /// The settings of each SETTINGS frame, one after the other.
    pub settings: Vec<(u16, u32)>,
    /// SETTINGS frames that were no acknowledgement.
    pub settings_frames: u64,
    /// Acknowledgements of our settings.
    pub settings_acks: u64,
    /// Answers to our PINGs.
    pub ping_acks: u64,
    /// Whether one of them was to the PING behind a flood: the other side has read all of it.
    pub fenced: bool,
    /// Heads of answers.
    pub heads: u64,
    /// Heads that begin with the status 200.
    pub heads_ok: u64,
    /// Bytes of bodies.
    pub data_bytes: u64,
    /// Streams that the other side ended in good order.
    pub ended_streams: u64,
    /// RST_STREAM frames by their code.
    pub resets: BTreeMap<u32, u64>,
    /// The code of the last GOAWAY, and what it said.
    pub goaway: Option<(u32, String)>,
    /// When the first GOAWAY came.
    pub goaway_at: Option<Instant>,
    /// How the connection ended, if it did.
    pub end: Option<End>,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// PINGs of the other side that want an answer.
    pub(super) pings_owed: Vec<Vec<u8>>,
}

impl Returned {
    /// Whether the other side has had enough: a GOAWAY or an end came.
    pub fn is_over(&self) -> bool {
        self.goaway.is_some() || self.end.is_some()
    }

    /// RST_STREAM frames of all codes.
    pub fn reset_streams(&self) -> u64 {
        self.resets.values().sum()
    }

    /// When the other side had enough.
    pub fn over_at(&self) -> Option<Instant> {
        self.goaway_at.or(self.ended_at)
    }

    /// How it ended, for a table: the code of a GOAWAY by its name, else the kind of close.
    pub fn how(&self) -> String {
        match (&self.goaway, self.end) {
            (Some((code, _)), Some(_)) => format!("GOAWAY {}", code_name(*code)),
            (Some((code, _)), None) => format!("GOAWAY {}, open", code_name(*code)),
            (None, Some(End::Reset)) => "reset".to_owned(),
            (None, Some(_)) => "close".to_owned(),
            (None, None) => "open".to_owned(),
        }
    }

    /// Takes a frame in.
    pub(super) fn note(&mut self, frame: &Frame) {
        let ack = frame.flags & frame::ACK != 0;
        match frame.kind {
            frame::SETTINGS if ack => self.settings_acks += 1,
            frame::SETTINGS => {
                self.settings_frames += 1;
                let one = |piece: &[u8]| {
                    let number = u32::from_be_bytes([piece[2], piece[3], piece[4], piece[5]]);
                    (u16::from_be_bytes([piece[0], piece[1]]), number)
                };
                self.settings.extend(frame.payload.chunks_exact(6).map(one));
            }
            frame::PING if ack => {
                self.ping_acks += 1;
                self.fenced |= frame.payload == super::FENCE.to_be_bytes();
            }
            frame::PING => self.pings_owed.push(frame.payload.clone()),
            frame::GOAWAY => {
                let text = String::from_utf8_lossy(frame.payload.get(8..).unwrap_or_default()).into_owned();
                self.goaway = Some((frame.number(4), text));
                self.goaway_at.get_or_insert_with(Instant::now);
            }
            frame::RST_STREAM => *self.resets.entry(frame.number(0)).or_default() += 1,
            frame::HEADERS => {
                self.heads += 1;
                self.heads_ok += u64::from(hpack::is_ok(&frame.payload));
                self.ended_streams += u64::from(frame.flags & frame::END_STREAM != 0);
            }
            frame::DATA => {
                self.data_bytes += frame.payload.len() as u64;
                self.ended_streams += u64::from(frame.flags & frame::END_STREAM != 0);
            }
            _ => {}
        }
    }
}

/// The name of an error code (RFC 9113 section 7).
pub fn code_name(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    NAMES.get(code as usize).map_or_else(|| format!("{code:#x}"), |name| (*name).to_owned())
}
