//! nginx's configuration, as a newcomer writes it, and tuned.

use super::{Place, write};
use crate::bench::workload::Routes;
use crate::run::Failure;

/// Writes it; the words that start it.
pub(super) fn prepare(place: &Place, tuned: bool) -> Result<Vec<String>, Failure> {
    let file = write(place, "nginx.conf", &text(place, tuned))?;
    Ok(["nginx", "-p", place.folder, "-c", &file, "-e", "stderr"].map(str::to_owned).to_vec())
}

fn text(place: &Place, tuned: bool) -> String {
    let Place { setting, address, servers, folder, certificates } = place;
    let mut text = format!(
        "daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log stderr;\n\
         worker_rlimit_nofile 20000; events {{ worker_connections 18000; }}\n\
         http {{ access_log off; keepalive_timeout 600s; keepalive_requests 1000000000;\n\
         client_max_body_size 1g; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n\
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
    );
    // Without it calls of gRPC wait for a new connection each, which nobody runs.
    let keeps = tuned || setting.grpc;
    if tuned {
        text += "proxy_buffering off; proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;\n\
                 client_body_buffer_size 64k;\n";
    }
    if setting.websocket {
        text += "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                 proxy_set_header Connection upgrade;\n";
    } else if tuned {
        text += "proxy_http_version 1.1; proxy_set_header Connection \"\";\n";
    }
    if setting.chain {
        text += "proxy_next_upstream error timeout http_502 http_503; \
                 add_header Set-Cookie \"bench=$upstream_addr; Path=/\";\n";
    }
    if setting.tls {
        text += &format!(
            "ssl_certificate {certificates}/cert.pem; ssl_certificate_key {certificates}/key.pem;\n\
             ssl_protocols TLSv1.2 TLSv1.3;\n"
        );
    }
    text += "upstream app { ";
    if setting.chain {
        text += "ip_hash; ";
    }
    text += &servers.iter().map(|server| format!("server {server}; ")).collect::<String>();
    if keeps {
        text += "keepalive 1024; keepalive_requests 1000000000; ";
    }
    let listen = match (setting.tls, setting.h2c) {
        (true, _) => format!("listen {address} ssl http2"),
        (false, true) => format!("listen {address} http2"),
        (false, false) => format!("listen {address}"),
    };
    text += "}\n";
    let pass = if setting.grpc { "grpc_pass grpc://app;" } else { "proxy_pass http://app;" };
    match setting.routes {
        Routes::One => text += &format!("server {{ {listen}; location / {{ {pass} }} }} }}\n"),
        Routes::Paths(count) => {
            text += &format!("server {{ {listen};\n");
            text += &(0..count).map(|at| format!("location = /r/{at} {{ {pass} }}\n")).collect::<String>();
            text += "} }\n";
        }
        Routes::Hosts(count) => {
            text += "server_names_hash_max_size 1048576; server_names_hash_bucket_size 128;\n";
            let server =
                |at| format!("server {{ {listen}; server_name h{at}.example; location / {{ {pass} }} }}\n");
            text += &(0..count).map(server).collect::<String>();
            text += "}\n";
        }
    }
    text
}
