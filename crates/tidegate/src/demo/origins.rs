//! The demo's servers.

use std::io;
use std::net::SocketAddr;
use testkit::origin::Origin;

/// Which servers each pool has.
const POOLS: [(&str, &[&str]); 4] = [
    ("shop", &["shop-1", "shop-2", "shop-3"]),
    ("api", &["api-1", "api-2"]),
    ("vip", &["vip-1"]),
    ("beta", &["beta-1"]),
];

/// One server of the demo.
pub struct Server {
    /// Its pool.
    pub pool: &'static str,
    /// Its name; it says it in `X-Server` and in its answers.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    origin: Origin,
}

impl Server {
    /// From now on it answers 500, to health checks too (`true`), or as usual (`false`).
    pub fn fail(&self, failing: bool) {
        self.origin.fail(failing);
    }
}

/// All servers of the demo; they stop when this is dropped.
pub struct Origins {
    /// In the order of their pools.
    pub servers: Vec<Server>,
}

impl Origins {
    /// Starts them, each on a free port.
    pub fn start() -> io::Result<Origins> {
        let mut servers = Vec::new();
        for (pool, names) in POOLS {
            for name in names {
                let origin = Origin::start(name)?;
                servers.push(Server { pool, name, address: origin.address, origin });
            }
        }
        Ok(Origins { servers })
    }

    /// The addresses of a pool's servers, as a list of the configuration.
    pub fn list(&self, pool: &str) -> String {
        let addresses: Vec<String> = self
            .servers
            .iter()
            .filter(|server| server.pool == pool)
            .map(|server| server.address.to_string())
            .collect();
        format!("[{}]", addresses.join(", "))
    }
}
