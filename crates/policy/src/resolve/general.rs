//! Times, bounds, certificates, logs: values that need nothing but their defaults.

use crate::file::decode::{Field, OneOrMore, Problems};
use crate::file::raw;
use crate::file::scalar::{Count, FieldCount, HeadBytes, Pause, StreamCount, Time, TimeOrNone};
use crate::model::{
    AccessLog, Bounds, CertificateFiles, Drain, Forwarding, LogTarget, Networks, OwnTimeouts, Timeouts, Tls,
};
use crate::source::{Diagnostic, Span};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The time of a field, or what is inherited.
pub fn time(field: &Field<Time>, inherited: Duration) -> Duration {
    field.value().map_or(inherited, |time| time.0)
}

fn total(field: &Field<TimeOrNone>, inherited: Option<Duration>) -> Option<Duration> {
    field.value().map_or(inherited, |time| time.0)
}

/// The file's times over the defaults.
pub fn timeouts(field: &Field<raw::Timeouts>) -> Timeouts {
    let defaults = Timeouts {
        handshake: seconds(10),
        head: seconds(10),
        body: seconds(30),
        idle: seconds(75),
        connect: seconds(2),
        first_byte: seconds(60),
        total: None,
    };
    let Some(own) = field.value() else { return defaults };
    Timeouts {
        handshake: time(&own.handshake, defaults.handshake),
        head: time(&own.head, defaults.head),
        body: time(&own.body, defaults.body),
        idle: time(&own.idle, defaults.idle),
        connect: time(&own.connect, defaults.connect),
        first_byte: time(&own.first_byte, defaults.first_byte),
        total: total(&own.total, defaults.total),
    }
}

/// A listener's times over the file's.
pub fn listener_timeouts(field: &Field<raw::ListenerTimeouts>, inherited: Timeouts) -> Timeouts {
    let Some(own) = field.value() else { return inherited };
    Timeouts {
        handshake: time(&own.handshake, inherited.handshake),
        head: time(&own.head, inherited.head),
        body: time(&own.body, inherited.body),
        idle: time(&own.idle, inherited.idle),
        ..inherited
    }
}

/// A pool's times over the file's.
pub fn pool_timeouts(field: &Field<raw::PoolTimeouts>, inherited: Timeouts) -> Timeouts {
    let Some(own) = field.value() else { return inherited };
    Timeouts {
        connect: time(&own.connect, inherited.connect),
        first_byte: time(&own.first_byte, inherited.first_byte),
        idle: time(&own.idle, inherited.idle),
        ..inherited
    }
}

/// A site's own times, or a route's over those of its site.
pub fn request_timeouts(
    field: &Field<raw::RequestTimeouts>,
    site: Option<&Arc<OwnTimeouts>>,
) -> Option<Arc<OwnTimeouts>> {
    let Some(own) = field.value() else { return site.cloned() };
    let site = site.map(|site| **site).unwrap_or_default();
    let given = |field: &Field<Time>| field.value().map(|time| time.0);
    Some(Arc::new(OwnTimeouts {
        body: given(&own.body).or(site.body),
        idle: given(&own.idle).or(site.idle),
        connect: given(&own.connect).or(site.connect),
        first_byte: given(&own.first_byte).or(site.first_byte),
        total: own.total.value().map(|time| time.0).or(site.total),
    }))
}

/// Bounds of heads and connections over inherited ones.
fn connection_bounds(
    bytes: &Field<HeadBytes>,
    fields: &Field<FieldCount>,
    streams: &Field<StreamCount>,
    inherited: Bounds,
) -> Bounds {
    Bounds {
        head_bytes: bytes.value().map_or(inherited.head_bytes, |bytes| bytes.0),
        fields: fields.value().map_or(inherited.fields, |count| count.0),
        streams: streams.value().map_or(inherited.streams, |count| count.0),
        ..inherited
    }
}

/// The file's bounds over the defaults.
pub fn bounds(field: &Field<raw::Bounds>) -> Bounds {
    let defaults = Bounds { head_bytes: 32 << 10, fields: 100, body_bytes: 1 << 30, streams: 100 };
    let Some(own) = field.value() else { return defaults };
    Bounds {
        body_bytes: own.body.value().map_or(defaults.body_bytes, |bytes| bytes.0),
        ..connection_bounds(&own.head, &own.headers, &own.streams, defaults)
    }
}

/// A listener's bounds over the file's.
pub fn listener_bounds(field: &Field<raw::ListenerBounds>, inherited: Bounds) -> Bounds {
    let Some(own) = field.value() else { return inherited };
    connection_bounds(&own.head, &own.headers, &own.streams, inherited)
}

/// A site's bounds over the file's.
pub fn site_bounds(field: &Field<raw::SiteBounds>, inherited: Bounds) -> Bounds {
    let body = field.value().and_then(|own| own.body.value());
    Bounds { body_bytes: body.map_or(inherited.body_bytes, |bytes| bytes.0), ..inherited }
}

/// More threads than any machine has cores are a slip of the keyboard.
const WORKERS_MAX: u32 = 1024;

