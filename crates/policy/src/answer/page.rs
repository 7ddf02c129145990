//! Pages for statuses that Tidegate itself answers.

use super::{OwnAnswer, phrase};
use crate::decide::Fields;
use crate::model::{ErrorPage, Policy, SiteId};
use crate::text::{Place, put};
use wire::grpc_web::ContentType;

/// The answer that explains a status: the operator's own page where there is one, HTML for clients whose `Accept` asks
/// for it and JSON for the others.
///
/// The client is told a status and the request's id; why is for the log. A client of gRPC or gRPC-Web is told in its own
/// terms.
pub fn error_page<'p>(
    policy: &'p Policy,
    site: Option<SiteId>,
    status: u16,
    fields: &dyn Fields,
    request_id: &[u8],
) -> OwnAnswer<'p> {
    if let Some(content_type) = grpc_content_type(fields) {
        return grpc_answer(status, content_type);
    }
    let own = site.map(|site| policy.sites[site.0].errors.as_ref()).unwrap_or_default();
    let pages = own.iter().chain(&policy.errors);
    let (body, content_type) = body(pages, status, wants_html(fields), request_id);
    let mut headers = Vec::new();
    if !body.is_empty() {
        headers.push(("Content-Type", content_type.as_bytes().to_vec()));
        // RFC 9110 section 12.5.5: a cache must not give one form to those who asked for the other.
        headers.push(("Vary", b"Accept".to_vec()));
    }
    if status == 405 {
        // Of the methods only CONNECT is refused.
        headers.push(("Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE".to_vec()));
    }
    OwnAnswer { status, headers, body }
}

/// The content type of an answer to a call of gRPC or of gRPC-Web; `None` where the request is none.
fn grpc_content_type(fields: &dyn Fields) -> Option<Vec<u8>> {
    let mut found = None;
    fields.each("content-type", &mut |value| {
        found = Some(value);
        false
    });
    let asked = found?;
    if wire::grpc::is_grpc(asked) {
        return Some(b"application/grpc".to_vec());
    }
    let asked = ContentType::of(asked)?;
    let mut accepted = None;
    fields.each("accept", &mut |value| {
        accepted = ContentType::accepted(value);
        accepted.is_none()
    });
    Some(ContentType::of_answer(asked, accepted).value())
}

/// A status that gRPC's clients understand, in a head that is trailers too ("Trailers-Only"), which clients of gRPC-Web
/// read as well.
fn grpc_answer(status: u16, content_type: Vec<u8>) -> OwnAnswer<'static> {
    let headers = vec![
        ("Content-Type", content_type),
        ("Grpc-Status", wire::grpc::status_of(status).to_string().into_bytes()),
        ("Grpc-Message", phrase(status).as_bytes().to_vec()),
    ];
    OwnAnswer { status: 200, headers, body: Vec::new() }
}

fn body<'p>(
    pages: impl Iterator<Item = &'p ErrorPage>,
    status: u16,
    html: bool,
    request_id: &[u8],
) -> (Vec<u8>, &'static str) {
    let mut fitting = pages.filter(|page| (page.statuses.0..=page.statuses.1).contains(&status));
    let own = fitting.find_map(|page| if html { page.html.as_deref() } else { page.json.as_deref() });
    let builtin = if html {
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{status} {reason}</title>\n\
         <h1>{status} {reason}</h1>\n<p>Request {request_id}</p>\n</html>\n"
    } else {
        "{\"status\":{status},\"error\":\"{reason}\",\"request_id\":\"{request_id}\"}\n"
    };
    let (place, content_type) =
        if html { (Place::Html, "text/html; charset=utf-8") } else { (Place::Json, "application/json") };
    (filled(own.unwrap_or(builtin), status, request_id, place), content_type)
}

