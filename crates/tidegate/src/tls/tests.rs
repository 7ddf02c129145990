//! Handshakes in memory with a real client.

use super::*;
use policy::source::Severity;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Files in memory.
#[derive(Default)]
pub(in crate::tls) struct Memory(pub HashMap<PathBuf, Vec<u8>>);

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn glob(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}

impl Memory {
    pub fn put(&mut self, path: &str, contents: &str) {
        self.0.insert(path.into(), contents.as_bytes().to_vec());
    }

    /// A self-signed certificate and its key, as `NAME.pem` and `NAME.key`.
    pub fn certificate(&mut self, name: &str, hosts: &[&str]) -> String {
        let pair = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let pem = CertificateParams::new(hosts).unwrap().self_signed(&pair).unwrap().pem();
        self.put(&format!("/c/{name}.pem"), &pem);
        self.put(&format!("/c/{name}.key"), &pair.serialize_pem());
        pem
    }

    pub fn policy(&mut self, yaml: &str) -> Policy {
        self.put("/c/tidegate.yaml", yaml);
        let loaded = policy::load(self, Path::new("/c/tidegate.yaml"), &|_| Some("/tmp".to_owned()));
        let errors: Vec<_> = loaded.diagnostics.iter().map(|diagnostic| &diagnostic.message).collect();
        loaded.policy.unwrap_or_else(|| panic!("{errors:?}"))
    }
}

const TWO_SITES: &str = "
listeners: [{ address: '127.0.0.1:0', tls: true }]
tls: { certificates: [{ cert: all.pem, key: all.key }] }
pools: { p: { servers: ['127.0.0.1:1'] } }
sites:
  a.example: { to: p, tls: { certificates: [{ cert: a.pem, key: a.key }] } }
  '*.shop.example': { to: p }
  '*': { to: p }
";

