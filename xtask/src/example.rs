//! An example with servers behind it, in one line.

use crate::run::{Failure, cargo, command, root, succeed, target};
use std::process::{Child, Stdio};

/// Serves `examples/NAME` until it is ended, with a process for each of its servers, so that each can be stopped alone.
///
/// # Errors
/// When there is no such example, or it does not build or start.
pub fn serve(name: &str) -> Result<(), Failure> {
    let file = format!("examples/{name}/tidegate.yaml");
    let yaml = std::fs::read_to_string(root().join(&file)).map_err(|error| format!("{file}: {error}"))?;
    let packages = ["build", "--release", "--locked", "-p", "tidegate", "-p", "tidegate-testkit"];
    succeed(cargo(&packages))?;
    let built = target().join("release");
    let origin = built.join("origin").display().to_string();
    let mut servers = Vec::new();
    for port in ports(&yaml) {
        let child = command(&origin, &[&port]).stdout(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("{origin}: {error}"))?;
        println!("server 127.0.0.1:{port}  stop: kill {}  start again: {origin} {port} &", child.id());
        servers.push(Server(child));
    }
    succeed(command(&built.join("tidegate").display().to_string(), &["run", "-c", &file]))
}

/// Ends with us.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Somebody may have stopped it, which is what it is for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The ports of all servers, each once.
fn ports(yaml: &str) -> Vec<String> {
    let lines = yaml.lines().filter(|line| line.contains("servers:"));
    let addresses = lines.flat_map(|line| line.split("127.0.0.1:").skip(1));
    let mut ports: Vec<String> =
        addresses.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect()).collect();
    ports.sort();
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_of_each_example_is_found() {
        for (name, wanted) in
            [("quickstart", 9001..=9002), ("multi-tier", 9001..=9008), ("sticky", 9001..=9004)]
        {
            let path = root().join("examples").join(name).join("tidegate.yaml");
            let yaml = std::fs::read_to_string(path).expect("an example");
            assert_eq!(ports(&yaml), wanted.map(|port| port.to_string()).collect::<Vec<_>>(), "{name}");
        }
    }
}
