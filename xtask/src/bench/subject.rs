//! The programs that are compared, started alike: one worker each, on core 0, in front of the same servers.

mod envoy;
mod haproxy;
mod nginx;
mod tidegate;

use super::workload::Setting;
use crate::process::{Process, descriptors, free_address, port};
use crate::run::{Failure, command, output, root};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to serve: some read many routes slowly.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Open files that the largest workload needs: ten thousand connections, twice.
const DESCRIPTORS: u64 = 25_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// This program, as it is shipped.
    Tidegate,
    /// nginx with the configuration that a newcomer writes.
    Nginx,
    /// nginx with kept connections to the server, its buffering off and 64 KB buffers.
    NginxTuned,
    /// HAProxy with connections to the server that all requests share.
    Haproxy,
    /// The same with 64 KB buffers and `splice`.
    HaproxyTuned,
    /// Envoy.
    Envoy,
    /// A relay that understands nothing.
    Floor,
}

impl Kind {
    /// All, in the order of the results.
    pub const ALL: [Kind; 7] = [
        Kind::Tidegate,
        Kind::Nginx,
        Kind::NginxTuned,
        Kind::Haproxy,
        Kind::HaproxyTuned,
        Kind::Envoy,
        Kind::Floor,
    ];

    /// In results.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Tidegate => "tidegate",
            Kind::Nginx => "nginx",
            Kind::NginxTuned => "nginx-tuned",
            Kind::Haproxy => "haproxy",
            Kind::HaproxyTuned => "haproxy-tuned",
            Kind::Envoy => "envoy",
            Kind::Floor => "floor",
        }
    }

    /// The one with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Kind, Failure> {
        let all = || Kind::ALL.map(Kind::name).join(", ");
        let one = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        one.ok_or_else(|| format!("there is no subject `{name}`; there are {}", all()))
    }

    /// The first line in which it says what it is.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn version(self, programs: &Programs) -> Result<String, Failure> {
        let shell = |line: &str| output(command("sh", &["-c", &format!("PATH=$PATH:/usr/sbin {line} 2>&1")]));
        let said = match self {
            Kind::Tidegate => output(command(&program("dist", "tidegate"), &["--version"]))?,
            Kind::Nginx | Kind::NginxTuned => shell("nginx -v")?,
            Kind::Haproxy | Kind::HaproxyTuned => shell("haproxy -v")?,
            Kind::Envoy => {
                let path = programs.envoy.as_ref().map(|path| path.to_string_lossy().into_owned());
                output(command(&path.ok_or("it is not there")?, &["--version"]))?.trim().to_owned()
            }
            Kind::Floor => "bench-relay of this workspace".to_owned(),
        };
        Ok(said.lines().next().unwrap_or_default().trim().to_owned())
    }
}

/// Programs that are not on the path.
pub(super) struct Programs {
    /// Envoy, if it could be had.
    pub envoy: Option<PathBuf>,
}

/// What all programs are given.
pub(super) struct Place<'a> {
    /// What they are configured for.
    pub setting: &'a Setting,
    /// Where to listen.
    pub address: &'a str,
    /// The servers.
    pub servers: &'a [String],
    /// A folder of its own for the program.
    pub folder: &'a str,
    /// Where `cert.pem`, `key.pem` and `both.pem` are.
    pub certificates: &'a str,
}

