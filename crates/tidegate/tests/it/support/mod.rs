//! What the tests have in common: the program itself, nginx as a server behind it, and waiting with a
//! deadline.

pub mod h2_server;
pub mod nginx;
pub mod program;
pub mod tool;

pub use h2_server::H2Server;
pub use nginx::Nginx;
pub use program::Tidegate;

use std::time::{Duration, Instant};
use testkit::client::Client;
use testkit::origin::Origin;

/// How long a condition may take to come true.
pub const LIMIT: Duration = Duration::from_secs(15);

/// Waits until `condition` holds; says what was waited for when it never does.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One listener `web`, one pool `app` with these servers, everything goes there. `more` is joined at the top
/// level, `pool` is what the pool has besides its servers.
pub fn simple(servers: &[std::net::SocketAddr], pool: &str, more: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\" }}]\n{more}\n\
         pools: {{ app: {{ servers: [{}] {pool} }} }}\nsites: {{ '*': {{ to: app }} }}\n",
        servers.join(", ")
    )
}

/// An origin with the program before it.
pub struct Pair {
    /// First, so that it ends first.
    pub tidegate: Tidegate,
    /// The server behind it.
    pub origin: Origin,
}

impl Pair {
    /// With everything at its default.
    pub fn start() -> Pair {
        Pair::with("", "")
    }

    /// With more in the pool and at the top level, see [`simple`].
    pub fn with(pool: &str, more: &str) -> Pair {
        let origin = Origin::start("one").unwrap();
        let tidegate = Tidegate::start(&simple(&[origin.address], pool, more));
        Pair { tidegate, origin }
    }

    /// A new connection to the program.
    pub fn client(&self) -> Client {
        self.tidegate.client()
    }

    /// A client whose request is at the server, alone there, and has no answer yet.
    #[track_caller]
    pub fn running(&self, path: &str) -> Client {
        let mut client = self.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        wait_for("the request at the server", || self.origin.in_flight() == 1);
        client
    }
}
