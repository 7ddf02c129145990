//! The demo's temporary folder, and the configuration in it.

use super::origins::Origins;
use policy::model::Drain;
use std::fs::{self, DirBuilder};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

/// The folder and what is in it; it is removed with this value.
pub struct Folder {
    /// The folder, which only its owner may read.
    pub path: PathBuf,
    /// The configuration.
    pub configuration: PathBuf,
    /// The certificate of the internal CA.
    pub authority: PathBuf,
    /// The access log.
    pub access_log: PathBuf,
    /// The port of the plain listener.
    pub http_port: u16,
    /// The port of the TLS listener.
    pub https_port: u16,
    /// How the demo drains.
    pub drain: Drain,
}

impl Folder {
    /// Makes the folder and writes the configuration.
    pub fn create(origins: &Origins) -> io::Result<Folder> {
        // Another demo may have been killed and have left its folder.
        let chance = RandomState::new().hash_one(std::process::id());
        let path = std::env::temp_dir().join(format!("tidegate-demo-{chance:016x}"));
        // Fails if it exists: whoever made it may read what we write.
        DirBuilder::new().mode(0o700).create(&path)?;
        let [http_port, https_port] = free_ports()?;
        let folder = Folder {
            configuration: path.join("tidegate.yaml"),
            authority: path.join("state/internal-ca.pem"),
            access_log: path.join("access.log"),
            path,
            http_port,
            https_port,
            drain: Drain { grace: Duration::ZERO, limit: Duration::from_secs(2) },
        };
        fs::write(&folder.configuration, folder.text(origins))?;
        Ok(folder)
    }

    /// The configuration. It is written for people to read, and may be served by `tidegate run` too.
    fn text(&self, origins: &Origins) -> String {
        let (http, https) = (self.http_port, self.https_port);
        let (shop, api) = (origins.list("shop"), origins.list("api"));
        let (vip, beta) = (origins.list("vip"), origins.list("beta"));
        let (state, log) = (self.path.join("state"), &self.access_log);
        format!(
            r#"# The configuration of the demo. Try: tidegate check, test and explain with -c and this path.
listeners:
  - {{ name: web, address: "127.0.0.1:{http}" }}
  - {{ name: secure, address: "127.0.0.1:{https}", tls: true }}

tls: {{ internal: true }}
state_dir: "{state}"
observe: {{ access_log: {{ to: "{log}" }} }}

pools:
  shop:
    servers: {shop}
    health: {{ path: /healthz, every: 500ms, timeout: 400ms, rise: 1, fall: 1 }}
    sticky: cookie
  api: {{ servers: {api}, health: /healthz, balance: least_requests }}
  vip: {{ servers: {vip} }}
  beta: {{ servers: {beta} }}

sites:
  '*':
    redirect_to_https: false
    routes:
      - {{ path: "/api/*", to: api }}
      - {{ path: "/old/*", to: {{ redirect: "/api/{{rest}}", status: 308 }} }}
      - {{ header: {{ x-tier: vip }}, to: vip }}
      - {{ cookie: {{ beta: "yes" }}, to: beta }}
      - {{ to: shop }}

tests:
  - {{ get: http://demo.example/, to: shop, sticky: true }}
  - {{ get: http://demo.example/api/orders, to: api }}
  - {{ get: http://demo.example/, headers: {{ x-tier: vip }}, to: vip }}
  - {{ get: http://demo.example/, cookies: {{ beta: "yes" }}, to: beta }}
  - {{ get: http://demo.example/old/orders, status: 308 }}
"#,
            state = state.display(),
            log = log.display(),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own tidying of temporary files.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Two ports that are free now. They are written into the configuration, so they must be known before
/// they are bound; both are held until both are known, so that they differ.
fn free_ports() -> io::Result<[u16; 2]> {
    let held = [TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?];
    Ok([held[0].local_addr()?.port(), held[1].local_addr()?.port()])
}
