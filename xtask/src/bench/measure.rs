//! What is measured, and the load that it is measured under.

use crate::run::{Failure, command, output};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Runs wrk on core 1; the number of requests that were answered. Any error fails.
///
/// # Errors
/// When wrk reports a socket error or a bad status, or says nothing.
pub fn load(address: &str, connections: u32, seconds: u32) -> Result<u64, Failure> {
    let (connections, seconds) = (format!("-c{connections}"), format!("-d{seconds}s"));
    let url = format!("http://{address}/");
    let text = output(command("taskset", &["-c", "1", "wrk", "-t1", &connections, &seconds, &url]))?;
    if text.contains("Socket errors") || text.contains("Non-2xx") {
        return Err(format!("the load met errors:\n{text}"));
    }
    text.lines()
        .find(|line| line.contains(" requests in "))
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("wrk says nothing that is understood:\n{text}"))
}

/// Nanoseconds that all threads of these processes have run.
///
/// # Errors
/// When a process is gone or the kernel does not count.
pub fn processor_time(pids: &[u32]) -> Result<u64, Failure> {
    let mut sum = 0;
    for pid in pids {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| error.to_string())?;
        for task in tasks.flatten() {
            // A thread that has just ended took next to nothing with it.
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            sum += text.split(' ').next().and_then(|time| time.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    if sum == 0 {
        Err("the kernel does not count the time of threads (schedstat)".to_owned())
    } else {
        Ok(sum)
    }
}

/// Bytes that only these processes hold.
///
/// # Errors
/// When a process is gone.
pub fn private_bytes(pids: &[u32]) -> Result<u64, Failure> {
    let mut sum = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let lines = text.lines().filter(|line| line.starts_with("Private_"));
        sum +=
            lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() * 1024;
    }
    Ok(sum)
}

/// Opens connections, each of which had one request answered and is idle now.
///
/// # Errors
/// When one is refused or not answered.
pub fn open_idle(address: &str, count: usize) -> Result<Vec<TcpStream>, Failure> {
    (0..count).map(|_| one_idle(address).map_err(|error| format!("idle connection: {error}"))).collect()
}

fn one_idle(address: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    // The body is one letter repeated, so the end of the head is unmistakable.
    while !is_whole(&answer) {
        match stream.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    Ok(stream)
}

fn is_whole(answer: &[u8]) -> bool {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    end.is_some_and(|end| answer.len() >= end + 4 + super::ANSWER_BYTES)
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}
