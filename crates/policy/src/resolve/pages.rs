//! Error pages: inline or from files.

use super::general;
use crate::file::decode::{Field, Problems};
use crate::file::raw;
use crate::file::tree::At;
use crate::model::ErrorPage;
use crate::source::{Diagnostic, Files, Span};

/// The pages of a site or of the top level, the narrowest range first.
pub fn resolve(field: &Field<raw::Errors>, files: &dyn Files, problems: &mut Problems) -> Vec<ErrorPage> {
    let given = field.value().map(|errors| errors.0.as_slice()).unwrap_or_default();
    let mut pages: Vec<ErrorPage> = Vec::with_capacity(given.len());
    let mut places: Vec<Span> = Vec::with_capacity(given.len());
    for (statuses, own) in given {
        let range = (statuses.value.0, statuses.value.1);
        if let Some(index) = pages.iter().position(|page| page.statuses == range) {
            let problem = Diagnostic::error(statuses.at, "these statuses have a page already");
            problems.push(problem.label("again here").other(places[index], "first here"));
        }
        let html = text(&own.html, &own.html_file, "html", files, problems);
        let json = text(&own.json, &own.json_file, "json", files, problems);
        let nothing =
            [&own.html, &own.html_file, &own.json, &own.json_file].iter().all(|field| field.is_absent());
        if nothing {
            let problem = Diagnostic::error(statuses.at, "an error page without a text");
            problems.push(problem.help("write { html: TEXT, json: TEXT } or { html_file: PATH }"));
        }
        pages.push(ErrorPage { statuses: range, html, json });
        places.push(statuses.at);
    }
    pages.sort_by_key(|page| page.statuses.1 - page.statuses.0);
    pages
}

/// The text of a page: inline, or from its file.
fn text(
    inline: &Field<String>,
    file: &Field<String>,
    name: &str,
    files: &dyn Files,
    problems: &mut Problems,
) -> Option<String> {
    if let (Some(inline), Some(file)) = (inline.given(), file.given()) {
        let problem = Diagnostic::error(file.at, format!("`{name}` and `{name}_file` say the same"));
        problems.push(problem.label("one of the two").other(inline.at, "the other"));
    }
    match (inline.value(), file.given()) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(path)) => read(path, files, problems),
        (None, None) => None,
    }
}

fn read(path: &At<String>, files: &dyn Files, problems: &mut Problems) -> Option<String> {
    let full = general::file_path(&path.value, path.at, problems);
    let read = files.read(&full).map_err(|error| error.to_string());
    match read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())) {
        Ok(text) => Some(text),
        Err(error) => {
            problems.push(Diagnostic::error(path.at, format!("cannot read `{}`: {error}", path.value)));
            None
        }
    }
}
