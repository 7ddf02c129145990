//! What cases are run with: servers, the program before them, clients, and certificates for all.

use super::{Case, Pairing, Run};
use crate::support::{Tidegate, wait_for};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::OnceLock;
use testkit::exchange::frames::Raw;
use testkit::exchange::{Answer, Connection, Request, To, Transport};
use testkit::origin::Origin;

/// What a program of a case's own is to have.
pub struct Plan {
    /// The servers of the pool `app`: names of origins, or `nowhere` for an address that refuses.
    pub servers: &'static [&'static str],
    /// The same of a pool `other`, where there is one.
    pub other: &'static [&'static str],
    /// What both pools have besides, `, sticky: cookie`.
    pub pool: &'static str,
    /// The sites, as YAML in one line.
    pub sites: &'static str,
    /// More at the top level.
    pub more: &'static str,
}

impl Plan {
    /// One server `one`, to which everything goes.
    pub const ONE: Plan =
        Plan { servers: &["one"], other: &[], pool: "", sites: "{ '*': { to: app } }", more: "" };

    /// Servers `a`, `b` and `c`.
    pub const THREE: Plan = Plan { servers: &["a", "b", "c"], ..Plan::ONE };
}

/// One pairing, under test.
pub struct Bed {
    pairing: Pairing,
    certificates: Certificates,
    shared: OnceLock<Running>,
}

/// Those of an authority that nobody but the test knows.
#[derive(Clone)]
struct Certificates {
    authority: String,
    chain: String,
    key: String,
}

/// The name by which clients ask for the program.
pub const HOST: &str = "a.example";

/// The name of servers.
const SERVER: &str = "server.example";

impl Certificates {
    fn make() -> Certificates {
        let own = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&own).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let names = [HOST, SERVER, "*.b.example"].map(str::to_owned).to_vec();
        let leaf = CertificateParams::new(names).unwrap();
        let chain = leaf.signed_by(&key, &Issuer::new(params, own)).unwrap().pem();
        Certificates { authority, chain, key: key.serialize_pem() }
    }
}

/// An address where nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

impl Bed {
    pub fn new(pairing: Pairing) -> Bed {
        Bed { pairing, certificates: Certificates::make(), shared: OnceLock::new() }
    }

    /// Runs one case.
    pub fn run(&self, case: &Case) {
        match &case.run {
            Run::Shared(run) => run(self.shared.get_or_init(|| self.start(&Plan::ONE))),
            Run::Own(plan, run) => run(&mut self.start(plan)),
        }
    }

    fn start(&self, plan: &Plan) -> Running {
        let mut origins = Vec::new();
        let mut pool = |names: &[&str]| {
            let mut servers = Vec::new();
            for name in names {
                let address = if *name == "nowhere" {
                    nowhere()
                } else {
                    origins.push(self.origin(name, (Ipv4Addr::LOCALHOST, 0).into()));
                    origins[origins.len() - 1].address
                };
                servers.push(format!("\"{address}\""));
            }
            format!("{{ servers: [{}]{}{} }}", servers.join(", "), self.protocol(), plan.pool)
        };
        let mut pools = format!("app: {}", pool(plan.servers));
        if !plan.other.is_empty() {
            pools.push_str(&format!(", other: {}", pool(plan.other)));
        }
        let client = self.pairing.client;
        let listener = match client {
            Transport::H1 => "",
            Transport::H1Tls | Transport::H2 => ", tls: true",
            Transport::H2c => ", protocols: [h2]",
        };
        let tls =
            if client.is_tls() { "tls: { certificates: [{ cert: own.pem, key: own.key }] }" } else { "" };
        let yaml = format!(
            "listeners: [{{ name: web, address: \"127.0.0.1:0\"{listener} }}]\n{tls}\n\
             pools: {{ {pools} }}\nsites: {}\n{}\n",
            plan.sites, plan.more
        );
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("own.pem", &self.certificates.chain),
            ("own.key", &self.certificates.key),
            ("authority.pem", &self.certificates.authority),
        ];
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let tidegate = Tidegate::start_in(folder, &yaml, &[]);
        let to = To::secure(tidegate.address(), client, &self.certificates.authority, HOST);
        Running { tidegate, origins, to, pairing: self.pairing, certificates: self.certificates.clone() }
    }

    fn origin(&self, name: &str, address: SocketAddr) -> Origin {
        origin(self.pairing, &self.certificates, name, address)
    }

    /// What a pool has whose servers speak as the pairing says.
    fn protocol(&self) -> String {
        match self.pairing.server {
            Transport::H1 => String::new(),
            Transport::H1Tls => ", protocol: h1, tls: { ca: authority.pem, sni: server.example }".to_owned(),
            Transport::H2c => ", protocol: h2c".to_owned(),
            Transport::H2 => format!(", protocol: h2, tls: {{ ca: authority.pem, sni: {SERVER} }}"),
        }
    }
}

fn origin(pairing: Pairing, certificates: &Certificates, name: &str, address: SocketAddr) -> Origin {
    if pairing.server.is_tls() {
        Origin::start_tls_at(name, address, &certificates.chain, &certificates.key).unwrap()
    } else {
        Origin::start_at(name, address).unwrap()
    }
}

/// A program with the servers behind it.
pub struct Running {
    /// First, so that it ends first.
    pub tidegate: Tidegate,
    /// Servers of all pools, in their order.
    pub origins: Vec<Origin>,
    pairing: Pairing,
    to: To,
    certificates: Certificates,
}

impl Running {
    /// A new connection.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        self.to.connect().unwrap()
    }

    /// A new connection of HTTP/2 whose frames are ours.
    #[track_caller]
    pub fn connect_raw(&self) -> Raw {
        self.to.connect_raw().unwrap()
    }

    /// Whether a new connection is taken.
    pub fn accepts(&self) -> bool {
        self.to.connect().is_ok()
    }

    /// Asks over a connection of its own.
    #[track_caller]
    pub fn ask(&self, request: Request) -> Answer {
        self.connect().ask(request)
    }

    /// The first server.
    pub fn origin(&self) -> &Origin {
        &self.origins[0]
    }

    /// Requests that all servers got.
    pub fn requests(&self) -> u64 {
        self.origins.iter().map(Origin::requests).sum()
    }

    /// Waits until so many requests are at the first server and have no answer.
    #[track_caller]
    pub fn wait_in_flight(&self, count: u64) {
        wait_for("requests in flight at the server", || self.origin().in_flight() == count);
    }

    /// Ends the first server in good order, and starts one of the same name at its place.
    pub fn restart_origin(&mut self) {
        let old = self.origins.remove(0);
        let (name, address) = (old.name.clone(), old.address);
        old.stop();
        // A process that is being started by another case holds all our sockets for a moment.
        wait_for("the address to be free", || TcpListener::bind(address).is_ok());
        self.origins.insert(0, origin(self.pairing, &self.certificates, &name, address));
    }

    /// Whether the client speaks HTTP/2.
    pub fn is_h2_client(&self) -> bool {
        self.pairing.client.is_h2()
    }

    /// Whether the server speaks HTTP/2.
    pub fn is_h2_server(&self) -> bool {
        self.pairing.server.is_h2()
    }

    /// Whether the client comes over TLS.
    pub fn is_tls_client(&self) -> bool {
        self.pairing.client.is_tls()
    }

    /// What the client spoke, as forwarding fields say it.
    pub fn scheme(&self) -> &'static str {
        if self.is_tls_client() { "https" } else { "http" }
    }
}
