//! A request made of a method and a URL.

use super::Url;
use crate::decide::{Origin, Request};
use crate::model::{Bounds, ListenerId, Policy};
use std::net::{IpAddr, Ipv4Addr};
use wire::h1::{FIELDS_MAX, HeadLimits, Known, RequestHead};

/// Why a request cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No URL of HTTP.
    #[error("`{0}` is no URL; expected one such as https://shop.example.com/cart?id=1")]
    Url(String),
    /// No token, which a method must be (RFC 9110 section 9.1).
    #[error("`{0}` is no method")]
    Method(String),
    /// A field that no message can have.
    #[error("`{name}: {value}` is no header field")]
    Field {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// An answer that the proxy gives before it asks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The word for the log.
    pub reason: &'static str,
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
    peer: IpAddr,
    listener: Option<ListenerId>,
    refusal: Option<Refusal>,
}

/// Where requests come from unless they say otherwise (TEST-NET-1, RFC 5737).
pub const DEFAULT_CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// No listener allows more, and which one it will be is not known yet.
const LIMITS: HeadLimits = HeadLimits { bytes: Bounds::HEAD_BYTES_MAX, fields: FIELDS_MAX as u16 };

impl TestRequest {
    /// A request by its URL: the scheme says whether it comes through a TLS listener, the port is ignored.
    ///
    /// # Errors
    /// When the URL or a field is none.
    pub fn new(
        method: &str,
        url: &str,
        fields: Vec<(String, String)>,
        client: Option<IpAddr>,
    ) -> Result<TestRequest, RequestError> {
        let url = Url::parse(url).ok_or_else(|| RequestError::Url(url.to_owned()))?;
        TestRequest::from_parts(method, url.tls, &url.authority, &url.path_and_query, fields, client)
    }

    /// A request by its parts; `target` is path and query, `client` the peer's address. A field `Host` wins over
    /// `authority`, which stands for the place that is connected to.
    ///
    /// # Errors
    /// When the method or a field is none.
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
        for (name, value) in &mut fields {
            check_field(name, value)?;
            // As a parser does (RFC 9110 section 5.5).
            *value = value.trim_matches([' ', '\t']).to_owned();
        }
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            fields.insert(0, ("Host".to_owned(), authority.to_owned()));
        }
        let (raw_path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let mut request = TestRequest {
            method: method.to_ascii_uppercase(),
            tls,
            host: String::new(),
            path: String::new(),
            raw_path: if raw_path.is_empty() { "/" } else { raw_path }.to_owned(),
            query,
            fields,
            peer: client.unwrap_or(DEFAULT_CLIENT),
            listener: None,
            refusal: None,
        };
        request.refusal = request.judge(authority).err();
        Ok(request)
    }

    /// Has the head read by the parser that reads those of clients, and brings host and path to their normal form.
    fn judge(&mut self, authority: &str) -> Result<(), Refusal> {
        let is_connect = self.method == "CONNECT";
        let mut text = format!("{} {}", self.method, if is_connect { authority } else { &self.raw_path });
        if is_connect && !has_port(authority) {
            text.push_str(if self.tls { ":443" } else { ":80" });
        }
        if let Some(query) = self.query.as_ref().filter(|_| !is_connect) {
            text.push('?');
            text.push_str(query);
        }
        text.push_str(" HTTP/1.1\r\n");
        for (name, value) in self.fields.iter().filter(|(name, _)| !is_connect || name != "Host") {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if is_connect {
            let target = text.split(' ').nth(1).unwrap_or_default();
            text.push_str(&format!("Host: {target}\r\n"));
        }
        text.push_str("\r\n");
        let mut head = RequestHead::new();
        match head.parse(text.as_bytes(), LIMITS) {
            Ok(true) => {}
            Ok(false) => return Err(Refusal { status: 431, reason: "head_too_large" }),
            Err(error) => return Err(Refusal { status: error.status(), reason: error.reason() }),
        }
        if is_connect {
            return Err(Refusal { status: 405, reason: "connect_not_served" });
        }
        wire::uri::normal_host(head.host_name.of(text.as_bytes()), &mut self.host);
        wire::uri::normalise(self.raw_path.as_bytes(), &mut self.path)
            .map_err(|_| Refusal { status: 400, reason: "bad_path" })
    }

    /// Has it come through a certain listener.
    pub fn through(mut self, listener: Option<ListenerId>) -> TestRequest {
        self.listener = listener;
        self
    }

    /// What the proxy answers without asking the rules: the head or the path is not sound.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Adds a cookie.
    pub fn add_cookie(&mut self, pair: String) {
        self.fields.push(("Cookie".to_owned(), pair));
    }

    /// Replaces the query.
    pub fn set_query(&mut self, query: String) {
        self.query = Some(query);
    }

    /// Adds a parameter at the end of the query.
    pub fn add_parameter(&mut self, pair: &str) {
        self.query = Some(match &self.query {
            Some(query) => format!("{query}&{pair}"),
            None => pair.to_owned(),
        });
    }

    /// Who asks under that policy, and through what: the peer, or whom it speaks for.
    pub fn origin(&self, policy: &Policy) -> Origin {
        Origin::of(policy, Origin::peer(self.peer, self.tls), |known| {
            let fields = self.fields.iter().filter(move |(name, _)| Known::of(name.as_bytes()) == known);
            fields.map(|(_, value)| value.as_bytes())
        })
    }

    /// The peer's address.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// As the rules want it. Of a request that is refused before, only the fields count.
    pub fn facts(&self, policy: &Policy) -> Request<'_> {
        let origin = self.origin(policy);
        let through =
            || policy.listeners.iter().position(|listener| listener.tls == self.tls).map(ListenerId);
        Request {
            method: &self.method,
            tls: origin.tls,
            host: &self.host,
            path: &self.path,
            raw_path: self.raw_path.as_bytes(),
            query: self.query.as_deref().map(str::as_bytes),
            fields: &self.fields,
            client: origin.client,
            // Where none is named, any of the kind will do; but the kind is that of the peer's connection.
            listener: self.listener.or_else(|| (origin.tls != self.tls).then(through).flatten()),
        }
    }
}