/// A folder for configurations, removed in the end.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// A new one, with a certificate for TLS in it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Folder, Failure> {
        let path = std::env::temp_dir().join(format!("tidegate-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for temporary files anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running program.
pub(super) struct Subject {
    /// Where it listens.
    pub address: String,
    /// Seconds from its start until it listened.
    pub start_seconds: f64,
    process: Process,
}

impl Subject {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// When it does not within two minutes, with the last lines that it wrote.
    pub fn start(
        kind: Kind,
        programs: &Programs,
        folder: &Folder,
        setting: &Setting,
        servers: &[String],
    ) -> Result<Subject, Failure> {
        let address = free_address()?;
        let own = folder.0.join(format!("{}-{}", kind.name(), port(&address)));
        std::fs::create_dir_all(&own).map_err(|error| error.to_string())?;
        let (path, certificates) = (own.to_string_lossy(), folder.0.to_string_lossy());
        let place = Place { setting, address: &address, servers, folder: &path, certificates: &certificates };
        let words = match kind {
            Kind::Tidegate => tidegate::prepare(&place)?,
            Kind::Nginx => nginx::prepare(&place, false)?,
            Kind::NginxTuned => nginx::prepare(&place, true)?,
            Kind::Haproxy => haproxy::prepare(&place, false)?,
            Kind::HaproxyTuned => haproxy::prepare(&place, true)?,
            Kind::Envoy => envoy::prepare(&place, programs.envoy.as_deref().ok_or("it is not there")?)?,
            Kind::Floor => vec![program("release", "bench-relay"), address.clone(), servers[0].clone()],
        };
        let log = own.join("log");
        let started = Instant::now();
        let mut process = launch(&words, &log)?;
        serves(&mut process, &address).map_err(|error| format!("{error}{}", end_of(&log)))?;
        Ok(Subject { address, start_seconds: started.elapsed().as_secs_f64(), process })
    }

    /// All its processes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn pids(&self) -> Result<Vec<u32>, Failure> {
        family(self.process.id())
    }
}

/// Writes a configuration; where.
fn write(place: &Place, name: &str, text: &str) -> Result<String, Failure> {
    let path = format!("{}/{name}", place.folder);
    std::fs::write(&path, text).map_err(|error| format!("{path}: {error}"))?;
    Ok(path)
}

fn serves(process: &mut Process, address: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        match process.serves(address) {
            // It gives up sooner than slow readers of many routes have read them.
            Err(_) if process.ended().is_none() && Instant::now() < deadline => {}
            done => return done,
        }
    }
}

/// The last lines of what a program wrote.
fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().map(|line| format!("; {}", line.chars().take(200).collect::<String>())).collect()
}

/// A process and its children.
///
/// # Errors
/// When it is gone.
pub(super) fn family(own: u32) -> Result<Vec<u32>, Failure> {
    let path = format!("/proc/{own}/task/{own}/children");
    let children = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok(std::iter::once(own).chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect())
}

/// Starts the cheapest origin on core 1, on every loopback address, so that it can be many servers; its port.
///
/// # Errors
/// When it does not start.
pub(super) fn start_origin() -> Result<(Process, String), Failure> {
    let address = free_address()?;
    let port = port(&address).to_owned();
    let all = format!("0.0.0.0:{port}");
    let mut process = on_core("1", &program("release", "bench-origin"), &[&all])?;
    process.serves(&address)?;
    Ok((process, port))
}

/// Where a program of ours is.
pub(super) fn program(profile: &str, name: &str) -> String {
    root().join("target").join(profile).join(name).to_string_lossy().into_owned()
}

/// Starts a program on core 0 that writes to a file what it has to say.
fn launch(words: &[String], log: &Path) -> Result<Process, Failure> {
    let file = File::create(log).map_err(|error| error.to_string())?;
    let copy = file.try_clone().map_err(|error| error.to_string())?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = pinned("0", words[0], &words[1..]);
    command.stdout(file).stderr(copy);
    command.spawn().map(Process).map_err(|error| format!("{}: {error}", words[0]))
}

/// Starts a program on one core.
pub(super) fn on_core(core: &str, program: &str, arguments: &[&str]) -> Result<Process, Failure> {
    let mut command = pinned(core, program, arguments);
    command.stdout(Stdio::null());
    command.spawn().map(Process).map_err(|error| format!("{program}: {error}"))
}

/// A program on one core that may open as many files as it can be allowed, of those that the bench needs. What is started
/// first becomes that program, so its id is the program's.
pub(super) fn pinned(core: &str, program: &str, arguments: &[&str]) -> Command {
    let (allowed, most) = descriptors();
    let wanted = most.min(DESCRIPTORS);
    let limit = format!("--nofile={wanted}:{most}");
    let mut words = vec!["-c", core];
    if allowed < wanted {
        words.extend(["prlimit", &limit]);
    }
    words.push(program);
    words.extend(arguments);
    let mut command = command("taskset", &words);
    let path = std::env::var("PATH").unwrap_or_default();
    // nginx lies where ordinary users do not look.
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}
