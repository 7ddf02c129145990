//! `bench-origin ADDRESS`: the cheapest origin that is still correct, for measuring what is before it.

use mio::net::TcpListener;
use std::net::SocketAddr;
use std::process::ExitCode;
use testkit::bench::origin;

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1).and_then(|text| text.parse::<SocketAddr>().ok()) else {
        eprintln!("usage: bench-origin ADDRESS");
        return ExitCode::from(2);
    };
    match TcpListener::bind(address).and_then(origin::serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-origin: {error}");
            ExitCode::FAILURE
        }
    }
}