/// The leaf that a client is shown, and the kind of its handshake.
fn shake(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> (Vec<u8>, HandshakeKind) {
    let shaken = shaken(server, client, name);
    assert_eq!(shaken.alpn_protocol(), Some(b"http/1.1".as_slice()));
    (shaken.peer_certificates().unwrap()[0].to_vec(), shaken.handshake_kind().unwrap())
}

/// A client after its handshake.
fn shaken(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    client
}

/// How the first listener ends TLS.
fn first(policy: &Policy, files: &Memory) -> Arc<ServerConfig> {
    Arc::clone(build(policy, files).unwrap().get(0).unwrap())
}

fn client(pems: &[&str], versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for pem in pems {
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

#[test]
fn certificates_are_chosen_by_name() {
    let mut files = Memory::default();
    let a = files.certificate("a", &["a.example"]);
    let all = files.certificate("all", &["*.shop.example", "other.test"]);
    let policy = files.policy(TWO_SITES);
    assert_eq!(check(&policy, &files, SystemTime::now()), []);
    let server = first(&policy, &files);
    let client = client(&[&a, &all], &[&rustls::version::TLS13]);
    assert_eq!(shake(&server, &client, "a.example").0, der(&a));
    assert_eq!(shake(&server, &client, "b.shop.example").0, der(&all));
    assert_eq!(shake(&server, &client, "other.test").0, der(&all));
}

#[test]
fn sessions_are_resumed_on_both_versions() {
    let mut files = Memory::default();
    let a = files.certificate("a", &["a.example"]);
    files.certificate("all", &["*.shop.example"]);
    let policy = files.policy(TWO_SITES);
    let server = first(&policy, &files);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = client(&[&a], &[version]);
        assert_eq!(shake(&server, &client, "a.example").1, HandshakeKind::Full);
        assert_eq!(shake(&server, &client, "a.example").1, HandshakeKind::Resumed, "{version:?}");
    }
}

#[test]
fn listeners_offer_what_they_speak_and_share_the_rest() {
    let mut files = Memory::default();
    let a = files.certificate("a", &["a.example"]);
    let policy = files.policy(
        "
listeners:
  - { name: both, address: '127.0.0.1:0', tls: true }
  - { name: plain, address: '127.0.0.1:0' }
  - { name: old, address: '127.0.0.1:0', tls: true, protocols: [h1] }
  - { name: new, address: '127.0.0.1:0', tls: true, protocols: [h2] }
  - { name: again, address: '127.0.0.1:0', tls: true, protocols: [h1, h2] }
tls: { certificates: [{ cert: a.pem, key: a.key }] }
sites: { a.example: { to: { status: 200 } } }
",
    );
    let servers = build(&policy, &files).unwrap();
    let server = |number| Arc::clone(servers.get(number).unwrap());
    assert!(servers.get(1).is_none() && servers.get(5).is_none());
    assert!(Arc::ptr_eq(&server(0), &server(4)), "one for each set of protocols");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        // The client's order does not count.
        let mut offering = (*client(&[&a], &[version])).clone();
        offering.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let offering = Arc::new(offering);
        let mut kinds = Vec::new();
        for (number, agreed) in [(0, "h2"), (2, "http/1.1"), (3, "h2"), (0, "h2")] {
            let shaken = shaken(&server(number), &offering, "a.example");
            assert_eq!(shaken.alpn_protocol(), Some(agreed.as_bytes()), "{number}");
            kinds.push(shaken.handshake_kind().unwrap());
        }
        let resumed = HandshakeKind::Resumed;
        assert_eq!(
            kinds,
            [HandshakeKind::Full, resumed, resumed, resumed],
            "a ticket is good on every listener"
        );
    }
}

#[test]
fn the_internal_authority_serves_every_site() {
    let folder = tempfile::tempdir().unwrap();
    internal::ensure(folder.path()).unwrap();
    let mut files = Memory::default();
    for path in [internal::certificate_path(folder.path()), internal::key_path(folder.path())] {
        files.0.insert(path.clone(), std::fs::read(path).unwrap());
    }
    let authority = std::fs::read_to_string(internal::certificate_path(folder.path())).unwrap();
    let yaml = format!(
        "state_dir: {}\nlisteners: [{{ address: '127.0.0.1:0', tls: true }}]\ntls: {{ internal: true }}\n\
         pools: {{ p: {{ servers: ['127.0.0.1:1'] }} }}\nsites: {{ a.example: {{ to: p }}, '*.b.example': {{ to: p }}, '*': {{ to: p }} }}\n",
        folder.path().display()
    );
    let policy = files.policy(&yaml);
    let server = first(&policy, &files);
    let client = client(&[&authority], &[&rustls::version::TLS13]);
    for name in ["a.example", "x.b.example", "localhost", "127.0.0.1"] {
        // The client verifies chain and name, or the handshake fails.
        shake(&server, &client, name);
    }
    let before = std::fs::read(internal::key_path(folder.path())).unwrap();
    internal::ensure(folder.path()).unwrap();
    assert_eq!(std::fs::read(internal::key_path(folder.path())).unwrap(), before, "the authority stays");
}

/// What `check` says of a site with the certificate `c.pem` and `c.key`.
fn complaints(files: &mut Memory, now: SystemTime) -> Vec<(Severity, String)> {
    let policy = files.policy(
        "listeners: [{ address: '127.0.0.1:0', tls: true }]\npools: { p: { servers: ['127.0.0.1:1'] } }\n\
         sites: { a.example: { to: p, tls: { certificates: [{ cert: c.pem, key: c.key }] } } }\n",
    );
    let diagnostics = check(&policy, files, now);
    diagnostics.into_iter().map(|diagnostic| (diagnostic.severity, diagnostic.message)).collect()
}

#[test]
fn bad_certificates_are_found_before_a_handshake() {
    let now = SystemTime::now();
    let mut files = Memory::default();
    files.certificate("c", &["a.example"]);
    assert_eq!(complaints(&mut files, now), []);
    let expired = complaints(&mut files, now + Duration::from_secs(86_400 * 365 * 3000));
    assert!(expired[0].1.contains("has expired"), "{expired:?}");
    let early = complaints(&mut files, SystemTime::UNIX_EPOCH);
    assert!(early[0].1.contains("is not valid before"), "{early:?}");

    files.certificate("other", &["a.example"]);
    let other = String::from_utf8(files.0[Path::new("/c/other.key")].clone()).unwrap();
    files.put("/c/c.key", &other);
    assert!(complaints(&mut files, now)[0].1.contains("does not fit"));
    files.put("/c/c.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
    assert!(complaints(&mut files, now)[0].1.contains("passphrase"));
    files.put("/c/c.key", "nothing");
    assert!(complaints(&mut files, now)[0].1.contains("no private key"));
    files.put("/c/c.pem", "nothing");
    assert!(complaints(&mut files, now)[0].1.contains("no certificate in it"));
    files.0.remove(Path::new("/c/c.pem"));
    assert!(complaints(&mut files, now)[0].1.contains("cannot read it"));

    files.certificate("c", &["b.example"]);
    let wrong = complaints(&mut files, now);
    assert!(
        wrong[0].1.contains("is for b.example, none of which is a host of this site (a.example)"),
        "{wrong:?}"
    );
}

#[test]
fn an_authority_that_many_make_at_once_is_one() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| internal::ensure(dir).unwrap());
            }
        });
        check_authority(dir);
        std::fs::remove_file(internal::key_path(dir)).unwrap();
        internal::ensure(dir).unwrap();
        check_authority(dir);
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 2, "no draft is left");
    }
}

/// The certificate on disk is for the key on disk.
fn check_authority(dir: &Path) {
    let key = std::fs::read_to_string(internal::key_path(dir)).unwrap();
    let certificate = std::fs::read(internal::certificate_path(dir)).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(&certificate).unwrap();
    let parsed = pem.parse_x509().unwrap();
    let pair = KeyPair::from_pem(&key).unwrap();
    assert_eq!(parsed.public_key().raw, rcgen::PublicKeyData::subject_public_key_info(&pair));
}
