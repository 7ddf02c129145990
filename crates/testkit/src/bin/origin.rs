//! `origin PORT…`: origins on 127.0.0.1, named after their ports (`origin-9001`), until the process ends.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use testkit::origin::Origin;

fn main() -> ExitCode {
    let ports: Result<Vec<u16>, _> = std::env::args().skip(1).map(|argument| argument.parse()).collect();
    let ports = match ports {
        Ok(ports) if !ports.is_empty() => ports,
        _ => {
            eprintln!("usage: origin PORT…");
            return ExitCode::from(2);
        }
    };
    let mut origins = Vec::new();
    for port in ports {
        match Origin::start_at(&format!("origin-{port}"), (Ipv4Addr::LOCALHOST, port).into()) {
            Ok(origin) => {
                println!("{} listens on {}", origin.name, origin.address);
                origins.push(origin);
            }
            Err(error) => {
                eprintln!("cannot listen on port {port}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    loop {
        std::thread::park();
    }
}
