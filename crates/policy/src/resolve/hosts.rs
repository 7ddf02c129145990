//! Hosts of sites: their form, and that no two sites claim one on one listener.

use crate::file::decode::Problems;
use crate::file::tree::At;
use crate::model::{HostPattern, ListenerId};
use crate::source::{Diagnostic, Span};
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Reads a host: a name, `*.name`, `*`, or an address.
pub fn pattern(host: &At<String>, problems: &mut Problems) -> Option<HostPattern> {
    match read(&host.value) {
        Ok(pattern) => Some(pattern),
        Err((wrong, help)) => {
            let problem = Diagnostic::error(host.at, format!("`{}` is not a host: {wrong}", host.value));
            let problem = problem.label("expected a name, *.name or '*'");
            problems.push(super::with_help(problem, help));
            None
        }
    }
}

/// The host of a text, or what is wrong with it and what to write.
pub fn read(text: &str) -> Result<HostPattern, (&'static str, Option<String>)> {
    if text == "*" {
        return Ok(HostPattern::Any);
    }
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('.').unwrap_or(&lower);
    // Kept without brackets and in its shortest form, as `wire::uri::split_authority` gives it.
    let inner = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = inner.unwrap_or(lower).parse::<Ipv6Addr>() {
        return Ok(HostPattern::Exact(address.to_string()));
    }
    if lower.contains("://") {
        return Err(("it has a scheme", None));
    }
    if let Some((name, port)) = lower.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && name.starts_with('[') == name.ends_with(']')
    {
        let help = format!("write `{name}`; ports belong to `listeners`");
        return Err(("it has a port", Some(help)));
    }
    match lower.strip_prefix("*.") {
        Some(name) => check_name(name).map(|()| HostPattern::Wildcard(format!(".{name}"))),
        None => {
            if lower.parse::<Ipv4Addr>().is_err() {
                check_name(lower)?;
            }
            Ok(HostPattern::Exact(lower.to_owned()))
        }
    }
}

/// RFC 1123 section 2.1, and underscores, which exist.
fn check_name(name: &str) -> Result<(), (&'static str, Option<String>)> {
    if name.contains('*') {
        return Err((
            "`*` stands for whole labels, at the beginning",
            Some("write `*.example.com`".to_owned()),
        ));
    }
    if !name.is_ascii() {
        return Err((
            "names are written in ASCII",
            Some("write the form that begins with `xn--`".to_owned()),
        ));
    }
    if name.len() > 253 {
        return Err(("it is longer than 253 characters", None));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.split('.').all(label) { Ok(()) } else { Err(("letters, digits, - and dots make a name", None)) }
}

/// Hosts that sites have claimed so far. Two sites may have one host where no listener serves both.
#[derive(Debug, Default)]
pub struct Claims<'l> {
    hosts: HashMap<HostPattern, Vec<Claim<'l>>>,
}

#[derive(Debug)]
struct Claim<'l> {
    at: Span,
    /// Whether the host is the site's key, which is its name in logs and tests.
    is_key: bool,
    listeners: Option<&'l [ListenerId]>,
}

impl<'l> Claims<'l> {
    /// Notes a host of a site that is served on some listeners (`None`: on all); reports one that is taken there.
    pub fn claim(
        &mut self,
        pattern: &HostPattern,
        host: &At<String>,
        is_key: bool,
        listeners: Option<&'l [ListenerId]>,
        problems: &mut Problems,
    ) {
        let claim = Claim { at: host.at, is_key, listeners };
        let claims = self.hosts.entry(pattern.clone()).or_default();
        if let Some(first) = claims.iter().find(|earlier| earlier.collides(&claim)) {
            let problem = Diagnostic::error(host.at, format!("the host `{}` is there twice", host.value));
            problems.push(problem.label("again here").other(first.at, "first here"));
        } else {
            claims.push(claim);
        }
    }
}

impl Claim<'_> {
    fn collides(&self, other: &Claim) -> bool {
        let meet = match (self.listeners, other.listeners) {
            (Some(one), Some(other)) => one.iter().any(|listener| other.contains(listener)),
            _ => true,
        };
        meet || (self.is_key && other.is_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_strictly() {
        let exact = |text: &str| Some(HostPattern::Exact(text.to_owned()));
        let check =
            |text: &str, expected: Option<HostPattern>| assert_eq!(read(text).ok(), expected, "{text}");
        check("Shop.Example.com", exact("shop.example.com"));
        check("shop.example.com.", exact("shop.example.com"));
        check("10.0.0.1", exact("10.0.0.1"));
        check("[::1]", exact("::1"));
        check("0:0::1", exact("::1"));
        check("*.example.com", Some(HostPattern::Wildcard(".example.com".to_owned())));
        check("*", Some(HostPattern::Any));
        for wrong in
            ["", ".", "a..b", "-a.com", "a b", "a.com:80", "https://a.com", "a.*.com", "[::1", "bücher.de"]
        {
            check(wrong, None);
        }
    }
}