/// A page with its values, in one pass: what stands in a value is no place for another.
fn filled(page: &str, status: u16, request_id: &[u8], place: Place) -> Vec<u8> {
    let mut out = Vec::with_capacity(page.len() + request_id.len());
    let mut rest = page;
    let number = status.to_string();
    while let Some(at) = rest.find('{') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        let (name, value) = match rest {
            rest if rest.starts_with("{status}") => ("{status}", number.as_bytes()),
            rest if rest.starts_with("{reason}") => ("{reason}", phrase(status).as_bytes()),
            rest if rest.starts_with("{request_id}") => ("{request_id}", request_id),
            _ => {
                out.push(b'{');
                rest = &rest[1..];
                continue;
            }
        };
        put(value, place, &mut out);
        rest = &rest[name.len()..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// Whether `Accept`, on whichever line, names HTML, and JSON with no greater weight (RFC 9110 section 12.5.1). Programs
/// that take anything get JSON.
fn wants_html(fields: &dyn Fields) -> bool {
    let (mut html, mut json) = (0, 0);
    fields.each("accept", &mut |value| {
        for range in value.split(|byte| *byte == b',') {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let kind = parts.next().unwrap_or_default();
            let is = |known: &[u8]| kind.eq_ignore_ascii_case(known);
            let weight = parts.find_map(weight).unwrap_or(1000);
            if is(b"text/html") || is(b"application/xhtml+xml") || is(b"text/*") {
                html = html.max(weight);
            } else if is(b"application/json") || is(b"application/*") {
                json = json.max(weight);
            }
        }
        true
    });
    html > 0 && html >= json
}

/// In thousandths; a weight that is none counts as the least.
fn weight(parameter: &[u8]) -> Option<u16> {
    let (b"q" | b"Q", [b'=', digits @ ..]) = parameter.split_at_checked(1)? else { return None };
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<f32>().ok());
    Some((number.unwrap_or_default().clamp(0.0, 1.0) * 1000.0) as u16)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn html_only_for_clients_that_ask_for_it() {
        for (accept, expected) in [
            (&["text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"][..], true),
            (&["*/*"], false),
            (&["application/json"], false),
            (&["application/json, Text/HTML ; q=0.1"], false),
            (&["text/html;q=0.5, application/json"], false),
            (&["text/html;q=0.5", "application/json;q=0.4"], true),
            (&["text/html;q=x"], false),
            (&["*/*, Text/HTML ; q=0.1"], true),
            (&["application/json", "text/html"], true),
            (&["text/html;q=0"], false),
            (&["text/html;q=0.000"], false),
            (&[""], false),
            (&[], false),
        ] {
            let fields: Vec<(String, String)> =
                accept.iter().map(|value| ("Accept".to_owned(), (*value).to_owned())).collect();
            assert_eq!(wants_html(&fields), expected, "{accept:?}");
        }
    }

    #[test]
    fn calls_are_answered_in_their_own_terms() {
        let (web, text) = ("application/grpc-web+proto", "application/grpc-web-text");
        for (content_type, accept, expected) in [
            ("application/grpc+proto", "", Some("application/grpc")),
            (web, "*/*", Some(web)),
            (text, "", Some(text)),
            (web, text, Some("application/grpc-web-text+proto")),
            ("application/json", web, None),
        ] {
            let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let fields = vec![field("Content-Type", content_type), field("Accept", accept)];
            let found = grpc_content_type(&fields).map(|value| String::from_utf8(value).unwrap());
            assert_eq!(found.as_deref(), expected, "{content_type}, {accept}");
        }
        assert_eq!(grpc_content_type(&Vec::new()), None);
    }

    fn page(statuses: (u16, u16), html: Option<&str>, json: Option<&str>) -> ErrorPage {
        ErrorPage { statuses, html: html.map(str::to_owned), json: json.map(str::to_owned) }
    }

    #[test]
    fn own_pages_take_the_place_of_ours() {
        let pages = [
            page((503, 503), Some("<p>{status} {reason} {request_id} {x}</p>"), None),
            page((500, 599), Some("wide"), Some("{\"wide\": \"{request_id}\"}")),
        ];
        for (status, html, expected) in [
            (503, true, "<p>503 Service Unavailable id {x}</p>"),
            (503, false, "{\"wide\": \"id\"}"),
            (500, true, "wide"),
            (404, false, "{\"status\":404,\"error\":\"Not Found\",\"request_id\":\"id\"}\n"),
        ] {
            let (found, _) = body(pages.iter(), status, html, b"id");
            assert_eq!(String::from_utf8(found).unwrap(), expected, "{status} {html}");
        }
        assert_eq!(body(pages.iter(), 503, true, b"id").1, "text/html; charset=utf-8");
        assert_eq!(body(pages.iter(), 503, false, b"id").1, "application/json");
    }

    #[test]
    fn an_id_is_no_markup() {
        let pages = [page((400, 599), Some("{request_id}"), Some("\"{request_id}\""))];
        let evil = b"<b>\"\\{status}";
        assert_eq!(body(pages.iter(), 500, true, evil).0, b"&lt;b&gt;&quot;\\{status}");
        assert_eq!(body(pages.iter(), 500, false, evil).0, b"\"<b>\\\"\\\\{status}\"");
        let (ours, _) = body([].iter(), 418, true, evil);
        let ours = String::from_utf8(ours).unwrap();
        assert!(ours.contains("I&#39;m a teapot") && ours.contains("<p>Request &lt;b&gt;"), "{ours}");
    }
}
