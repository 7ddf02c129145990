//! Configurations of the peers: what an operator writes who wants them fast, with the same duties as ours. They pass
//! `Host` and `X-Forwarded-For` on, keep connections to the origin, and never end a client's after so many requests.

use super::program::{Place, hosts, paths};
use super::scenario::Shape;
use std::path::Path;

/// The configuration of nginx.
pub(super) fn nginx(shape: Shape, place: &Place<'_>) -> String {
    let (folder, certificate) = (place.folder.display(), place.certificate.display());
    let listen = match shape {
        Shape::Plain | Shape::Routes | Shape::Logged => String::new(),
        Shape::Tls => format!(
            " ssl; ssl_protocols TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {certificate}"
        ),
        Shape::Http2 | Shape::Grpc => " http2".to_owned(),
    };
    let log = match shape {
        Shape::Logged => format!("{folder}/access.log combined buffer=64k flush=1s"),
        _ => "off".to_owned(),
    };
    let pass = match shape {
        Shape::Grpc => "grpc_pass grpc://app; grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        _ => {
            "proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
             proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; \
             proxy_buffering off; proxy_request_buffering off; proxy_buffer_size 64k; proxy_buffers 8 64k; \
             proxy_busy_buffers_size 128k;"
        }
    };
    let mut text = format!(
        "daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log stderr emerg;\n\
         events {{ worker_connections 1000; }}\n\
         http {{ access_log {log}; keepalive_timeout 600s; keepalive_requests 1000000000;\n\
         server_names_hash_max_size 1000000; client_body_buffer_size 64k;\n\
         client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n\
         uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         upstream app {{ server {}; keepalive 64; keepalive_requests 1000000000; }}\n\
         server {{ listen {}{listen}; server_name shop.example;\n\
         location / {{ {pass} }}\n",
        place.origin, place.address,
    );
    if shape == Shape::Routes {
        paths().for_each(|path| text.push_str(&format!("location {path} {{ proxy_pass http://app; }}\n")));
    }
    text.push_str("}\n");
    if shape == Shape::Routes {
        for host in hosts() {
            text.push_str(&format!("server {{ listen {}; server_name {host}; }}\n", place.address));
        }
    }
    text.push_str("}\n");
    text
}

/// The configuration of HAProxy. `map` has its many routes.
pub(super) fn haproxy(shape: Shape, place: &Place<'_>, map: &Path) -> String {
    let bind = match shape {
        Shape::Plain | Shape::Routes | Shape::Logged => String::new(),
        Shape::Tls => format!(" ssl crt {} alpn http/1.1", place.certificate.display()),
        Shape::Http2 | Shape::Grpc => " proto h2".to_owned(),
    };
    let log = match shape {
        Shape::Logged => "  log stdout format raw local0\n  option httplog\n",
        _ => "",
    };
    let choice = match shape {
        Shape::Routes => format!("use_backend %[base,map_beg({},app)]", map.display()),
        _ => "default_backend app".to_owned(),
    };
    let server = if shape == Shape::Grpc { " proto h2" } else { "" };
    format!(
        "global\n  nbthread 1\n  maxconn 1000\n  tune.bufsize 65536\n\
         defaults\n  mode http\n  http-reuse always\n  option forwardfor\n  timeout connect 5s\n  timeout server 600s\n  \
         timeout client 600s\n  timeout http-request 600s\n  timeout http-keep-alive 600s\n{log}\
         frontend web\n  bind {}{bind}\n  {choice}\n\
         backend app\n  server one {}{server}\n",
        place.address, place.origin
    )
}

/// Beginnings of host and path, and where they lead.
pub(super) fn haproxy_map() -> String {
    let hosts = hosts().map(|host| format!("{host}/ app\n"));
    hosts.chain(paths().map(|path| format!("shop.example{path} app\n"))).collect()
}
