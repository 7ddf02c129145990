//! The programs whose instructions are counted, and their configurations: one worker, no access log unless it is asked
//! for, kept connections to the origin, everything else at its default where that does not get in the way of counting.

use super::peer;
use super::scenario::{ROUTES, Scenario, Shape};
use crate::run::{Failure, command, output};
use std::path::{Path, PathBuf};

/// Whose instructions are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The engine of this tidegate.
    Tidegate(PathBuf),
    /// nginx without its buffering, with large buffers.
    Nginx,
    /// HAProxy with large buffers.
    HaProxy,
}

/// What a program is to listen on and to be in front of, and a folder for its files.
pub struct Place<'p> {
    /// Its own.
    pub folder: &'p Path,
    /// Where clients come.
    pub address: &'p str,
    /// Where the origin is.
    pub origin: &'p str,
    /// A certificate and its key, as PEM in one file.
    pub certificate: &'p Path,
}

/// How a program is run.
pub struct Start {
    /// The command in the foreground, under valgrind.
    pub words: Vec<String>,
    /// Whether it says `ready` and ends with its input. Others are ready when they listen, and end by a signal.
    pub is_ours: bool,
}

impl Program {
    /// In tables.
    pub fn name(&self) -> &'static str {
        match self {
            Program::Tidegate(_) => "tidegate",
            Program::Nginx => "nginx",
            Program::HaProxy => "haproxy",
        }
    }

    /// The first line in which it says what it is.
    ///
    /// # Errors
    /// When it does not run.
    pub fn version(&self) -> Result<String, Failure> {
        let said = match self {
            Program::Tidegate(binary) => output(command(&binary.to_string_lossy(), &["--version"]))?,
            // It says so on standard error.
            Program::Nginx => output(command("sh", &["-c", "PATH=$PATH:/usr/sbin nginx -v 2>&1"]))?,
            Program::HaProxy => output(command("sh", &["-c", "PATH=$PATH:/usr/sbin haproxy -v"]))?,
        };
        Ok(said.lines().next().unwrap_or_default().to_owned())
    }

    /// Writes its configuration; how it is run by `valgrind`, whose words are given.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn start(
        &self,
        scenario: &Scenario,
        place: &Place<'_>,
        overseer: &Path,
        valgrind: &[String],
    ) -> Result<Start, Failure> {
        let file = place.folder.join("configuration");
        let text = match self {
            Program::Tidegate(_) => tidegate(scenario.shape, place),
            Program::Nginx => peer::nginx(scenario.shape, place),
            Program::HaProxy => {
                let map = place.folder.join("map");
                std::fs::write(&map, peer::haproxy_map()).map_err(|error| error.to_string())?;
                peer::haproxy(scenario.shape, place, &map)
            }
        };
        std::fs::write(&file, text).map_err(|error| error.to_string())?;
        let (file, folder) = (file.display(), place.folder.display());
        let words = match self {
            Program::Tidegate(binary) => {
                format!("{} {file} {} {}", overseer.display(), valgrind.join(" "), binary.display())
            }
            Program::Nginx => format!("{} nginx -p {folder} -c {file} -e stderr", valgrind.join(" ")),
            Program::HaProxy => format!("{} haproxy -db -f {file}", valgrind.join(" ")),
        };
        let words = words.split(' ').map(str::to_owned).collect();
        Ok(Start { words, is_ours: matches!(self, Program::Tidegate(_)) })
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
    let tls = match shape {
        Shape::Tls => {
            format!("tls: {{ certificates: [{{ cert: {0:?}, key: {0:?} }}] }}\n", place.certificate)
        }
        _ => String::new(),
    };
    let sites = match shape {
        Shape::Routes => many_sites(),
        _ => "sites: { shop.example: { to: app } }\n".to_owned(),
    };
    let protocol = if shape == Shape::Grpc { ", protocol: h2c" } else { "" };
    format!(
        "listeners: [{{ name: web, address: \"{}\"{listener} }}]\nworkers: 1\nstate_dir: {:?}\n\
         observe: {{ access_log: {log} }}\n{tls}\
         pools: {{ app: {{ servers: [\"{}\"]{protocol} }} }}\n{sites}",
        place.address,
        place.folder.join("state"),
        place.origin,
    )
}

/// Many sites, one of which has many routes; the last of them is taken.
fn many_sites() -> String {
    let mut text = "sites:\n".to_owned();
    for host in hosts() {
        text.push_str(&format!("  {host}: {{ to: app }}\n"));
    }
    text.push_str("  shop.example:\n    routes:\n");
    for path in paths() {
        text.push_str(&format!("      - {{ path: '{path}*', to: app }}\n"));
    }
    text.push_str("      - { path: '/*', to: app }\n");
    text
}

/// Names of the same length, half of all routes.
pub(super) fn hosts() -> impl Iterator<Item = String> {
    (0..ROUTES / 2).map(|number| format!("h{number:06}.example"))
}

/// The beginnings of paths, of the same length; the other half.
pub(super) fn paths() -> impl Iterator<Item = String> {
    (0..ROUTES / 2).map(|number| format!("/section{:02}/page{number:06}/", number % 100))
}
