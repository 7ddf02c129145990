//! The programs that are compared, started alike.

use crate::process::{Process, free_address, port};
use crate::run::{Failure, command, root};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Stdio;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This program, as it is shipped.
    Tidegate,
    /// nginx with the configuration that a newcomer writes.
    Nginx,
    /// nginx with kept connections to the server and its buffering off.
    NginxTuned,
}

impl Kind {
    /// In results.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Tidegate => "tidegate",
            Kind::Nginx => "nginx",
            Kind::NginxTuned => "nginx-tuned",
        }
    }
}

/// A folder for configurations, removed in the end.
pub struct Folder(pub(super) PathBuf);

impl Folder {
    /// A new one.
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
pub struct Subject {
    /// Where it listens.
    pub address: String,
    process: Process,
}

impl Subject {
    /// Starts it on core 0, one worker, in front of `origin`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(kind: Kind, folder: &Folder, origin: &str) -> Result<Subject, Failure> {
        let address = free_address()?;
        let mut process = match kind {
            Kind::Tidegate => tidegate(folder, &address, origin)?,
            Kind::Nginx => nginx(folder, &address, origin, false)?,
            Kind::NginxTuned => nginx(folder, &address, origin, true)?,
        };
        process.serves(&address)?;
        Ok(Subject { address, process })
    }

    /// All its processes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn pids(&self) -> Result<Vec<u32>, Failure> {
        family(self.process.id())
    }
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

/// Starts the cheapest origin on core 1; its address.
///
/// # Errors
/// When it does not start.
pub fn start_origin(bytes: usize) -> Result<(Process, String), Failure> {
    let address = free_address()?;
    let program = root().join("target/release/bench-origin");
    let mut process = on_core("1", &program.to_string_lossy(), &[&address, &bytes.to_string()])?;
    process.serves(&address)?;
    Ok((process, address))
}

fn tidegate(folder: &Folder, address: &str, origin: &str) -> Result<Process, Failure> {
    let file = folder.0.join(format!("tidegate-{}.yaml", port(address)));
    let state = folder.0.join("state");
    let text = format!(
        "listeners: [{{ name: web, address: \"{address}\" }}]\nworkers: 1\nstate_dir: {state:?}\n\
         observe: {{ access_log: off }}\ntimeouts: {{ idle: 10m }}\n\
         pools: {{ app: {{ servers: [\"{origin}\"] }} }}\nsites: {{ '*': {{ to: app }} }}\n"
    );
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    let program = root().join("target/dist/tidegate");
    on_core("0", &program.to_string_lossy(), &["run", "-c", &file.to_string_lossy()])
}

fn nginx(folder: &Folder, address: &str, origin: &str, tuned: bool) -> Result<Process, Failure> {
    let prefix = folder.0.join(format!("nginx-{}", port(address)));
    std::fs::create_dir_all(&prefix).map_err(|error| error.to_string())?;
    let path = prefix.to_string_lossy();
    let mut text = format!(
        "daemon off; master_process off; worker_processes 1; pid {path}/pid; error_log stderr;\n\
         worker_rlimit_nofile 20000; events {{ worker_connections 18000; }}\n\
         http {{ access_log off; keepalive_timeout 600s; keepalive_requests 1000000000;\n\
         client_body_temp_path {path}/b; proxy_temp_path {path}/p; fastcgi_temp_path {path}/f;\n\
         uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n"
    );
    let (pool, location) = match tuned {
        true => (
            "keepalive 64; keepalive_requests 1000000000;",
            "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; \
             proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;",
        ),
        false => ("", ""),
    };
    write!(
        text,
        "upstream app {{ server {origin}; {pool} }}\n\
         server {{ listen {address}; location / {{ proxy_pass http://app; proxy_set_header Host $host;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; {location} }} }} }}\n"
    )
    .map_err(|error| error.to_string())?;
    let file = prefix.join("nginx.conf");
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    on_core("0", "nginx", &["-p", &path, "-c", &file.to_string_lossy(), "-e", "stderr"])
}

/// Starts a program on one core. `taskset` becomes that program, so its id is the program's.
pub(super) fn on_core(core: &str, program: &str, arguments: &[&str]) -> Result<Process, Failure> {
    let mut words = vec!["-c", core, program];
    words.extend(arguments);
    let mut command = command("taskset", &words);
    let path = std::env::var("PATH").unwrap_or_default();
    // nginx lies where ordinary users do not look.
    command.env("PATH", format!("{path}:/usr/sbin")).stdout(Stdio::null());
    command.spawn().map(Process).map_err(|error| format!("{program}: {error}"))
}
