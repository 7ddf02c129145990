//! Diagnostics for people (a drawn snippet, as rustc does it) and for tools (JSON).

use super::{Diagnostic, Severity, Source, SourceId, Sources, Span};
use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};
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
    renderer.render(&[group])
}

/// One snippet for each file that the diagnostic speaks of, the main one first.
fn snippets<'s>(diagnostic: &'s Diagnostic, sources: &'s Sources) -> Vec<Snippet<'s, Annotation<'s>>> {
    let main = (diagnostic.at, diagnostic.label.as_str(), AnnotationKind::Primary);
    let others =
        diagnostic.others.iter().map(|other| (other.at, other.text.as_str(), AnnotationKind::Context));
    let marks: Vec<_> = std::iter::once(main).chain(others).collect();
    let mut files: Vec<SourceId> = Vec::new();
    for (at, ..) in &marks {
        if !files.contains(&at.source) {
            files.push(at.source);
        }
    }
    files
        .into_iter()
        .filter_map(|id| {
            let file = sources.files.get(id.0 as usize)?;
            let here: Vec<_> = marks.iter().filter(|(at, ..)| at.source == id).copied().collect();
            Some(snippet(file, &here))
        })
        .collect()
}

/// The part of a file that holds all `marks`, with a line around it: drawing must not depend on the size of
/// the file.
fn snippet<'s>(file: &'s Source, marks: &[(Span, &'s str, AnnotationKind)]) -> Snippet<'s, Annotation<'s>> {
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
