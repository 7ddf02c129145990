//! What is known of a request, and the values of expressions over it.

use crate::hash::hash;
use crate::matching::capture;
use crate::model::{Fact, ListenerId, Route};
use std::borrow::Cow;
use std::net::IpAddr;

/// The fields of a message, wherever they are kept.
pub trait Fields {
    /// Hands each value of the field called `name` (in lower case) to `each`, in order, until it says `false`.
    fn each<'s>(&'s self, name: &str, each: &mut dyn FnMut(&'s [u8]) -> bool);
}

impl Fields for [(String, String)] {
    fn each<'s>(&'s self, name: &str, each: &mut dyn FnMut(&'s [u8]) -> bool) {
        for (_, value) in self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)) {
            if !each(value.as_bytes()) {
                return;
            }
        }
    }
}

impl Fields for Vec<(String, String)> {
    fn each<'s>(&'s self, name: &str, each: &mut dyn FnMut(&'s [u8]) -> bool) {
        self.as_slice().each(name, each);
    }
}

/// A request as the rules see it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// Whether the client speaks TLS, to us or to a trusted proxy.
    pub tls: bool,
    /// The host in lower case, without port and final dot; empty when there is none.
    pub host: &'a str,
    /// The path in normal form.
    pub path: &'a str,
    /// The path as it came.
    pub raw_path: &'a [u8],
    /// The query as it came.
    pub query: Option<&'a [u8]>,
    /// The header.
    pub fields: &'a dyn Fields,
    /// The client's address, behind trusted proxies.
    pub client: IpAddr,
    /// The listener that it came through; `None` stands for any of the kind that `tls` says.
    pub listener: Option<ListenerId>,
}

impl<'a> Request<'a> {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        let mut found = None;
        self.fields.each(name, &mut |value| {
            found = Some(value);
            false
        });
        found
    }

    /// The first value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        let mut found = None;
        self.fields.each("cookie", &mut |field| {
            found = wire::cookie::find(field, name);
            found.is_none()
        });
        found
    }
}

/// The value of a fact. Allocates for parameters, which may be escaped, and for addresses as text.
pub fn value<'a>(fact: &Fact, request: &Request<'a>, route: Option<&Route>) -> Option<Cow<'a, [u8]>> {
    Some(match fact {
        Fact::Method => Cow::Borrowed(request.method.as_bytes()),
        Fact::Scheme => Cow::Borrowed(if request.tls { b"https" } else { b"http" }),
        Fact::Host => Cow::Borrowed(request.host.as_bytes()),
        Fact::Path => Cow::Borrowed(request.path.as_bytes()),
        Fact::Query(name) => {
            let mut scratch = Vec::new();
            Cow::Owned(wire::uri::query_value(request.query?, name, &mut scratch)?.to_vec())
        }
        Fact::Header(name) => Cow::Borrowed(request.field(name)?),
        Fact::Cookie(name) => Cow::Borrowed(request.cookie(name)?),
        Fact::Capture(name) => Cow::Borrowed(capture(route?, request.path, name)?.as_bytes()),
        Fact::ClientIp => Cow::Owned(request.client.to_canonical().to_string().into_bytes()),
    })
}

/// A hash of a fact's value under `seed`; `None` when it is missing or empty.
pub fn digest(seed: u64, fact: &Fact, request: &Request<'_>, route: Option<&Route>) -> Option<u64> {
    if *fact == Fact::ClientIp {
        return Some(match request.client.to_canonical() {
            IpAddr::V4(address) => hash(seed, &address.octets()),
            IpAddr::V6(address) => hash(seed, &address.octets()),
        });
    }
    value(fact, request, route).filter(|value| !value.is_empty()).map(|value| hash(seed, &value))
}
