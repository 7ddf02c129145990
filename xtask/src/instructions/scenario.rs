//! What is counted.

/// One way to use a balancer. Client and origin are those of `lockstep`, a program of the testkit.
#[derive(Debug)]
pub struct Scenario {
    /// In tables and in the stored figures.
    pub name: &'static str,
    /// What the client does.
    pub workload: &'static str,
    /// What the origin answers.
    pub origin: &'static str,
    /// How the program in between is set up.
    pub shape: Shape,
    /// Requests of the shorter run: enough for all that happens once, or seldom, to have happened.
    pub few: u32,
    /// Requests of the longer run.
    pub many: u32,
}

/// How a program is set up, beside one listener and one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// HTTP/1.1 on both sides.
    Plain,
    /// TLS towards the client.
    Tls,
    /// HTTP/2 without TLS towards the client.
    Http2,
    /// HTTP/2 without TLS on both sides.
    Grpc,
    /// As `Plain`, with [`ROUTES`] routes.
    Routes,
    /// As `Plain`, with an access log.
    Logged,
}

/// Routes where there are many: half of them differ in the path, the others in the host.
pub const ROUTES: usize = 100_000;

/// Scenarios that are compared with each other: one, the other, and the most that it may cost of that, if that is promised.
pub const RATIOS: [(&str, &str, Option<f64>); 2] =
    [("routes", "small", Some(1.05)), ("access-log", "small", None)];

const fn plain(name: &'static str, workload: &'static str, origin: &'static str) -> Scenario {
    Scenario { name, workload, origin, shape: Shape::Plain, few: 400, many: 2000 }
}

/// All of them.
pub const SCENARIOS: [Scenario; 14] = [
    plain("small", "small", "small"),
    plain("browser", "browser", "browser"),
    Scenario { few: 100, many: 500, ..plain("large", "small", "large") },
    Scenario { few: 100, many: 500, ..plain("post", "post", "small") },
    plain("chunked", "chunked", "chunked"),
    Scenario { few: 200, many: 1000, ..plain("reconnect", "reconnect", "small") },
    // What its one handshake costs varies, and so does a start with many routes: more requests make less of that.
    Scenario { shape: Shape::Tls, many: 8400, ..plain("tls", "tls", "small") },
    Scenario { shape: Shape::Tls, few: 50, many: 250, ..plain("tls-full", "tls-full", "small") },
    Scenario { shape: Shape::Tls, few: 50, many: 250, ..plain("tls-resumed", "tls-resumed", "small") },
    Scenario { shape: Shape::Http2, ..plain("h2-1", "h2", "small") },
    Scenario { shape: Shape::Http2, ..plain("h2-10", "h2-together", "together") },
    Scenario { shape: Shape::Grpc, ..plain("grpc", "grpc", "grpc") },
    Scenario { shape: Shape::Logged, ..plain("access-log", "small", "small") },
    Scenario { shape: Shape::Routes, many: 8400, ..plain("routes", "small", "small") },
];
