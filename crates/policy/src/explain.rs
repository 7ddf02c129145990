//! A decision told to a person, or to a program.

use crate::decide::Recorder;
use std::fmt::Write;

/// The steps, one a line: a mark, what was looked at, its name, and why.
///
/// `+` was taken, `-` was not.
pub fn write(recorder: &Recorder) -> String {
    let width = recorder.events.iter().map(|event| event.subject.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for event in &recorder.events {
        let mark = if event.taken { '+' } else { '-' };
        writeln!(text, "{mark} {:<9} {:<width$}  {}", event.step, event.subject, event.reason)
            .expect("a string takes all");
    }
    text
}

/// The steps as an array of objects with `step`, `subject`, `taken` and `reason`.
pub fn to_json(recorder: &Recorder) -> serde_json::Value {
    let event = |event: &crate::decide::Event| {
        serde_json::json!({
            "step": event.step,
            "subject": event.subject,
            "taken": event.taken,
            "reason": event.reason,
        })
    };
    recorder.events.iter().map(event).collect()
}
