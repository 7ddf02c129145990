//! The stage of a suite: a folder with certificates, and the program that is looked at between client and server.

use crate::process::{Process, free_address};
use crate::run::{Failure, command, root, target};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// This program.
    Tidegate,
    /// A well-known one, for comparison.
    Nginx,
}

/// A folder in `target/conformance/`, made anew by each run and left for who wants to look: what programs said, and
/// an authority (`ca.pem`) with a certificate of its making for localhost (`cert.pem`, `key.pem`).
pub struct Stage {
    folder: PathBuf,
}

impl Stage {
    /// The stage of a suite.
    ///
    /// # Errors
    /// When the folder or the certificates cannot be made.
    pub fn new(suite: &str) -> Result<Stage, Failure> {
        let folder = target().join("conformance").join(suite);
        // It may not be there yet.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        certify(&folder)?;
        Ok(Stage { folder })
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Starts a program that is there as soon as it listens on `address`; what it says goes to `NAME.log`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self, name: &str, mut program: Command, address: &str) -> Result<Process, Failure> {
        let log = File::create(self.file(&format!("{name}.log"))).map_err(|error| error.to_string())?;
        let error_log = log.try_clone().map_err(|error| error.to_string())?;
        let child = program.stdout(log).stderr(error_log).spawn();
        let mut process = child.map(Process).map_err(|error| format!("{name}: {error}"))?;
        let log = self.file(&format!("{name}.log"));
        let told = |error| format!("{name}: {error}:\n{}", std::fs::read_to_string(log).unwrap_or_default());
        process.serves(address).map_err(told)?;
        Ok(process)
    }

    /// Starts what is looked at before servers at these addresses, each with the name that `CONFIGURATION.yaml` in
    /// `conformance/` has for it.
    ///
    /// # Errors
    /// When it does not start; with what it said.
    pub fn before(
        &self,
        subject: Subject,
        configuration: &str,
        servers: &[(&str, &str)],
    ) -> Result<Running, Failure> {
        let (plain, secure) = (free_address()?, free_address()?);
        let folder = self.folder.display().to_string();
        let own = [("PLAIN", plain.as_str()), ("SECURE", &secure), ("FOLDER", &folder)];
        let names = [&own, servers].concat();
        let mut program = match subject {
            Subject::Tidegate => tidegate(configuration),
            Subject::Nginx => self.nginx(configuration, &names)?,
        };
        program.envs(names.iter().copied());
        let log = self.folder.join(format!("{configuration}.log"));
        let error_log = File::create(&log).map_err(|error| error.to_string())?;
        let access = File::create(self.file(&format!("{configuration}-access.log")))
            .map_err(|error| error.to_string())?;
        let child = program.stdout(access).stderr(error_log).spawn().map_err(|error| error.to_string())?;
        let mut running = Running { plain, secure, process: Process(child), log };
        for address in [&running.plain, &running.secure] {
            let serves = running.process.serves(address);
            serves.map_err(|error| format!("{subject:?}: {error}:\n{}", running.said()))?;
        }
        Ok(running)
    }

    fn nginx(&self, configuration: &str, names: &[(&str, &str)]) -> Result<Command, Failure> {
        let template = root().join("conformance/nginx.conf");
        let mut text = std::fs::read_to_string(template).map_err(|error| error.to_string())?;
        let pass = match configuration {
            "grpc-plain" => "grpc_pass grpc://${SERVER};",
            "grpc-tls" => "grpc_pass grpcs://${SERVER};",
            _ => "proxy_pass http://${SERVER};",
        };
        for (name, value) in [&[("PASS", pass)], names].concat() {
            text = text.replace(&format!("${{{name}}}"), value);
        }
        let file = self.file("nginx.conf");
        std::fs::write(&file, text).map_err(|error| error.to_string())?;
        let mut nginx = command("nginx", &["-p", &self.file(""), "-c", &file, "-e", "stderr"]);
        // It lies where ordinary users do not look.
        nginx.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        Ok(nginx)
    }
}

/// A program of this workspace, as `cargo build` makes it.
pub fn built(name: &str) -> String {
    target().join("debug").join(name).display().to_string()
}

fn tidegate(configuration: &str) -> Command {
    let file = root().join("conformance").join(format!("{configuration}.yaml"));
    command(&built("tidegate"), &["run", "-c", &file.display().to_string()])
}

/// What is looked at, running.
pub struct Running {
    /// Where it listens without TLS.
    pub plain: String,
    /// Where it listens with TLS.
    pub secure: String,
    process: Process,
    log: PathBuf,
}

impl Running {
    /// Its id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it, and looks at how it went: cases may all hold while an engine dies and is replaced.
    ///
    /// # Errors
    /// When it ended otherwise than by draining, or its log speaks of an engine that died or of a panic.
    pub fn end(mut self) -> Result<(), Failure> {
        let status = self.process.end()?;
        let said = self.said();
        if !status.success() || said.contains("panicked") || said.contains("died") {
            return Err(format!("it ended with {status}, and said:\n{said}"));
        }
        Ok(())
    }
}

/// Makes the authority and the certificate. They are good for a month, so that nobody relies on them.
fn certify(folder: &Path) -> Result<(), Failure> {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
    let authority = [
        &["req", "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Tidegate conformance"],
        &["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"][..],
        &key,
    ];
    openssl(folder, &authority.concat())?;
    let request = [
        &["req", "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost"],
        &["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"][..],
        &key[..5],
    ];
    openssl(folder, &request.concat())?;
    let sign = ["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "30"];
    openssl(folder, &[&sign[..], &["-copy_extensions", "copy", "-out", "cert.pem"]].concat())
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let mut openssl = command("openssl", arguments);
    openssl.current_dir(folder).stderr(Stdio::piped());
    let done = openssl.output().map_err(|error| format!("openssl: {error}"))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("openssl {}: {}", arguments[0], String::from_utf8_lossy(&done.stderr))),
    }
}

/// Runs a program that must end within some seconds; what it said, and whether it was content.
///
/// # Errors
/// When it cannot be run.
pub fn within(seconds: u32, program: &str, arguments: &[&str]) -> Result<(String, bool), Failure> {
    let limit = seconds.to_string();
    let mut command = command("timeout", &["-k", "5", &limit, program]);
    let done = command.args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let mut said = String::from_utf8_lossy(&done.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&done.stderr));
    if done.status.code() == Some(124) {
        said.push_str(&format!("no end after {seconds} s"));
    }
    Ok((said, done.status.success()))
}
