//! Tidegate's configuration.

use super::{Place, program, write};
use crate::bench::workload::Routes;
use crate::run::Failure;

/// Writes it; the words that start it.
pub(super) fn prepare(place: &Place) -> Result<Vec<String>, Failure> {
    let file = write(place, "tidegate.yaml", &text(place))?;
    Ok([&program("dist", "tidegate"), "run", "-c", &file].map(str::to_owned).to_vec())
}

fn text(place: &Place) -> String {
    let Place { setting, address, servers, folder, certificates } = place;
    let listener = match (setting.tls, setting.h2c) {
        (true, _) => ", tls: true",
        (false, true) => ", protocols: [h1, h2]",
        (false, false) => "",
    };
    let mut text = format!(
        "listeners: [{{ name: web, address: \"{address}\"{listener} }}]\nworkers: 1\nstate_dir: {folder:?}\n\
         observe: {{ access_log: off }}\ntimeouts: {{ idle: 10m }}\n"
    );
    if setting.tls {
        text += &format!(
            "tls: {{ certificates: [{{ cert: \"{certificates}/cert.pem\", key: \"{certificates}/key.pem\" }}] }}\n"
        );
    }
    let mut pool =
        format!("servers: [{}]", servers.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", "));
    if setting.grpc {
        pool += ", protocol: h2c";
    }
    if setting.chain {
        pool += ", sticky: cookie, health: /healthz, retries: [502, 503]";
    }
    text += &format!("pools: {{ app: {{ {pool} }} }}\nsites:\n");
    match setting.routes {
        Routes::One => text += "  '*': { to: app }\n",
        Routes::Paths(count) => {
            text += "  '*':\n    routes:\n";
            text +=
                &(0..count).map(|at| format!("      - {{ path: /r/{at}, to: app }}\n")).collect::<String>();
        }
        Routes::Hosts(count) => {
            text += &(0..count).map(|at| format!("  h{at}.example: {{ to: app }}\n")).collect::<String>();
        }
    }
    text
}
