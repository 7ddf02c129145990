//! Names of routes: as given, or made of their conditions, and each another one.

use crate::file::decode::{Field, Named};
use crate::file::raw;
use crate::file::tree::At;
use std::collections::{HashMap, HashSet};

/// Characters of a value that a name shows.
const SHOWN: usize = 24;

/// A name for each route of a site. Those that are made and alike are numbered: `/x`, `/x #2`.
pub fn names(routes: &[At<raw::Route>]) -> Vec<String> {
    let given = |route: &At<raw::Route>| route.value.name.value().cloned();
    let mut taken: HashSet<String> = routes.iter().filter_map(given).collect();
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut unique = |made: String| {
        let count = counts.entry(made.clone()).or_insert(0);
        loop {
            *count += 1;
            let name = if *count == 1 { made.clone() } else { format!("{made} #{count}") };
            if taken.insert(name.clone()) {
                return name;
            }
        }
    };
    routes.iter().map(|route| given(route).unwrap_or_else(|| unique(made(&route.value)))).collect()
}

/// A name made of conditions: `GET /api/* header.x-tier=gold`; `*` if there are none.
fn made(own: &raw::Route) -> String {
    let mut words = Vec::new();
    if let Some(methods) = own.method.value().filter(|methods| !methods.0.is_empty()) {
        let methods: Vec<_> = methods.0.iter().map(|method| method.value.0.as_str()).collect();
        words.push(methods.join("|"));
    }
    match own.path.value() {
        Some(raw::Path::Pattern(path)) => words.push(path.clone()),
        Some(raw::Path::Regex(regex)) => words.extend(regex.regex.value().cloned()),
        None => {}
    }
    values(&own.header, "header", &mut words);
    values(&own.query, "query", &mut words);
    values(&own.cookie, "cookie", &mut words);
    if let Some(networks) = own.client.value().filter(|networks| !networks.0.is_empty()) {
        let networks: Vec<_> = networks.0.iter().map(|network| network.value.0.to_string()).collect();
        words.push(format!("client={}", shortened(&networks.join("|"))));
    }
    if words.is_empty() { "*".to_owned() } else { words.join(" ") }
}

fn values(field: &Field<Named<raw::ValueMatch>>, place: &str, words: &mut Vec<String>) {
    for (name, value) in field.value().map(|named| named.0.as_slice()).unwrap_or_default() {
        let name = format!("{place}.{}", name.value);
        words.push(value.value().map_or(name.clone(), |value| condition(&name, value)));
    }
}

/// A condition in short: `header.x=a`, `header.x=a|b`, `header.x=a*`, `header.x~REGEX`, and with `!` what is not so.
fn condition(name: &str, value: &raw::ValueMatch) -> String {
    match value {
        raw::ValueMatch::Exact(text) => format!("{name}={}", shortened(text)),
        raw::ValueMatch::Present(true) => name.to_owned(),
        raw::ValueMatch::Present(false) => format!("!{name}"),
        raw::ValueMatch::Prefix(text) => format!("{name}={}*", shortened(text)),
        raw::ValueMatch::Regex(text) => format!("{name}~{}", shortened(&text.value)),
        raw::ValueMatch::In(texts) => {
            let texts: Vec<_> = texts.value.iter().map(|text| text.value.as_str()).collect();
            format!("{name}={}", shortened(&texts.join("|")))
        }
        raw::ValueMatch::Not(inner) => format!("!{}", condition(name, inner)),
    }
}

fn shortened(text: &str) -> String {
    let mut short: String =
        text.chars().take(SHOWN).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}
