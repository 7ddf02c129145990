//! The reference of the file, as Markdown.

use crate::file::shape::{RecordShape, Shape};
use std::fmt::Write as _;

/// The reference of the file: a section for each kind of map, in the order in which they are met.
pub fn reference() -> String {
    let mut out = String::from(
        "# Configuration reference\n\n\
         <!-- Generated from the types that read the file; `UPDATE=1 cargo test -p tidegate-policy --test generated` \
         writes it anew. -->\n\n\
         YAML 1.2, read strictly: unknown and repeated keys are errors. The same tree may be written as JSON.\n\
         `${NAME}` in a text is replaced from the environment; `$${` stands for `${` itself.\n\n\
         Durations are written with a unit (`500ms`, `10s`, `2m`, `1h`, `1d`), sizes too (`512b`, `32k`, `1m`, `1g`;\n\
         each is 1024 times the one before), percentages with `%` and at most two digits after the point.\n",
    );
    let mut sections = Sections::default();
    sections.note(&super::root());
    while let Some((name, keys)) = sections.next() {
        section(&mut out, name, &keys(), &mut sections);
    }
    out
}

/// A record's name, and its keys on demand.
type Section = (&'static str, fn() -> RecordShape);

/// Records in the order in which they were met.
#[derive(Default)]
struct Sections {
    met: Vec<Section>,
    written: usize,
}

impl Sections {
    /// Notes the records that a shape holds.
    fn note(&mut self, shape: &Shape) {
        match shape {
            Shape::Scalar { .. } => {}
            Shape::List(inner) | Shape::OneOrMore(inner) | Shape::Named { value: inner, .. } => {
                self.note(inner);
            }
            Shape::Either(forms) => forms.iter().for_each(|form| self.note(form)),
            Shape::Record { name, keys } => {
                if self.met.iter().all(|(met, _)| met != name) {
                    self.met.push((name, *keys));
                }
            }
        }
    }

    fn next(&mut self) -> Option<Section> {
        let next = self.met.get(self.written).copied();
        self.written += 1;
        next
    }
}

fn section(out: &mut String, name: &str, shape: &RecordShape, sections: &mut Sections) {
    let _ = write!(out, "\n## {name}\n\n{}\n\n| key | value | |\n|---|---|---|\n", shape.doc);
    for key in &shape.keys {
        sections.note(&key.shape);
        let _ = writeln!(out, "| `{}` | {} | {} |", key.name, cell(&words(&key.shape)), cell(&key.doc));
    }
}

/// A vertical bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What a shape takes, in words.
fn words(shape: &Shape) -> String {
    match shape {
        Shape::Scalar { words, .. } => (*words).to_owned(),
        Shape::List(item) => format!("list: {}", words(item)),
        Shape::OneOrMore(item) => format!("{}, or a list", words(item)),
        Shape::Named { names, value, .. } => format!("map from {names} to {}", words(value)),
        Shape::Record { name, .. } => format!("[{name}](#{})", name.to_ascii_lowercase()),
        Shape::Either(forms) => forms.iter().map(words).collect::<Vec<_>>().join("; or "),
    }
}
