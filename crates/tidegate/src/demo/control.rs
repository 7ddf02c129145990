//! A port of the demo at which a server can be made to fail: `POST /fail/NAME` and `POST /heal/NAME`.
//!
//! It takes one request a connection and reads no more than its head: it is for one person with curl on
//! this machine.

use super::origins::Origins;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The longest request head that is read.
const HEAD_BYTES_MAX: u64 = 8 * 1024;

/// How long a request may take to come.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);

/// The port; it is served until the process ends.
pub struct Control {
    address: SocketAddr,
}

impl Control {
    /// Serves on a free port.
    pub fn start(origins: &Arc<Origins>) -> io::Result<Control> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let origins = Arc::clone(origins);
        std::thread::Builder::new().name("control".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away has only itself to blame.
                let _ = serve(&stream, &origins);
            }
        })?;
        Ok(Control { address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn serve(mut stream: &TcpStream, origins: &Origins) -> io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_LIMIT))?;
    let mut lines = BufReader::new(stream.take(HEAD_BYTES_MAX)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The rest of the head is read so that closing does not reset the connection under the answer.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (status, text) = answer(&request, origins);
    let length = text.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
}

/// Does what the request line asks for; gives the status and the text of the answer.
fn answer(request: &str, origins: &Origins) -> (&'static str, String) {
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let Some((failing, name)) = order(path) else {
        return ("404 Not Found", "POST /fail/NAME or POST /heal/NAME\n".to_owned());
    };
    if method != "POST" {
        return ("405 Method Not Allowed", "use POST\n".to_owned());
    }
    match origins.servers.iter().find(|server| server.name == name) {
        Some(server) => {
            server.fail(failing);
            let does = if failing { "fails from now on" } else { "works again" };
            ("200 OK", format!("{name} {does}\n"))
        }
        None => {
            let names: Vec<&str> = origins.servers.iter().map(|server| server.name).collect();
            ("404 Not Found", format!("no server {name}; there are {}\n", names.join(", ")))
        }
    }
}

/// `/fail/NAME` or `/heal/NAME`: whether to fail, and which server.
fn order(path: &str) -> Option<(bool, &str)> {
    let (verb, name) = path.strip_prefix('/')?.split_once('/')?;
    match verb {
        "fail" => Some((true, name)),
        "heal" => Some((false, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read() {
        assert_eq!(order("/fail/shop-1"), Some((true, "shop-1")));
        assert_eq!(order("/heal/shop-1"), Some((false, "shop-1")));
        assert_eq!(order("/break/shop-1"), None);
        assert_eq!(order("/"), None);
    }
}
