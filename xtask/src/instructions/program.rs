//! The programs whose instructions are counted, and their configurations: one worker, no access log unless it is asked
//! for, everything else at its default where that does not get in the way of counting.

use super::scenario::{ROUTES, Scenario, Shape};
use crate::run::Failure;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Whose instructions are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The engine of this tidegate.
    Tidegate(PathBuf),
}

/// What a program is to listen on and to be in front of, and a folder for its files.
pub struct Place<'p> {
    /// Its own.
    pub folder: &'p Path,
    /// Where clients come.
    pub address: &'p str,
    /// Where the origin is.
    pub origin: &'p str,
    /// A certificate and its key, as PEM.
    pub certificate: (&'p Path, &'p Path),
}

impl Program {
    /// In tables.
    pub fn name(&self) -> &'static str {
        match self {
            Program::Tidegate(_) => "tidegate",
        }
    }

    /// Writes its configuration; the command that runs it in the foreground under `valgrind`, whose words are given, and
    /// whether that says `ready` and ends with its input.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn command(
        &self,
        scenario: &Scenario,
        place: &Place<'_>,
        overseer: &Path,
        valgrind: &[String],
    ) -> Result<(Vec<String>, bool), Failure> {
        let file = place.folder.join("configuration.yaml");
        let text = match self {
            Program::Tidegate(_) => tidegate(scenario.shape, place),
        };
        std::fs::write(&file, text).map_err(|error| error.to_string())?;
        let file = file.to_string_lossy().into_owned();
        let Program::Tidegate(binary) = self;
        let mut words = vec![overseer.to_string_lossy().into_owned(), file];
        words.extend_from_slice(valgrind);
        words.push(binary.to_string_lossy().into_owned());
        Ok((words, true))
    }
}

fn tidegate(shape: Shape, place: &Place<'_>) -> String {
    let listener = match shape {
        Shape::Plain | Shape::Routes | Shape::Logged => "",
        Shape::Tls => ", tls: true",
        Shape::Http2 | Shape::Grpc => ", protocols: [h1, h2]",
    };
    let log = match shape {
        Shape::Logged => format!("{{ to: {:?} }}", place.folder.join("access.log")),
        _ => "off".to_owned(),
    };
    let protocol = if shape == Shape::Grpc { ", protocol: h2c" } else { "" };
    let mut text = format!(
        "listeners: [{{ name: web, address: \"{}\"{listener} }}]\nworkers: 1\nstate_dir: {:?}\n\
         observe: {{ access_log: {log} }}\n\
         pools: {{ app: {{ servers: [\"{}\"]{protocol} }} }}\n",
        place.address,
        place.folder.join("state"),
        place.origin,
    );
    if shape == Shape::Tls {
        let (certificate, key) = place.certificate;
        text.push_str(&format!("tls: {{ certificates: [{{ cert: {certificate:?}, key: {key:?} }}] }}\n"));
    }
    match shape {
        Shape::Routes => routes(&mut text),
        _ => text.push_str("sites: { shop.example: { to: app } }\n"),
    }
    text
}

/// Many sites, one of which has many routes; the last of them is taken.
fn routes(text: &mut String) {
    // Writing to a string cannot fail.
    text.push_str("sites:\n");
    for number in 0..ROUTES / 2 {
        let _ = writeln!(text, "  h{number:06}.example: {{ to: app }}");
    }
    text.push_str("  shop.example:\n    routes:\n");
    for number in 0..ROUTES / 2 - 1 {
        let _ =
            writeln!(text, "      - {{ path: '/section{:02}/page{number:06}/*', to: app }}", number % 100);
    }
    text.push_str("      - { path: '/*', to: app }\n");
}
