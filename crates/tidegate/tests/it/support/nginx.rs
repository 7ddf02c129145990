//! nginx as a server behind the program.

use super::wait_for;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
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
        let path = folder.path().display();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        // nginx cannot say which port it got; ours is free again when it binds.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        // As root its workers would become another user, who may not read the folder.
        let user = if Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n") {
            "user root;"
        } else {
            ""
        };
        let text = format!(
            "{user} daemon off; master_process off; pid {path}/pid; error_log stderr;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
             fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n\
             client_max_body_size 100m;\n\
             server {{ listen {address}; root {path}; {lines} }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx is installed (cargo xtask test does that)");
        wait_for("nginx", || TcpStream::connect(address).is_ok());
        Nginx { address, folder, child }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
