//! Where requests go: pools, splits, redirects, fixed answers; and error pages.

use super::{read_as_map, record, shape_of};
use crate::file::decode::{
    Decode, Field, Named, Names, Problems, Record, mismatch, nearest, record as read_record, unknown_key,
};
use crate::file::scalar::{Scalar, Share, Status, StatusRange, Wrong};
use crate::file::shape::Shape;
use crate::file::tree::{At, Entry, Kind, Node};
use crate::source::Diagnostic;

/// Where a request goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// A pool's name.
    Pool(String),
    /// Pools with their shares.
    Split(Named<Share>),
    /// A split in its long form, a redirect or a fixed answer.
    Keys(TargetKeys),
}

record! {
    /// A split, a redirect or a fixed answer.
    TargetKeys("`to`") {
        /// Pools with their shares, which sum to 100%. The short form is this map alone.
        split: Named<Share>,
        /// The URL to send the client to: it begins with `/`, `{path}`, or a scheme and a host. `{rest}` and other
        /// `{FACT}`s are replaced, escaped for their part of the URL; the query is kept unless the URL has one.
        redirect: Text,
        /// The status: of a redirect 301, 302, 303, 307 or 308 (default), of a fixed answer any.
        status: Status,
        /// The body of a fixed answer. `{FACT}`s are replaced, escaped if its `Content-Type` is HTML, XML or JSON.
        body: Text,
        /// Header fields of a fixed answer. `{FACT}`s are replaced.
        headers: Named<Text>,
    }
}
read_as_map!(ErrorPage);

/// No pool may have such a name: in `to` it would not be told from a key.
pub const RESERVED: &[&str] = &["nearest", "redirect", "status", "body", "headers", "split"];

impl Names for Share {
    const NAMES: &'static str = "a pool's name";

    fn rules() -> serde_json::Value {
        serde_json::json!({ "minProperties": 1, "propertyNames": { "not": { "enum": RESERVED } } })
    }
}

impl Names for Text {
    const NAMES: &'static str = "a field's name";
}

const EXPECTED: &str =
    "a pool's name, { POOL: 95%, POOL: 5% }, { redirect: URL }, or { status: 404, body: TEXT }";

impl Decode for Target {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let entries = match &node.kind {
            Kind::Scalar { text, .. } => return Some(Target::Pool(text.clone())),
            Kind::Map { entries, .. } => entries,
            _ => {
                problems.push(mismatch(node, EXPECTED));
                return None;
            }
        };
        // Refused here: read as a key among others it would be followed by complaints about the rest.
        if let Some(entry) = entries.iter().find(|entry| entry.key.value == "nearest") {
            problems.push(unknown_key(&entry.key, TargetKeys::NOUN, TargetKeys::KEYS, problems));
            return None;
        }
        if entries.iter().any(|entry| RESERVED.contains(&entry.key.value.as_str())) {
            return read_record(node, EXPECTED, problems).map(Target::Keys);
        }
        Some(Target::Split(Named(entries.iter().map(|entry| arm(entry, problems)).collect())))
    }

    fn shape() -> Shape {
        Shape::Either(vec![
            Shape::Scalar { words: "a pool's name", schema: serde_json::json!({ "type": "string" }) },
            Named::<Share>::shape(),
            shape_of::<TargetKeys>("Target"),
        ])
    }
}

/// One arm of a split in its short form; or a key that is misspelt.
fn arm(entry: &Entry, problems: &mut Problems) -> (At<String>, Field<Share>) {
    let key = &entry.key;
    let share = match &entry.value.kind {
        Kind::Scalar { text, plain } if Share::parse(text, *plain).is_err() => {
            match nearest(&key.value, TargetKeys::KEYS.iter().copied()) {
                Some(meant) => {
                    let problem = Diagnostic::error(key.at, format!("unknown key `{}` in `to`", key.value));
                    problems.push(problem.label("not a key here").help(format!("did you mean `{meant}`?")));
                    Field::Broken
                }
                None => Field::read(entry, problems),
            }
        }
        _ => Field::read(entry, problems),
    };
    (key.clone(), share)
}

/// A text with values in it.
#[derive(Clone, Debug)]
pub struct Text(pub crate::model::Text);

impl Scalar for Text {
    const EXPECTED: &'static str = "a text such as /new/{rest}";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        crate::text::parse(text).map(Text).map_err(|error| Wrong {
            message: Some(error.message),
            help: Some("`{{` stands for a brace that begins no value".to_owned()),
            offset: Some(error.offset),
        })
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": ["string", "number", "boolean"] })
    }
}

record! {
    /// A page for statuses that Tidegate itself answers. `{status}`, `{reason}` and `{request_id}` in it are replaced.
    ErrorPage("an error page") {
        /// HTML for clients that accept it.
        html: String,
        /// A file with it, relative to this file.
        html_file: String,
        /// JSON for the others.
        json: String,
        /// A file with it, relative to this file.
        json_file: String,
    }
}

/// Error pages by status. The key is read here: it is a status, not a name.
#[derive(Clone, Debug, Default)]
pub struct Errors(pub Vec<(At<StatusRange>, ErrorPage)>);

impl Decode for Errors {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Kind::Map { entries, .. } = &node.kind else {
            let expected = "a map such as { 404: { html: TEXT }, 5xx: { html_file: PATH } }";
            problems.push(mismatch(node, expected));
            return None;
        };
        let mut pages = Vec::new();
        for Entry { key, value } in entries {
            let statuses = statuses(key, problems);
            let page = ErrorPage::decode(value, problems);
            if let (Some(value), Some(page)) = (statuses, page) {
                pages.push((At { value, at: key.at }, page));
            }
        }
        Some(Errors(pages))
    }

    fn shape() -> Shape {
        let statuses = "^(all|[45]xx|[45][0-9]{2}(-[45][0-9]{2})?)$";
        Shape::Named {
            names: "`404`, `5xx`, `500-599` or `all`",
            rules: serde_json::json!({ "propertyNames": { "pattern": statuses } }),
            value: Box::new(ErrorPage::shape()),
        }
    }
}

fn statuses(key: &At<String>, problems: &mut Problems) -> Option<StatusRange> {
    if key.value == "all" {
        return Some(StatusRange(400, 599));
    }
    match StatusRange::parse(&key.value, true) {
        Ok(range) if range.0 >= 400 => Some(range),
        _ => {
            let message = format!("`{}` is not a status of an error", key.value);
            problems.push(Diagnostic::error(key.at, message).label("expected 404, 5xx, 500-599 or all"));
            None
        }
    }
}
