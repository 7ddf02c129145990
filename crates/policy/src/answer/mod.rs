//! What Tidegate answers itself: redirects, fixed answers and error pages, composed alike for clients, for `tests:` and
//! for `explain`.

mod location;
mod page;
mod phrase;

pub use page::error_page;
pub use phrase::phrase;

use crate::decide::{Decided, Outcome, Request};
use crate::model::{FixedAnswer, Policy, Target, Text, TextPart};
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
            let mut location = location::render(location, request, route);
            // A redirect keeps the query unless its target has one.
            location::put_query(request.query, &mut location);
            Some(redirect(*status, location))
        }
        Outcome::Respond(Target::Answer(answer)) => {
            let FixedAnswer { status, body, headers } = &**answer;
            let body = rendered(body, body_place(headers));
            let field = |(name, value): &'p (String, Text)| {
                let value = if name.eq_ignore_ascii_case("location") {
                    location::render(value, request, route)
                } else {
                    rendered(value, Place::Field)
                };
                (name.as_str(), value)
            };
            let mut headers: Vec<(&str, Vec<u8>)> = headers.iter().map(field).collect();
            if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            {
                headers.push(("Content-Type", b"text/plain; charset=utf-8".to_vec()));
            }
            Some(OwnAnswer { status: *status, headers, body })
        }
        Outcome::Respond(_) | Outcome::Forward(_) | Outcome::Refuse { .. } => None,
    }
}

/// How values are written in a body of the type that its route says.
fn body_place(headers: &[(String, Text)]) -> Place {
    let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    match content_type.and_then(|(_, text)| text.0.first()) {
        Some(TextPart::Literal(kind)) => {
            let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            if kind.ends_with("html") || kind.ends_with("xml") {
                Place::Html
            } else if kind.ends_with("json") {
                Place::Json
            } else {
                Place::Plain
            }
        }
        _ => Place::Plain,
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
    // `OPTIONS *` has none.
    location.extend_from_slice(if request.raw_path.starts_with(b"/") { request.raw_path } else { b"/" });
    location::put_query(request.query, &mut location);
    location
}
