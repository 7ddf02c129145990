//! `bench-relay ADDRESS ORIGIN`: passes bytes on and understands nothing, which is what the kernel alone costs.

use mio::net::TcpListener;
use std::net::SocketAddr;
use std::process::ExitCode;
use testkit::bench::relay;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut address = || arguments.next().and_then(|text| text.parse::<SocketAddr>().ok());
    let (Some(own), Some(origin)) = (address(), address()) else {
        eprintln!("usage: bench-relay ADDRESS ORIGIN");
        return ExitCode::from(2);
    };
    match TcpListener::bind(own).and_then(|listener| relay::serve(listener, origin)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-relay: {error}");
            ExitCode::FAILURE
        }
    }
}