fn check_field(name: &str, value: &str) -> Result<(), RequestError> {
    if wire::field::is_token(name.as_bytes()) && wire::field::is_value(value.as_bytes()) {
        return Ok(());
    }
    Err(RequestError::Field { name: name.to_owned(), value: value.to_owned() })
}

fn has_port(authority: &str) -> bool {
    wire::uri::split_authority(authority.as_bytes()).is_some_and(|authority| authority.port.is_some())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn get(url: &str, fields: &[(&str, &str)]) -> Result<TestRequest, RequestError> {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TestRequest::new("get", url, fields, None)
    }

    #[test]
    fn parts_of_a_url() {
        let request = get("HTTPS://Shop.example.com:8443/a/../b?c#d", &[]).unwrap();
        assert_eq!(
            (request.method.as_str(), request.tls, request.host.as_str(), request.path.as_str()),
            ("GET", true, "shop.example.com", "/b")
        );
        assert_eq!(request.query.as_deref(), Some("c"));
        assert_eq!(request.fields, [("Host".to_owned(), "Shop.example.com:8443".to_owned())]);
        assert_eq!(request.refusal, None);
    }

    #[test]
    fn the_host_field_is_the_host() {
        assert_eq!(get("http://10.0.0.1/", &[("host", "B.example:80")]).unwrap().host, "b.example");
    }

    #[test]
    fn what_the_proxy_refuses_itself() {
        for (method, url, fields, expected) in [
            ("GET", "http://a/a/../../b", &[][..], Some((400, "bad_path"))),
            ("GET", "http://a/%00", &[], Some((400, "bad_path"))),
            ("GET", "http://a/\\b", &[], Some((400, "bad_target"))),
            ("GET", "http://a/", &[("Host", "a b")], Some((400, "host_invalid"))),
            ("GET", "http://a/", &[("Host", "a"), ("host", "a")], Some((400, "host_repeated"))),
            ("GET", "http://a/", &[("Expect", "tea")], Some((417, "unknown_expectation"))),
            ("CONNECT", "http://a/", &[], Some((405, "connect_not_served"))),
            ("CONNECT", "https://a:8443/", &[], Some((405, "connect_not_served"))),
            ("GET", "http://a/?x", &[("A", "b")], None),
        ] {
            let fields =
                fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let request = TestRequest::new(method, url, fields, None).unwrap();
            let refusal = request.refusal.map(|refusal| (refusal.status, refusal.reason));
            assert_eq!(refusal, expected, "{method} {url}");
        }
    }

    #[test]
    fn what_is_no_request() {
        assert!(matches!(get("a", &[]), Err(RequestError::Url(_))));
        for field in [("", "y"), ("b d", "x"), ("a:", "x"), ("a", "x\r\nb: c")] {
            assert!(matches!(get("http://a/", &[field]), Err(RequestError::Field { .. })), "{field:?}");
        }
        assert!(matches!(TestRequest::new("G@T", "http://a/", vec![], None), Err(RequestError::Method(_))));
    }

    #[test]
    fn parameters_are_added_to_what_is_there() {
        let mut request = get("http://a/?x=1", &[]).unwrap();
        request.add_parameter("round=1");
        assert_eq!(request.query.as_deref(), Some("x=1&round=1"));
        let mut request = get("http://a/", &[]).unwrap();
        request.add_parameter("round=1");
        assert_eq!(request.query.as_deref(), Some("round=1"));
    }
}
