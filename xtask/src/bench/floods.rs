//! What known attacks on HTTP/2 cost here, nginx and HAProxy, in one run.
//!
//! Each attack meets each program freshly started, one worker on core 0; the origin and the attackers share core 1.
//! All let go of what stands still after a second, and are in front of the same origins: one for
//! the attack, one for honest requests. The attacks and the measuring
//! are those of the tests (`testkit::frames`), by its program `floods`.

use super::machine::get;
use super::save;
use super::subject::{Folder, on_core, program};
use crate::process::{Process, free_address, port};
use crate::run::{Failure, cargo, command, output, succeed};

/// Who is attacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tidegate,
    Nginx,
    HaProxy,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Tidegate => "tidegate",
            Kind::Nginx => "nginx",
            Kind::HaProxy => "haproxy",
        }
    }

    /// The first line in which it says what it is.
    fn version(self) -> Result<String, Failure> {
        let said = match self {
            Kind::Tidegate => output(command(&program("dist", "tidegate"), &["--version"]))?,
            // It says so on standard error.
            Kind::Nginx => output(command("sh", &["-c", "PATH=$PATH:/usr/sbin nginx -v 2>&1"]))?,
            Kind::HaProxy => output(command("sh", &["-c", "PATH=$PATH:/usr/sbin haproxy -v"]))?,
        };
        Ok(said.lines().next().unwrap_or_default().to_owned())
    }

    fn start(self, folder: &Folder, address: &str, origins: &[String; 2]) -> Result<Process, Failure> {
        let path = folder.0.join(format!("{}-{}", self.name(), port(address)));
        std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
        let path = path.to_string_lossy();
        let file = format!("{path}/configuration");
        let text = match self {
            Kind::Tidegate => tidegate(address, origins, &path),
            Kind::Nginx => nginx(address, origins, &path),
            Kind::HaProxy => haproxy(address, origins),
        };
        std::fs::write(&file, text).map_err(|error| error.to_string())?;
        let words = match self {
            Kind::Tidegate => format!("{} run -c {file}", program("dist", "tidegate")),
            Kind::Nginx => format!("nginx -p {path} -c {file} -e stderr"),
            Kind::HaProxy => format!("haproxy -db -f {file}"),
        };
        // They log as they do by default, but not into our table.
        on_core("0", "sh", &["-c", &format!("exec {words} 2> /dev/null")])
    }
}

/// Attacks, measures, prints and stores.
///
/// # Errors
/// When something cannot be built or started, or there is only one core.
pub fn floods() -> Result<(), Failure> {
    crate::tools::set_up()?;
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Err("the bench needs two cores: one for the program, one for the attackers".to_owned());
    }
    let kinds = kinds();
    succeed(cargo(&["build", "--profile", "dist", "--locked", "--package", "tidegate"]))?;
    succeed(cargo(&["build", "--release", "--locked", "--package", "tidegate-testkit", "--bins"]))?;
    let folder = Folder::new()?;
    let origins = [free_address()?, free_address()?];
    let ports = [port(&origins[0]), port(&origins[1])];
    let mut servers = on_core("1", &program("release", "origin"), &ports)?;
    origins.iter().try_for_each(|origin| servers.serves(origin))?;
    let floods = program("release", "floods");
    print!("{:10} {}", "", output(command(&floods, &["--head"]))?);
    let mut results = vec![Vec::new(); kinds.len()];
    for attack in output(command(&floods, &["--names"]))?.lines() {
        for (kind, results) in kinds.iter().zip(&mut results) {
            match one(*kind, &folder, &origins, attack) {
                Ok(result) => results.push(result),
                // What one program does not live through is a result too.
                Err(error) => println!("{:10} {attack}: {error}", kind.name()),
            }
        }
    }
    store(&kinds, &results)
}

/// All that are there. HAProxy is installed where that is allowed.
fn kinds() -> Vec<Kind> {
    if !get("haproxy", "haproxy") {
        println!("== SKIPPED: haproxy is not installed");
        return vec![Kind::Tidegate, Kind::Nginx];
    }
    vec![Kind::Tidegate, Kind::Nginx, Kind::HaProxy]
}

/// One attack on one program, which is new; its result as JSON.
fn one(kind: Kind, folder: &Folder, origins: &[String; 2], attack: &str) -> Result<String, Failure> {
    let address = free_address()?;
    let mut process = kind.start(folder, &address, origins)?;
    process.serves(&address)?;
    let arguments = ["-c", "1", &program("release", "floods"), &address, &process.id().to_string(), attack];
    let said = output(command("taskset", &arguments))?;
    let (json, cells) = said.split_once('\n').ok_or("it says nothing")?;
    println!("{:10} {}", kind.name(), cells.trim_end());
    Ok(json.to_owned())
}

fn store(kinds: &[Kind], results: &[Vec<String>]) -> Result<(), Failure> {
    let mut subjects = Vec::new();
    for (kind, results) in kinds.iter().zip(results) {
        subjects.push(format!(
            "    {{ \"name\": \"{}\", \"version\": \"{}\", \"attacks\": [\n      {}\n    ] }}",
            kind.name(),
            kind.version()?,
            results.join(",\n      ")
        ));
    }
    save("floods", &format!("  \"subjects\": [\n{}\n  ]", subjects.join(",\n")))
}

fn tidegate(address: &str, [attacked, honest]: &[String; 2], path: &str) -> String {
    format!(
        "listeners: [{{ name: web, address: \"{address}\", protocols: [h1, h2] }}]\nworkers: 1\n\
         state_dir: \"{path}/state\"\nobserve: {{ access_log: off }}\n\
         timeouts: {{ head: 1s, body: 1s, idle: 1s }}\n\
         pools: {{ attacked: {{ servers: [\"{attacked}\"] }}, honest: {{ servers: [\"{honest}\"] }} }}\n\
         sites: {{ honest: {{ to: honest }}, '*': {{ to: attacked }} }}\n"
    )
}

fn nginx(address: &str, [attacked, honest]: &[String; 2], path: &str) -> String {
    format!(
        "daemon off; master_process off; worker_processes 1; pid {path}/pid; error_log stderr emerg;\n\
         worker_rlimit_nofile 20000; events {{ worker_connections 9000; }}\n\
         http {{ access_log off; client_body_temp_path {path}/b; proxy_temp_path {path}/p;\n\
         fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n\
         client_header_timeout 1s; client_body_timeout 1s; send_timeout 1s; keepalive_timeout 1s;\n\
         proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         upstream attacked {{ server {attacked}; keepalive 64; }}\n\
         upstream honest {{ server {honest}; keepalive 64; }}\n\
         server {{ listen {address} http2 default_server; location / {{ proxy_pass http://attacked; }} }}\n\
         server {{ listen {address} http2; server_name honest; location / {{ proxy_pass http://honest; }} }} }}\n"
    )
}

fn haproxy(address: &str, [attacked, honest]: &[String; 2]) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn 9000\n\
         defaults\n  mode http\n  http-reuse always\n  timeout connect 5s\n  timeout server 60s\n  timeout client 1s\n  \
         timeout http-request 1s\n  timeout http-keep-alive 1s\n\
         frontend web\n  bind {address} proto h2\n  use_backend honest if {{ hdr(host) honest }}\n  \
         default_backend attacked\n\
         backend attacked\n  server one {attacked}\nbackend honest\n  server one {honest}\n"
    )
}
