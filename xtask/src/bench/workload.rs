//! What the programs are put through: an entry each.

use super::subject::Kind;

/// How routes differ, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routes {
    /// Everything goes the same way.
    One,
    /// `/r/0`, `/r/1` and so on.
    Paths(usize),
    /// `h0.example`, `h1.example` and so on.
    Hosts(usize),
}

/// What the programs are configured for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Whether clients come over TLS.
    pub tls: bool,
    /// Whether clients without TLS speak HTTP/2.
    pub h2c: bool,
    /// Whether the server speaks gRPC, over HTTP/2 without TLS.
    pub grpc: bool,
    /// Whether connections become WebSockets.
    pub websocket: bool,
    /// The routes.
    pub routes: Routes,
    /// How many servers there are.
    pub servers: usize,
    /// Whether everything is on that a program has for the main job: checks of servers, sessions that stay on their server,
    /// further attempts. Translation of gRPC-Web is not, for these servers do not speak gRPC.
    pub chain: bool,
}

const PLAIN: Setting = Setting {
    tls: false,
    h2c: false,
    grpc: false,
    websocket: false,
    routes: Routes::One,
    servers: 1,
    chain: false,
};
const TLS: Setting = Setting { tls: true, ..PLAIN };
const H2C: Setting = Setting { h2c: true, ..PLAIN };

const fn paths(count: usize) -> Setting {
    Setting { routes: Routes::Paths(count), ..PLAIN }
}

const fn hosts(count: usize) -> Setting {
    Setting { routes: Routes::Hosts(count), ..PLAIN }
}

const fn servers(count: usize) -> Setting {
    Setting { servers: count, ..PLAIN }
}

/// One row of the results.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workload {
    /// For `--only`, and in results.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What the load does (`testkit::bench::load::Plan`).
    pub load: &'static str,
    /// What the programs are configured for.
    pub setting: Setting,
    /// Connections that are open and idle all the while.
    pub idle: usize,
    /// Whether it is run again with requests by schedule, for their times.
    pub offered: bool,
    /// Whether the short form has it.
    pub quick: bool,
    /// The curve that it is a point of, and where on it.
    pub curve: Option<(&'static str, usize)>,
    /// Who is left out, and why.
    pub without: &'static [(Kind, &'static str)],
}

const fn workload(name: &'static str, title: &'static str, load: &'static str, setting: Setting) -> Workload {
    Workload { name, title, load, setting, idle: 0, offered: false, quick: false, curve: None, without: &[] }
}

impl Workload {
    const fn quick(mut self) -> Workload {
        self.quick = true;
        self
    }

    const fn offered(mut self) -> Workload {
        self.offered = true;
        self
    }

    const fn curve(mut self, name: &'static str, at: usize) -> Workload {
        self.curve = Some((name, at));
        self
    }

    const fn idle(mut self, connections: usize) -> Workload {
        self.idle = connections;
        self
    }

    const fn without(mut self, who: &'static [(Kind, &'static str)]) -> Workload {
        self.without = who;
        self
    }

    /// Whether it is there for a curve alone: with fewer rounds, and without the second configuration of a program.
    pub fn is_point(&self) -> bool {
        self.curve.is_some() && !self.quick
    }

    /// Why this one is left out, if it is.
    pub fn leaves_out(&self, kind: Kind) -> Option<&'static str> {
        let own = self.without.iter().find(|(other, _)| *other == kind).map(|(_, why)| *why);
        let Setting { tls, h2c, grpc, .. } = self.setting;
        match kind {
            Kind::Floor if tls || (h2c && !grpc) => Some("relays bytes and translates nothing"),
            Kind::Floor
                if self.setting.routes != Routes::One || self.setting.servers > 1 || self.setting.chain =>
            {
                Some("does not read requests")
            }
            Kind::Floor if self.idle > 9000 => Some("needs two descriptors for each connection"),
            Kind::Nginx | Kind::HaproxyTuned if self.is_point() => {
                Some("curves have one configuration of each")
            }
            _ => own,
        }
    }
}

const MANY_PATHS: &[(Kind, &str)] =
    &[(Kind::Envoy, "tries routes that differ in their path one after the other: 10,000 are shown")];

