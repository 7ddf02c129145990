//! Handshakes in memory with servers of all kinds.

use super::*;
use crate::tls::tests::Memory;
use policy::model::Policy;
use policy::source::Severity;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection};
use std::path::Path;
use std::time::SystemTime;

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: rustls::pki_types::CertificateDer<'static>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let pair = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.self_signed(&pair).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Authority { issuer: Issuer::new(params, pair), pem, der }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let pair = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&pair, &self.issuer).unwrap(), pair)
    }
}

/// A server with a certificate, that asks clients for one of `clients` if there is any.
fn server(
    certificate: &(rcgen::Certificate, KeyPair),
    alpn: &[&[u8]],
    clients: Option<&Authority>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certificate.1.serialize_der()));
    let mut config = builder.with_single_cert(vec![certificate.0.der().clone()], key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.ticketer = aws_lc_rs::Ticketer::new().unwrap();
    Arc::new(config)
}

/// Shakes hands with a server of a pool.
fn shake(pool: &PoolTls, number: usize, server: &Arc<ServerConfig>) -> Result<ClientConnection, String> {
    let name = pool.names[number].clone();
    let mut client = ClientConnection::new(Arc::clone(&pool.config), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().map_err(|error| error.to_string())?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().map_err(|error| error.to_string())?;
        }
    }
    assert!(!client.is_handshaking());
    Ok(client)
}

/// Pools with these keys each, on one server called localhost.
fn policy(files: &mut Memory, pools: &[&str]) -> Policy {
    let pools = pools.iter().enumerate();
    let pools: String = pools
        .map(|(number, keys)| format!("  p{number}: {{ servers: ['localhost:1', '127.0.0.1:2'], {keys} }}\n"))
        .collect();
    files.policy(&format!("listeners: ['127.0.0.1:0']\npools:\n{pools}sites: {{ a: {{ to: p0 }} }}\n"))
}

fn configs(files: &mut Memory, pools: &[&str]) -> ClientConfigs {
    let policy = policy(files, pools);
    ClientConfigs::new(&policy.pools, files).unwrap()
}

fn pool(configs: &ClientConfigs, number: usize) -> &PoolTls {
    configs.get(PoolId(number)).unwrap()
}

#[track_caller]
fn refused(result: Result<ClientConnection, String>, reason: &str) {
    let error = result.expect_err("the handshake is refused");
    assert!(error.contains(reason), "{error} is not {reason}");
}

#[test]
fn servers_are_trusted_by_the_authority_and_the_name() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let mut files = Memory::default();
    files.put("/c/ca.pem", &ours.pem);
    // Any number of them in one file.
    files.put("/c/both.pem", &format!("{}{}", other.pem, ours.pem));
    files.put("/c/other.pem", &other.pem);
    let configs = configs(
        &mut files,
        &[
            "tls: { ca: ca.pem }",
            "tls: { ca: both.pem }",
            "tls: { ca: other.pem }",
            "tls: { ca: other.pem, verify: false }",
            "tls: { ca: ca.pem, sni: app.internal }",
            "tls: { ca: ca.pem }, host: 'app.internal:8443'",
            "protocol: h1",
        ],
    );
    let localhost = server(&ours.issue("localhost"), &[], None);
    let address = server(&ours.issue("127.0.0.1"), &[], None);
    let internal = server(&ours.issue("app.internal"), &[], None);
    assert!(configs.get(PoolId(6)).is_none());
    for number in [0, 1] {
        let pool = pool(&configs, number);
        assert!(shake(pool, 0, &localhost).is_ok());
        assert!(shake(pool, 1, &address).is_ok(), "an address is verified as such");
        refused(shake(pool, 0, &internal), "not valid for name");
        refused(shake(pool, 1, &localhost), "not valid for name");
    }
    refused(shake(pool(&configs, 2), 0, &localhost), "UnknownIssuer");
    for server in [&localhost, &address, &internal] {
        assert!(shake(pool(&configs, 3), 0, server).is_ok(), "nothing is verified");
    }
    for number in [4, 5] {
        let pool = pool(&configs, number);
        assert!(shake(pool, 0, &internal).is_ok() && shake(pool, 1, &internal).is_ok());
        refused(shake(pool, 0, &localhost), "not valid for name");
    }
}

#[test]
fn a_certificate_that_is_named_itself_is_trusted() {
    let make = |is_ca, year| {
        let pair = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = is_ca;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        (params.self_signed(&pair).unwrap(), pair)
    };
    // What `openssl req -x509` makes is an authority too.
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let (named, late) = (make(is_ca, 2100), make(is_ca, 2021));
        let mut files = Memory::default();
        files.put("/c/named.pem", &format!("{}{}", named.0.pem(), late.0.pem()));
        let configs = configs(&mut files, &["tls: { ca: named.pem }"]);
        let pool = pool(&configs, 0);
        assert!(shake(pool, 0, &server(&named, &[], None)).is_ok(), "{is_ca:?}");
        refused(shake(pool, 1, &server(&named, &[], None)), "not valid for name");
        refused(shake(pool, 0, &server(&late, &[], None)), "xpired");
        let stranger = make(is_ca, 2100);
        let refusal = shake(pool, 0, &server(&stranger, &[], None)).err().unwrap();
        // Those of this test have one name.
        assert!(refusal.contains("UnknownIssuer") || refusal.contains("BadSignature"), "{refusal}");
    }
}