/// Number of workers; `None` means one per core.
pub fn workers(field: &Field<Count>, problems: &mut Problems) -> Option<usize> {
    let count = field.given()?;
    if count.value.0 > WORKERS_MAX {
        let problem = Diagnostic::error(count.at, format!("{} workers", count.value.0));
        problems.push(problem.label(format!("expected at most {WORKERS_MAX}")));
    }
    Some(count.value.0 as usize)
}

/// How a drain goes.
pub fn drain(field: &Field<raw::Drain>) -> Drain {
    let defaults = Drain { grace: Duration::ZERO, limit: seconds(30) };
    let Some(own) = field.value() else { return defaults };
    let time = |field: &Field<Pause>, default| field.value().map_or(default, |pause| pause.0);
    Drain { grace: time(&own.grace, defaults.grace), limit: time(&own.limit, defaults.limit) }
}

/// What servers are told of the client.
pub fn forwarding(field: &Field<raw::Forwarded>) -> Forwarding {
    let Some(own) = field.value() else { return Forwarding::default() };
    Forwarding {
        style: own.style.value().copied().unwrap_or_default(),
        mode: own.mode.value().copied().unwrap_or_default(),
    }
}

/// A list of networks; `None` where there is no such key.
pub fn networks(field: &Field<OneOrMore<raw::Network>>) -> Option<Networks> {
    field.value().map(|list| Networks(list.0.iter().map(|network| network.value.0).collect()))
}

/// Where certificates come from.
pub fn tls(field: &Field<raw::Tls>, problems: &mut Problems) -> Tls {
    let in_doubt = matches!(field, Field::Broken);
    let Some(own) = field.value() else { return Tls { in_doubt, ..Tls::default() } };
    let certificates = own.certificates.value().map(Vec::as_slice).unwrap_or_default();
    let mut tls = Tls {
        certificates: certificates
            .iter()
            .filter_map(|one| certificate(&one.value, one.at, problems))
            .collect(),
        internal: own.internal.value().copied().unwrap_or(false),
        in_doubt,
    };
    tls.in_doubt = tls_in_doubt(field, &tls);
    tls
}

/// Whether something of `tls` could not be read, so that what is missing may just be broken.
fn tls_in_doubt(field: &Field<raw::Tls>, resolved: &Tls) -> bool {
    let own = match field {
        Field::Absent => return false,
        Field::Broken => return true,
        Field::Given(own) => &own.value,
    };
    let read = own.certificates.value().map_or(0, Vec::len);
    matches!(own.internal, Field::Broken)
        || matches!(own.certificates, Field::Broken)
        || read != resolved.certificates.len()
}

fn certificate(own: &raw::Certificate, at: Span, problems: &mut Problems) -> Option<CertificateFiles> {
    for (field, name) in [(&own.cert, "cert"), (&own.key, "key")] {
        if field.is_absent() {
            let problem = Diagnostic::error(at, format!("a certificate without `{name}`"));
            problems.push(problem.help("write { cert: FILE.pem, key: FILE.pem }"));
        }
    }
    certificate_files(&own.cert, &own.key, problems)
}

/// A certificate and its key, where both are given.
pub fn certificate_files(
    cert: &Field<String>,
    key: &Field<String>,
    problems: &Problems,
) -> Option<CertificateFiles> {
    let (cert, key) = (cert.given()?, key.given()?);
    Some(CertificateFiles {
        cert: file_path(&cert.value, cert.at, problems),
        cert_at: cert.at,
        key: file_path(&key.value, key.at, problems),
        key_at: key.at,
    })
}

/// A path as it is written at `at`: relative ones are relative to that file's folder.
pub fn file_path(path: &str, at: Span, problems: &Problems) -> PathBuf {
    problems.sources.folder(at).join(path)
}

/// Where state is kept: as written, else where the system keeps such things.
pub fn state_dir(
    field: &Field<String>,
    env: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> (PathBuf, Span) {
    if let Some(path) = field.given() {
        if path.value.is_empty() {
            problems.push(Diagnostic::error(path.at, "an empty path").label("expected a folder"));
        }
        return (file_path(&path.value, path.at, problems), path.at);
    }
    (default_state_dir(env), Span::default())
}

fn default_state_dir(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    // systemd makes this folder and names it (`StateDirectory=`).
    if let Some(folder) = set("STATE_DIRECTORY") {
        return PathBuf::from(folder);
    }
    match set("HOME").filter(|home| home != "/root" && set("USER").as_deref() != Some("root")) {
        Some(home) => set("XDG_STATE_HOME")
            .map_or_else(|| PathBuf::from(home).join(".local/state"), PathBuf::from)
            .join("tidegate"),
        None => PathBuf::from("/var/lib/tidegate"),
    }
}

/// The access log: on unless it is said to be off.
pub fn access_log(field: &Field<raw::Observe>, problems: &Problems) -> Option<AccessLog> {
    let to = match field.value().and_then(|observe| observe.access_log.value()) {
        Some(raw::AccessLog::Off) => return None,
        Some(raw::AccessLog::On(keys)) => keys.to.given(),
        None => None,
    };
    let at = to.map_or_else(Span::default, |path| path.at);
    let to = match to {
        Some(path) if path.value != "stdout" => LogTarget::File(file_path(&path.value, path.at, problems)),
        _ => LogTarget::Stdout,
    };
    Some(AccessLog { to, at })
}
