//! URLs as they are written in `tests:` and on the command line.

/// A URL of HTTP, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// The host, with its port if one is written.
    pub authority: String,
    /// Path and query; begins with a slash.
    pub path_and_query: String,
}

impl Url {
    /// Reads `http://host[:port][/path][?query]` or the same with `https`. The scheme may be in any case; a fragment is
    /// left out, as a browser does. `None` for anything else: user information, bytes that no URL has, no host.
    pub fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.split_once("://")?;
        let tls = match scheme {
            scheme if scheme.eq_ignore_ascii_case("https") => true,
            scheme if scheme.eq_ignore_ascii_case("http") => false,
            _ => return None,
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        wire::uri::split_authority(authority.as_bytes())?;
        let path_and_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Url { tls, authority: authority.to_owned(), path_and_query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, expected) in [
            ("http://a", Some((false, "a", "/"))),
            ("HTTPS://A.b:8443/x/../y?c#d", Some((true, "A.b:8443", "/x/../y?c"))),
            ("http://a?x", Some((false, "a", "/?x"))),
            ("http://a#x", Some((false, "a", "/"))),
            ("http://[::1]:80/", Some((false, "[::1]:80", "/"))),
            ("a", None),
            ("ftp://a/", None),
            ("http://", None),
            ("http:///x", None),
            ("http://u@a/", None),
            ("http://a/b c", None),
            ("http://a/\u{e4}", None),
        ] {
            let found = Url::parse(text);
            let found =
                found.as_ref().map(|url| (url.tls, url.authority.as_str(), url.path_and_query.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
