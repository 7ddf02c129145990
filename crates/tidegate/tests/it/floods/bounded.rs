//! Floods: each ends with a GOAWAY, or a close, after so many frames, under the name of what was too much.

use super::{PROCESSOR_MAX, Scene, attack, holds_little, is_cheap, turn};
use crate::support::wait_for;
use std::time::Duration;
use testkit::client::End;
use testkit::frames::floods::rapid_reset;
use testkit::frames::frame::{ENHANCE_YOUR_CALM, MAX_CONCURRENT_STREAMS};
use testkit::frames::{Connection, Plan};

/// Frames of a flood that knows no end.
const FRAMES: u64 = 10_000;

/// What a thousand frames of 16 KB may cost, each of which stands for 16,000 fields. The program under test is not
/// optimised; one that is has to do with [`PROCESSOR_MAX`], which the bench shows.
const BOMB_MAX: Duration = Duration::from_millis(200);

/// Whether the log names what the `h2` crate has ended. It drops the words of its own GOAWAY before it hands out the
/// error, so they have to be had in another way.
const LIBRARY_IS_NAMED: bool = true;

/// Budgets that are not the crate's.
const COUNTED_BY_US: [&str; 6] =
    ["rapid_reset", "settings", "ping", "priority", "window_update", "unknown_frames"];

/// Reasons of what is an error of the protocol to us, so that its first frame is the end, and not too many of it.
const IS_AN_ERROR: &[&str] = &[];

/// Makes an attack on a new program: it ends within so many frames, under one of these names.
#[track_caller]
fn check(name: &str, frames: u64, reasons: &[&str]) {
    let _turn = turn();
    let (scene, attack) = (Scene::start(), attack(name));
    let figures = scene.measure(attack, FRAMES, Duration::from_secs(5));
    let paced = &figures.paced;
    assert!(paced.returned.is_over(), "{name} went on for {} frames", paced.frames);
    assert!(
        paced.frames <= frames,
        "{name} ended ({}) only after {} frames",
        paced.returned.how(),
        paced.frames
    );
    is_cheap(attack, &figures, if name.ends_with("bomb") { BOMB_MAX } else { PROCESSOR_MAX });
    holds_little(attack, &figures);
    let own = reasons.iter().any(|reason| COUNTED_BY_US.contains(reason));
    if own || (LIBRARY_IS_NAMED && !reasons.is_empty()) {
        wait_for("a line of the log that names it", || reasons.iter().any(|reason| scene.log_names(reason)));
    }
    scene.nobody_notices(attack, FRAMES);
}

#[test]
fn requests_that_are_taken_back() {
    check("rapid_reset", 500, &["rapid_reset"]);
}

#[test]
fn resets_provoked_by_a_window_of_zero() {
    check("provoked_by_window_of_zero", 100, IS_AN_ERROR);
}

#[test]
fn resets_provoked_by_a_window_too_large() {
    check("provoked_by_window_overflow", 1_100, &["provoked_resets"]);
}

#[test]
fn resets_provoked_by_data_after_the_end() {
    check("provoked_by_data_after_end", 100, IS_AN_ERROR);
}

#[test]
fn resets_provoked_by_a_head_after_the_end() {
    check("provoked_by_head_after_end", 100, IS_AN_ERROR);
}

#[test]
fn resets_provoked_by_a_priority_on_itself() {
    check("provoked_by_priority_on_itself", 1_100, &["provoked_resets"]);
}

#[test]
fn resets_provoked_by_malformed_heads() {
    check("provoked_by_malformed_head", 100, IS_AN_ERROR);
}

#[test]
fn resets_provoked_by_a_wrong_length() {
    check("provoked_by_wrong_length", 1_100, &["provoked_resets"]);
}

#[test]
fn a_head_without_end() {
    check("continuation", 60, &["continuation", "header_bomb"]);
}

#[test]
fn a_head_without_end_or_content() {
    check("empty_continuation", 60, &["continuation"]);
}

#[test]
fn a_head_that_is_large_in_memory_only() {
    check("header_bomb", 10, &["header_bomb"]);
}

#[test]
fn cookies_that_are_large_in_memory_only() {
    check("cookie_bomb", 10, &["header_bomb"]);
}

#[test]
fn a_body_in_pieces_of_nothing() {
    check("empty_data", 150, &["empty_data"]);
}

#[test]
fn heads_without_fields() {
    check("empty_headers", 600, &["empty_headers", "provoked_resets"]);
}

#[test]
fn more_requests_than_are_allowed() {
    check("tiny_headers", 1_100, &["provoked_resets"]);
}

#[test]
fn settings_over_and_over() {
    check("settings", 60, &["settings"]);
}

#[test]
fn pings_over_and_over() {
    check("ping", 150, &["ping"]);
}

#[test]
fn priorities_over_and_over() {
    check("priority", 250, &["priority"]);
}

#[test]
fn windows_opened_byte_by_byte() {
    check("window_update", 1_100, &["window_update"]);
}

#[test]
fn frames_that_nobody_knows() {
    check("unknown_frames", 150, &["unknown_frames"]);
}

#[test]
fn who_goes_on_after_goaway_is_cut() {
    let _turn = turn();
    let scene = Scene::start();
    let plan = Plan { relentless: true, ..Plan::of(1_000_000) };
    let outcome = rapid_reset(scene.subject.address, &plan).unwrap();
    assert_eq!(outcome.returned.goaway.map(|(code, _)| code), Some(ENHANCE_YOUR_CALM));
    assert_ne!(outcome.returned.end, None);
    assert_ne!(outcome.returned.end, Some(End::StillOpen));
    assert!(outcome.frames < 1_000_000, "it could send all of them");
}

#[test]
fn a_flood_does_not_fill_the_log() {
    let _turn = turn();
    let scene = Scene::start();
    for name in ["rapid_reset", "provoked_by_window_overflow", "ping"] {
        for _ in 0..50 {
            (attack(name).run)(scene.subject.address, &Plan::of(FRAMES)).unwrap();
        }
    }
    let lines = scene.tidegate.stderr();
    assert!(lines.len() < 50, "{} lines for 150 connections, such as {:?}", lines.len(), lines.last());
}

#[test]
fn how_many_streams_there_may_be_is_told() {
    let scene = Scene::start();
    let settings = Connection::open(scene.subject.address).unwrap().returned().settings;
    let told = settings.iter().find(|(name, _)| *name == MAX_CONCURRENT_STREAMS);
    assert!(told.is_some_and(|(_, streams)| (1..=1000).contains(streams)), "{settings:?}");
}
