//! What Tidegate answers itself by a route: redirects and fixed answers, composed alike for clients, for `tests:` and
//! for `explain`.

use crate::decide::{Decided, Outcome, Request};
use crate::model::{Policy, Target, Text};
use crate::text::{Place, render};

/// An answer without what framing and the connection add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAnswer<'p> {
    /// The status.
    pub status: u16,
    /// Names and values of fields.
    pub headers: Vec<(&'p str, Vec<u8>)>,
    /// The content.
    pub body: Vec<u8>,
}

/// The answer that was decided on; `None` where a server gives it, or an error page is due.
pub fn compose<'p>(
    policy: &'p Policy,
    decided: &Decided<'p>,
    request: &Request<'_>,
) -> Option<OwnAnswer<'p>> {
    let route = decided.site.zip(decided.route);
    let route = route.map(|(site, route)| &policy.sites[site.0].routes[route.0]);
    let rendered = |text: &Text, place| {
        let mut out = Vec::new();
        render(text, request, route, place, &mut out);
        out
    };
    match decided.outcome {
        Outcome::RedirectToHttps { port } => Some(redirect(308, https_location(request, port))),
        Outcome::Respond(Target::Redirect { status, location }) => {
            let mut location = rendered(location, Place::Url);
            // A redirect keeps the query unless its target has one.
            if !location.contains(&b'?') {
                put_query(request, &mut location);
            }
            Some(redirect(*status, location))
        }
        Outcome::Respond(Target::Answer { status, body, headers }) => {
            let body = rendered(body, Place::Body);
            let mut headers: Vec<(&str, Vec<u8>)> =
                headers.iter().map(|(name, value)| (name.as_str(), rendered(value, Place::Field))).collect();
            if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            {
                headers.push(("Content-Type", b"text/plain; charset=utf-8".to_vec()));
            }
            Some(OwnAnswer { status: *status, headers, body })
        }
        Outcome::Respond(_) | Outcome::Forward(_) | Outcome::Refuse { .. } => None,
    }
}

fn redirect(status: u16, location: Vec<u8>) -> OwnAnswer<'static> {
    OwnAnswer { status, headers: vec![("Location", location)], body: Vec::new() }
}

/// Where a plain request is sent that is to come over TLS: the same host, path and query, on the port of the TLS
/// listener.
fn https_location(request: &Request<'_>, port: u16) -> Vec<u8> {
    let (open, close) = if request.host.contains(':') { ("[", "]") } else { ("", "") };
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let mut location = format!("https://{open}{}{close}{port}", request.host).into_bytes();
    location.extend_from_slice(request.raw_path);
    put_query(request, &mut location);
    location
}

fn put_query(request: &Request<'_>, out: &mut Vec<u8>) {
    if let Some(query) = request.query {
        out.push(b'?');
        out.extend_from_slice(query);
    }
}
