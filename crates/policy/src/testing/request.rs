//! A request made of a method and a URL.

use crate::decide::Request;
use std::net::{IpAddr, Ipv4Addr};

/// Why a request cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No URL of HTTP.
    #[error("`{0}` is no URL; expected one such as https://shop.example.com/cart?id=1")]
    Url(String),
    /// No token, which a method must be (RFC 9110 section 9.1).
    #[error("`{0}` is no method")]
    Method(String),
    /// A host that can be none.
    #[error("`{0}` is no host")]
    Host(String),
    /// A path that the proxy would refuse with 400.
    #[error("the path `{path}` would be refused: {error}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        error: wire::uri::UriError,
    },
}

/// A request that owns its parts.
#[derive(Clone, Debug)]
pub struct TestRequest {
    method: String,
    tls: bool,
    host: String,
    path: String,
    raw_path: String,
    query: Option<String>,
    fields: Vec<(String, String)>,
    client: IpAddr,
}

/// Where requests come from unless they say otherwise (TEST-NET-1, RFC 5737).
pub const DEFAULT_CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

impl TestRequest {
    /// A request by its URL: the scheme says whether it comes through a TLS listener, the port is ignored.
    ///
    /// # Errors
    /// When the URL is none, or the proxy would refuse its path.
    pub fn new(
        method: &str,
        url: &str,
        fields: Vec<(String, String)>,
        client: Option<IpAddr>,
    ) -> Result<TestRequest, RequestError> {
        let no_url = || RequestError::Url(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(no_url)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(no_url()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        TestRequest::from_parts(method, tls, authority, target, fields, client)
    }

    /// A request by its parts; `target` is path and query.
    ///
    /// # Errors
    /// When the host is none, or the proxy would refuse the path.
    pub fn from_parts(
        method: &str,
        tls: bool,
        authority: &str,
        target: &str,
        mut fields: Vec<(String, String)>,
        client: Option<IpAddr>,
    ) -> Result<TestRequest, RequestError> {
        if !wire::field::is_token(method.as_bytes()) {
            return Err(RequestError::Method(method.to_owned()));
        }
        let parts = wire::uri::split_authority(authority.as_bytes())
            .ok_or_else(|| RequestError::Host(authority.to_owned()))?;
        let (mut host, mut path) = (String::new(), String::new());
        wire::uri::normal_host(parts.host, &mut host);
        let (raw_path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let raw_path = if raw_path.is_empty() { "/" } else { raw_path };
        wire::uri::normalise(raw_path.as_bytes(), &mut path)
            .map_err(|error| RequestError::Path { path: raw_path.to_owned(), error })?;
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            fields.insert(0, ("Host".to_owned(), authority.to_owned()));
        }
        Ok(TestRequest {
            method: method.to_ascii_uppercase(),
            tls,
            host,
            path,
            raw_path: raw_path.to_owned(),
            query,
            fields,
            client: client.unwrap_or(DEFAULT_CLIENT),
        })
    }

    /// Adds a cookie.
    pub fn add_cookie(&mut self, pair: String) {
        self.fields.push(("Cookie".to_owned(), pair));
    }

    /// Replaces the query, to see what does not depend on it.
    pub fn set_query(&mut self, query: String) {
        self.query = Some(query);
    }

    /// As the rules want it.
    pub fn facts(&self) -> Request<'_> {
        Request {
            method: &self.method,
            tls: self.tls,
            host: &self.host,
            path: &self.path,
            raw_path: self.raw_path.as_bytes(),
            query: self.query.as_deref().map(str::as_bytes),
            fields: &self.fields,
            client: self.client,
            listener: None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let request =
            TestRequest::new("get", "HTTPS://Shop.example.com:8443/a/../b?c#d", vec![], None).unwrap();
        let facts = request.facts();
        assert_eq!(
            (facts.method, facts.tls, facts.host, facts.path),
            ("GET", true, "shop.example.com", "/b")
        );
        assert_eq!(facts.query, Some(b"c".as_slice()));
        assert_eq!(facts.field("host"), Some(b"Shop.example.com:8443".as_slice()));
        let bare = TestRequest::new("GET", "http://a?x", vec![], None).unwrap();
        assert_eq!((bare.facts().path, bare.facts().query), ("/", Some(b"x".as_slice())));
        for bad in ["a", "ftp://a/", "http://", "http://u@a/", "http://a/../.."] {
            assert!(TestRequest::new("GET", bad, vec![], None).is_err(), "{bad}");
        }
    }
}
