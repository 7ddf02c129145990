//! What an origin saw of a request, as its answer tells it.

use serde_json::json;

/// One request, whatever protocol it came in.
pub(super) struct Report<'a> {
    pub server: &'a str,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'a str,
    pub method: &'a str,
    /// HTTP/1 does not say.
    pub scheme: Option<&'a str>,
    /// `:authority`, or the first `Host` of HTTP/1.
    pub authority: Option<&'a str>,
    pub target: &'a str,
    /// In the order they came in; those of HTTP/2 by name, as its library keeps them.
    pub fields: &'a [(String, String)],
    pub trailers: &'a [(String, String)],
    pub body_length: u64,
    pub body_hash: u64,
}

impl Report<'_> {
    /// One line of JSON.
    pub fn json(&self) -> String {
        let text = json!({
            "server": self.server,
            "protocol": self.protocol,
            "method": self.method,
            "scheme": self.scheme,
            "authority": self.authority,
            "target": self.target,
            "headers": self.fields,
            "trailers": self.trailers,
            "body_length": self.body_length,
            "body_fnv": format!("{:016x}", self.body_hash),
        });
        format!("{text}\n")
    }
}