/// All of them, in the order of the results.
#[rustfmt::skip]
pub(super) const WORKLOADS: [Workload; 35] = [
    workload("1k", "1 KB, kept connections", "path=/size/1024", PLAIN).quick().offered().curve("connections", 0),
    workload("headers", "a browser's head, 12 fields in the answer", "browser path=/fields/12", PLAIN).quick().offered(),
    workload("100k", "100 KB", "path=/size/102400 expect=102400", PLAIN).quick().offered(),
    workload("10m", "10 MB", "path=/size/10485760 expect=10485760 connections=8", PLAIN),
    workload("post", "POST of 16 KB", "path=/length body=16384 expect=5", PLAIN).offered(),
    workload("chunked", "16 KB in chunks, both ways", "path=/chunks/16384 body=16384 chunked expect=16384", PLAIN),
    workload("new", "a new connection for each request", "reuse=fresh", PLAIN).offered(),
    workload("tls", "1 KB over TLS 1.3, kept connections", "tls", TLS).quick().offered(),
    workload("tls-full", "full handshake of TLS 1.3, one request", "tls reuse=fresh connections=8", TLS).offered(),
    workload("tls-resumed", "resumed handshake of TLS 1.3, one request", "tls reuse=resumed connections=8", TLS),
    workload("h2-1", "HTTP/2 without TLS, 1 stream on each of 8 connections", "protocol=h2 connections=8 streams=1", H2C),
    workload("h2-10", "HTTP/2 without TLS, 10 streams", "protocol=h2 connections=8 streams=10", H2C).quick().offered(),
    workload("h2-100", "HTTP/2 without TLS, 100 streams", "protocol=h2 connections=8 streams=100", H2C),
    workload("h2-tls", "HTTP/2 over TLS, 10 streams", "protocol=h2 tls connections=8 streams=10", TLS),
    workload("grpc", "gRPC, unary calls of 100 bytes, 10 streams", "protocol=grpc body=100 connections=8 streams=10",
        Setting { grpc: true, ..H2C }).offered(),
    workload("websocket", "echo of 128 bytes over WebSockets", "protocol=websocket body=128",
        Setting { websocket: true, ..PLAIN }).offered(),
    workload("low-1", "1 KB, one request at a time", "connections=1", PLAIN),
    workload("low-8", "1 KB, eight at a time", "connections=8", PLAIN).offered(),
    workload("chain", "1 KB with every feature of the main job on", "", Setting { chain: true, servers: 4, ..PLAIN }),
    workload("active-1000", "1 KB on 1,000 busy connections", "connections=1000", PLAIN),
    workload("idle-1k", "1 KB beside 1,000 idle connections", "", PLAIN).idle(1000).curve("connections", 1000),
    workload("idle-10k", "1 KB beside 10,000 idle connections", "", PLAIN).idle(10_000).curve("connections", 10_000).quick(),
    workload("idle-tls", "1 KB beside 2,000 idle connections of TLS", "tls", TLS).idle(2000),
    workload("routes-1", "1 route", "path=/r/0", paths(1)).curve("routes", 1),
    workload("routes-100", "100 routes, by path", "path=/r/{} vary=100", paths(100)).curve("routes", 100),
    workload("routes-10k", "10,000 routes, by path", "path=/r/{} vary=10000", paths(10_000)).curve("routes", 10_000),
    workload("routes-100k", "100,000 routes, by path", "path=/r/{} vary=100000", paths(100_000)).curve("routes", 100_000)
        .without(MANY_PATHS),
    workload("hosts-10k", "10,000 routes, by host", "host=h{}.example vary=10000", hosts(10_000)).curve("hosts", 10_000),
    workload("hosts-100k", "100,000 routes, by host", "host=h{}.example vary=100000", hosts(100_000)).curve("hosts", 100_000),
    workload("servers-1", "1 server", "", servers(1)).curve("servers", 1),
    workload("servers-10", "10 servers", "", servers(10)).curve("servers", 10),
    workload("servers-100", "100 servers", "", servers(100)).curve("servers", 100),
    workload("fields-10", "10 fields in the request, 10 in the answer", "fields=9 path=/fields/10", PLAIN).curve("fields", 10),
    workload("fields-30", "30 fields in the request, 30 in the answer", "fields=29 path=/fields/30", PLAIN).curve("fields", 30),
    workload("fields-90", "90 fields in the request, 90 in the answer", "fields=89 path=/fields/90", PLAIN).curve("fields", 90),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_their_own_and_nobody_is_left_out_by_mistake() {
        for (at, workload) in WORKLOADS.iter().enumerate() {
            assert!(WORKLOADS[..at].iter().all(|before| before.name != workload.name), "{}", workload.name);
            assert_eq!(workload.leaves_out(Kind::Tidegate), None, "{}", workload.name);
            assert_eq!(workload.setting.tls, workload.load.contains("tls"), "{}", workload.name);
        }
    }
}