#[test]
fn the_protocol_of_the_pool_is_offered_and_no_other() {
    let ours = Authority::new("ours");
    let mut files = Memory::default();
    files.put("/c/ca.pem", &ours.pem);
    let configs = configs(&mut files, &["tls: { ca: ca.pem }", "protocol: h2, tls: { ca: ca.pem }"]);
    let certificate = ours.issue("localhost");
    let both = server(&certificate, &[b"h2", b"http/1.1"], None);
    let old = server(&certificate, &[b"http/1.1"], None);
    let deaf = server(&certificate, &[], None);
    let agreed = |number: usize, server| {
        let shaken = shake(pool(&configs, number), 0, server);
        shaken.map(|session| (session.alpn_protocol().map(<[u8]>::to_vec), agreed_on_h2(&session)))
    };
    assert_eq!(agreed(0, &both), Ok((Some(b"http/1.1".to_vec()), false)));
    assert_eq!(agreed(1, &both), Ok((Some(b"h2".to_vec()), true)));
    assert_eq!(agreed(0, &deaf), Ok((None, false)));
    assert_eq!(agreed(1, &deaf), Ok((None, false)));
    assert!(agreed(1, &old).is_err());
}

#[test]
fn a_client_certificate_is_shown_and_its_sessions_stay_apart() {
    let ours = Authority::new("ours");
    let mut files = Memory::default();
    files.put("/c/ca.pem", &ours.pem);
    let (certificate, key) = ours.issue("client");
    files.put("/c/client.pem", &certificate.pem());
    files.put("/c/client.key", &key.serialize_pem());
    let with = "tls: { ca: ca.pem, cert: client.pem, key: client.key }";
    let configs = configs(&mut files, &[with, with, "tls: { ca: ca.pem }"]);
    let strict = server(&ours.issue("localhost"), &[], Some(&ours));
    let kind = |number: usize| {
        shake(pool(&configs, number), 0, &strict).map(|session| session.handshake_kind().unwrap())
    };
    assert_eq!(kind(0), Ok(HandshakeKind::Full));
    assert_eq!(kind(0), Ok(HandshakeKind::Resumed));
    assert_eq!(kind(1), Ok(HandshakeKind::Full), "another pool has sessions of its own");
    assert!(kind(2).is_err(), "no certificate, no session");
}

/// What `check` says of a pool with these keys: the message, and what is written at its place.
#[track_caller]
fn complaints(files: &mut Memory, keys: &str) -> Vec<String> {
    let policy = policy(files, &[keys]);
    let text = String::from_utf8(files.0[Path::new("/c/tidegate.yaml")].clone()).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut diagnostics = Vec::new();
    check(&policy.pools, files, i64::try_from(now).unwrap(), &mut diagnostics);
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Error));
    let shown = diagnostics.into_iter().map(|diagnostic| {
        let at = &text[diagnostic.at.start as usize..diagnostic.at.end as usize];
        format!("{at}: {}", diagnostic.message)
    });
    shown.collect()
}

#[test]
fn files_of_pools_are_looked_at_before_any_server_is_asked() {
    let ours = Authority::new("ours");
    let mut files = Memory::default();
    files.put("/c/ca.pem", &ours.pem);
    let (certificate, key) = ours.issue("client");
    files.put("/c/client.pem", &certificate.pem());
    files.put("/c/client.key", &key.serialize_pem());
    files.put("/c/other.key", &KeyPair::generate().unwrap().serialize_pem());
    files.put("/c/empty.pem", "nothing");
    files.put(
        "/c/damaged.pem",
        &format!("{}{}", ours.pem, ours.pem.replace("MII", "MIJ").replace("MIIB", "MIIA")),
    );
    let good = "tls: { ca: ca.pem, cert: client.pem, key: client.key }";
    assert!(complaints(&mut files, good).is_empty());
    for (keys, place, message) in [
        ("tls: { ca: gone.pem }", "gone.pem", "cannot use /c/gone.pem: cannot read it"),
        ("tls: { ca: gone.pem, verify: false }", "gone.pem", "cannot use /c/gone.pem: cannot read it"),
        ("tls: { ca: empty.pem }", "empty.pem", "no certificate in it"),
        ("tls: { ca: damaged.pem }", "damaged.pem", "certificate number 2 in it is malformed"),
        ("tls: { ca: ca.pem, cert: client.pem, key: other.key }", "other.key", "does not fit"),
        ("tls: { ca: ca.pem, cert: gone.pem, key: other.key }", "gone.pem", "cannot read it"),
        ("tls: { ca: ca.pem }, host: app.1", "{ ca: ca.pem }", "no certificate can be for `app.1`"),
        (
            "tls: true",
            "true",
            "this system keeps no authorities in any of the usual places (/etc/ssl/certs/ca",
        ),
        ("protocol: h2", "h2", "this system keeps no authorities"),
    ] {
        let told = complaints(&mut files, keys);
        assert!(told.len() == 1 && told[0].starts_with(&format!("{place}: ")), "{keys}: {told:?}");
        assert!(told[0].contains(message), "{keys}: {told:?}");
    }
    assert!(complaints(&mut files, "tls: { verify: false }").is_empty(), "nobody is needed to trust");
    files.put(
        "/etc/ssl/cert.pem",
        &format!("{}odd{}", ours.pem, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    );
    assert!(complaints(&mut files, "tls: true").is_empty(), "what the system cannot parse is passed by");
    let policy = policy(&mut files, &["tls: true"]);
    let configs = ClientConfigs::new(&policy.pools, &files).unwrap();
    assert!(shake(pool(&configs, 0), 0, &server(&ours.issue("localhost"), &[], None)).is_ok());
}
