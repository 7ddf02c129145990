//! Stalls: what a hostile connection holds is bounded, and where nothing moves a time-out ends it.

use super::{PROCESSOR_MAX, Scene, attack, holds_little, turn};
use std::time::Duration;
use testkit::frames::Plan;
use testkit::frames::frame::REFUSED_STREAM;
use testkit::frames::stalls::too_many_streams;

/// Streams on each connection.
const STREAMS: u64 = 100;

/// How long connections are held: several of the time-outs of the scene, which are 300 ms.
const HELD: Duration = Duration::from_secs(2);

/// What a real request may cost, to which a hostile frame is a part of; the program under test is not optimised.
const REQUEST_MAX: Duration = Duration::from_millis(2);

/// Makes an attack on a new program. Where nothing moves at all, it `ends`.
#[track_caller]
fn check(name: &str, ends: bool) {
    let _turn = turn();
    let (scene, attack) = (Scene::start(), attack(name));
    let figures = scene.measure(attack, STREAMS, HELD);
    let paced = &figures.paced;
    assert!(
        !ends || paced.returned.is_over(),
        "{name} is open after {:?}: {:?}",
        paced.lived,
        paced.returned
    );
    let frames = PROCESSOR_MAX.mul_f64(figures.processor.frames as f64 / 1000.0);
    let allowed = frames + REQUEST_MAX * STREAMS as u32 * figures.processor.connections as u32;
    assert!(figures.processor.spent < allowed, "{name}: {:?}", figures.processor);
    holds_little(attack, &figures);
    scene.nobody_notices(attack, STREAMS);
}

#[test]
fn answers_for_which_there_is_never_room() {
    check("zero_window", true);
}

#[test]
fn answers_taken_byte_by_byte() {
    check("slow_reader", false);
}

#[test]
fn answers_that_are_not_taken_from_the_socket() {
    check("deaf_reader", true);
}

#[test]
fn bodies_that_come_byte_by_byte() {
    check("slow_sender", false);
}

#[test]
fn bodies_that_never_come() {
    check("silent_sender", true);
}

#[test]
fn streams_beyond_what_is_allowed() {
    check("too_many_streams", true);
}

#[test]
fn streams_beyond_what_is_allowed_are_refused() {
    let scene = Scene::start();
    let outcome =
        too_many_streams(scene.subject.address, &Plan { count: STREAMS, ..Plan::lasting(HELD) }).unwrap();
    let returned = outcome.returned;
    let refused = returned.resets.get(&REFUSED_STREAM).copied().unwrap_or(0);
    assert!(refused > 0 || returned.goaway.is_some(), "{returned:?}");
}

#[test]
fn a_client_that_says_nothing() {
    check("no_preface", true);
}

#[test]
fn half_a_preface() {
    check("half_preface", true);
}

#[test]
fn a_preface_that_drips() {
    check("slow_preface", true);
}

#[test]
fn settings_that_are_never_acknowledged() {
    check("settings_unacknowledged", true);
}

#[test]
fn half_a_frame() {
    check("half_frame_head", true);
}

#[test]
fn half_a_head() {
    check("unfinished_head", true);
}
