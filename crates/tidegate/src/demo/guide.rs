//! What the demo prints: what is where, and commands to try.
//!
//! Every command stands on a line of its own, indented by four spaces, and works as printed; a test runs
//! each of them.

use super::files::Folder;
use super::origins::Origins;
use std::fmt::Write;
use std::net::SocketAddr;

/// A heading and the commands below it.
struct Step {
    says: String,
    commands: Vec<String>,
}

fn step(says: impl Into<String>, commands: &[String]) -> Step {
    Step { says: says.into(), commands: commands.to_vec() }
}

/// The whole text.
pub fn text(folder: &Folder, origins: &Origins, control: SocketAddr) -> String {
    let mut text = places(folder, origins);
    for Step { says, commands } in steps(folder, control) {
        let _ = writeln!(text, "\n{says}");
        for command in commands {
            let _ = writeln!(text, "    {command}");
        }
    }
    text.push_str("\nCtrl-C drains and stops.\n");
    text
}

/// What is where.
fn places(folder: &Folder, origins: &Origins) -> String {
    let mut text = String::from("Tidegate demo\n\n");
    let mut place = |what: &str, at: String| {
        let _ = writeln!(text, "  {what:<14} {at}");
    };
    place("balancer", format!("http://127.0.0.1:{}", folder.http_port));
    place("with TLS", format!("https://localhost:{}", folder.https_port));
    for server in &origins.servers {
        place(server.name, format!("http://{} (pool {})", server.address, server.pool));
    }
    place("configuration", folder.configuration.display().to_string());
    place("access log", folder.access_log.display().to_string());
    text
}

fn steps(folder: &Folder, control: SocketAddr) -> Vec<Step> {
    let http = format!("http://127.0.0.1:{}", folder.http_port);
    let jar = folder.path.join("cookies").display().to_string();
    let configuration = folder.configuration.display();
    let program = std::env::current_exe().map_or("tidegate".to_owned(), |path| path.display().to_string());
    let thrice = |request: &str| format!("for i in 1 2 3; do curl -si {request} | grep -i '^x-server'; done");
    let statuses = format!("for i in 1 2 3; do curl -si {http}/ | grep -iE '^(http|x-server)'; done");
    vec![
        step("By path: /api/* goes to the pool api", &[format!("curl -s {http}/api/orders")]),
        step("By header", &[format!("curl -s -H 'X-Tier: vip' {http}/")]),
        step("By cookie", &[format!("curl -s -b 'beta=yes' {http}/")]),
        step("Everything else goes round the servers of shop", &[thrice(&format!("{http}/"))]),
        step(
            "A session stays on its server, here by a signed cookie",
            &[thrice(&format!("-b {jar} -c {jar} {http}/"))],
        ),
        step("A redirect, followed", &[format!("curl -sL {http}/old/orders")]),
        step(
            "TLS, with a certificate of the demo's own CA",
            &[format!(
                "curl -s --cacert {} https://localhost:{}/api/orders",
                folder.authority.display(),
                folder.https_port
            )],
        ),
        step(
            "A server that fails is left within a second, and comes back",
            &[
                format!("curl -s -X POST http://{control}/fail/shop-1; sleep 1"),
                statuses.clone(),
                format!("curl -s -X POST http://{control}/heal/shop-1; sleep 1"),
                statuses,
            ],
        ),
        step(
            "Why a request goes where it goes, and the tests of the configuration",
            &[
                format!("{program} explain -c {configuration} GET http://demo.example/api/orders"),
                format!("{program} test -c {configuration}"),
            ],
        ),
        step("The access log", &[format!("tail -n 3 {}", folder.access_log.display())]),
    ]
}
