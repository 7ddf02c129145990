//! Diagnostics for people (a drawn snippet, as rustc does it) and for tools (JSON).

use super::{Diagnostic, Severity, Source, Sources, Span};
use annotate_snippets::{Annotation, AnnotationKind, Element, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};
use std::ops::Range;

/// Draws one diagnostic: `file:line:column`, the lines that matter, labels and help. No newline at the end.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = level.primary_title(&diagnostic.message).elements(snippets(diagnostic, sources));
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    // C1 controls, which terminals obey; the renderer replaces the others.
    let acts = |letter: char| ('\u{80}'..='\u{9f}').contains(&letter);
    renderer.render(&[group]).replace(acts, "\u{fffd}")
}

/// A place, what is said of it, and whether it is the main one.
type Mark<'s> = (Span, &'s str, AnnotationKind);

/// Places further apart than this many bytes are drawn apart: drawing one snippet reads all between them.
const APART: u32 = 4096;

/// The snippets that show all places of a diagnostic, the one with the main place first.
fn snippets<'s>(diagnostic: &'s Diagnostic, sources: &'s Sources) -> Vec<Element<'s>> {
    let main = (diagnostic.at, diagnostic.label.as_str(), AnnotationKind::Primary);
    let mut clusters: Vec<Vec<Mark<'s>>> = vec![vec![main]];
    for other in &diagnostic.others {
        let mark = (other.at, other.text.as_str(), AnnotationKind::Context);
        match clusters.iter_mut().find(|cluster| cluster.iter().any(|(at, ..)| near(*at, other.at))) {
            Some(cluster) => cluster.push(mark),
            None => clusters.push(vec![mark]),
        }
    }
    let file = |cluster: &[Mark<'_>]| sources.files.get(cluster[0].0.source.0 as usize);
    let drawn = |file: &'s Source, cluster: &[Mark<'s>]| match file.text.is_empty() {
        true => Origin::path(file.path.to_string_lossy()).into(),
        false => snippet(file, cluster).into(),
    };
    clusters.iter().filter_map(|cluster| Some(drawn(file(cluster)?, cluster))).collect()
}

fn near(a: Span, b: Span) -> bool {
    a.source == b.source && a.start.abs_diff(b.start) < APART
}

/// The part of a file that holds all `marks`, with a line around it: drawing must not depend on the size of
/// the file.
fn snippet<'s>(file: &'s Source, marks: &[Mark<'s>]) -> Snippet<'s, Annotation<'s>> {
    let shown: Vec<_> = marks.iter().map(|&(at, label, kind)| (within(file, at), label, kind)).collect();
    let first = shown.iter().map(|(range, ..)| range.start).min().unwrap_or(0);
    let last = shown.iter().map(|(range, ..)| range.end).max().unwrap_or(0);
    let start = file.text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let end = file.text[last..].find('\n').map_or(file.text.len(), |newline| last + newline);
    let line = 1 + file.text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count();
    let annotations = shown.into_iter().map(|(range, label, kind)| {
        let annotation = kind.span(range.start - start..range.end - start);
        if label.is_empty() { annotation } else { annotation.label(label) }
    });
    Snippet::source(&file.text[start..end])
        .line_start(line)
        .path(file.path.to_string_lossy())
        .annotations(annotations)
}

/// A span as a range that lies within the text on characters, cut after its first line: a whole map would
/// fill the screen.
fn within(file: &Source, at: Span) -> Range<usize> {
    let text = &file.text;
    let mut start = (at.start as usize).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = (at.end as usize).clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    let line_end = text[start..end].find('\n').map_or(end, |newline| start + newline);
    start..line_end
}

/// All diagnostics as a list of objects with `severity`, `message`, `file`, `line`, `column`, `end_line`,
/// `end_column` (both one past the end), `label`, `help` (or null) and `others`.
pub fn to_json(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    diagnostics.iter().map(|diagnostic| one(diagnostic, sources)).collect()
}

fn one(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let others: Vec<Value> = diagnostic
        .others
        .iter()
        .map(|other| {
            let mut place = place(other.at, sources);
            place["text"] = json!(other.text);
            place
        })
        .collect();
    let mut value = place(diagnostic.at, sources);
    value["severity"] = json!(match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    });
    value["message"] = json!(diagnostic.message);
    value["label"] = json!(diagnostic.label);
    value["help"] = json!(diagnostic.help);
    value["others"] = json!(others);
    value
}

fn place(at: Span, sources: &Sources) -> Value {
    let (file, line, column) = sources.position(at);
    let (_, end_line, end_column) = sources.position(Span { start: at.end, ..at });
    json!({
        "file": file.to_string_lossy(),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    })
}
