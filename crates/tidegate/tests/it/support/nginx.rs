//! nginx as a server behind the program.

use super::wait_for;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running nginx in a folder of its own.
pub struct Nginx {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its document root.
    pub folder: tempfile::TempDir,
    child: Child,
}

impl Nginx {
    /// Starts it with these lines in its `server` block, after the files are in its document root.
    pub fn start(lines: &str, files: &[(&str, &[u8])]) -> Nginx {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        // nginx cannot say which port it got. Ours is free again when it binds, and may be taken by then.
        for _ in 0..5 {
            let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
            if let Some(child) = run(folder.path(), address, lines) {
                return Nginx { address, folder, child };
            }
        }
        panic!("nginx found no free port");
    }
}

/// Runs nginx on this address; `None` if it ends because the address is taken.
fn run(folder: &Path, address: SocketAddr, lines: &str) -> Option<Child> {
    let path = folder.display();
    // As root its workers would become another user, who may not read the folder.
    let user = if Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n") {
        "user root;"
    } else {
        ""
    };
    let text = format!(
        "{user} daemon off; master_process off; pid {path}/pid; error_log {path}/error.log;\n\
         events {{ worker_connections 512; }}\n\
         http {{ access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
         fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n\
         client_max_body_size 100m;\n\
         server {{ listen {address}; root {path}; {lines} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    let mut child = Command::new("nginx")
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(&file)
        .args(["-e", "error.log"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx is installed (cargo xtask test does that)");
    let log = || std::fs::read_to_string(folder.join("error.log")).unwrap_or_default();
    let mut ended = false;
    wait_for("nginx", || {
        ended = child.try_wait().unwrap().is_some();
        // Written once the sockets are bound: who answers at the address may be another program.
        ended || std::fs::read(folder.join("pid")).is_ok_and(|pid| !pid.is_empty())
    });
    assert!(!ended || log().contains("Address already in use"), "nginx ended:\n{}", log());
    (!ended).then_some(child)
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
