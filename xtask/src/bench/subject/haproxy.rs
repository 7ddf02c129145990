//! HAProxy's configuration.

use super::{Place, write};
use crate::bench::workload::Routes;
use crate::run::Failure;
use std::fmt::Write;

/// Writes it; the words that start it.
pub(super) fn prepare(place: &Place, tuned: bool) -> Result<Vec<String>, Failure> {
    let (key, name, count): (_, fn(usize) -> String, _) = match place.setting.routes {
        Routes::One => ("", |_| String::new(), 0),
        Routes::Paths(count) => ("path", |at| format!("/r/{at}"), count),
        Routes::Hosts(count) => ("req.hdr(host),lower", |at| format!("h{at}.example"), count),
    };
    let lines: String = (0..count).map(|at| format!("{} app\n", name(at))).collect();
    let map = write(place, "routes.map", &lines)?;
    let choice = match count {
        0 => "default_backend app".to_owned(),
        _ => format!("use_backend %[{key},map({map})]"),
    };
    let file = write(place, "haproxy.cfg", &text(place, tuned, &choice))?;
    Ok(["haproxy", "-db", "-f", &file].map(str::to_owned).to_vec())
}

fn text(place: &Place, tuned: bool, choice: &str) -> String {
    let Place { setting, address, servers, certificates, .. } = place;
    let bind = match (setting.tls, setting.h2c) {
        (true, _) => format!(" ssl crt {certificates}/both.pem alpn h2,http/1.1"),
        (false, true) => " proto h2".to_owned(),
        (false, false) => String::new(),
    };
    // Ten thousand idle connections and those of the load need more than a small machine's limit promises to hold twice.
    // With a quarter of the limit in use it would also keep no connections to servers, which nobody wants of it either.
    let mut text =
        "global\n  nbthread 1\n  maxconn 11000\n  no strict-limits\n  tune.pool-low-fd-ratio 90\n  \
                    tune.pool-high-fd-ratio 95\n"
            .to_owned();
    if tuned {
        text += "  tune.bufsize 65536\n";
    }
    text += "defaults\n  mode http\n  http-reuse always\n  option forwardfor\n  timeout connect 5s\n  \
             timeout client 600s\n  timeout server 60s\n  timeout http-keep-alive 600s\n  timeout tunnel 600s\n";
    if tuned {
        text += "  option splice-auto\n";
    }
    text += &format!("frontend web\n  bind {address}{bind}\n  {choice}\nbackend app\n");
    if setting.chain {
        text += "  option httpchk GET /healthz\n  cookie bench insert indirect nocache\n  retries 2\n  \
                 retry-on conn-failure empty-response 502 503\n";
    }
    for (at, server) in servers.iter().enumerate() {
        let more = if setting.grpc { " proto h2" } else { "" };
        let chain = if setting.chain { format!(" check inter 2s cookie s{at}") } else { String::new() };
        // A text takes all that is written to it.
        let _ = writeln!(text, "  server s{at} {server}{more}{chain}");
    }
    text
}
