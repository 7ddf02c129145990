//! Whether the conditions of one route hold whenever those of another do, paths aside.

use crate::model::{Route, ValueMatch};
use ipnet::IpNet;

/// Where a value is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Header,
    Query,
    Cookie,
}

/// A route, made ready to be compared.
#[derive(Clone)]
pub(super) struct Conditions<'a> {
    pub(super) number: usize,
    pub(super) route: &'a Route,
    /// Its networks, neighbours put together; `None` is every client.
    clients: Option<Vec<IpNet>>,
}

impl<'a> Conditions<'a> {
    pub(super) fn new(number: usize, route: &'a Route) -> Self {
        let clients = route.conditions().client.as_ref().map(|networks| IpNet::aggregate(&networks.0));
        let is_all = |clients: &Vec<IpNet>| {
            let whole =
                |of_v4| clients.iter().any(|one| one.prefix_len() == 0 && one.addr().is_ipv4() == of_v4);
            whole(true) && whole(false)
        };
        Conditions { number, route, clients: clients.filter(|clients| !is_all(clients)) }
    }

    /// Conditions that ask for certain texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = (Place, &'a str, &'a [String])> + use<'a> {
        let all = |place, values: &'a [(String, ValueMatch)]| {
            values.iter().filter_map(move |(name, value)| match value {
                ValueMatch::Exact(text) => Some((place, name.as_str(), std::slice::from_ref(text))),
                ValueMatch::In(texts) => Some((place, name.as_str(), texts.as_slice())),
                _ => None,
            })
        };
        all(Place::Header, &self.route.conditions().headers)
            .chain(all(Place::Query, &self.route.conditions().queries))
            .chain(all(Place::Cookie, &self.route.conditions().cookies))
    }

    /// Whether whatever fulfils `later` surely fulfils these.
    pub(super) fn cover(&self, later: &Conditions<'_>) -> bool {
        let (earlier, route) = (self.route.conditions(), later.route.conditions());
        let methods = earlier.methods.is_empty()
            || (!route.methods.is_empty()
                && route.methods.iter().all(|method| earlier.methods.contains(method)));
        let clients = match (&self.clients, &later.clients) {
            (None, _) => true,
            (Some(_), None) => false,
            // Since neighbours were put together, no two networks cover a third that neither covers.
            (Some(all), Some(some)) => some.iter().all(|some| all.iter().any(|one| one.contains(some))),
        };
        methods
            && clients
            && values_cover(&earlier.headers, &route.headers)
            && values_cover(&earlier.queries, &route.queries)
            && values_cover(&earlier.cookies, &route.cookies)
    }
}

/// Each earlier condition is implied by a later one on the same name.
fn values_cover(earlier: &[(String, ValueMatch)], later: &[(String, ValueMatch)]) -> bool {
    earlier
        .iter()
        .all(|(name, weak)| later.iter().any(|(other, strong)| name == other && implies(strong, weak)))
}

/// Whether what fulfils `strong` surely fulfils `weak`. A field may have several values, of which any may fulfil a
/// condition; so only conditions that one and the same value fulfils imply each other. Both are in the form that
/// [`ValueMatch::simplified`] gives.
fn implies(strong: &ValueMatch, weak: &ValueMatch) -> bool {
    use ValueMatch::{Exact, In, Not, Prefix, Present, Regex};
    match (strong, weak) {
        (Present(one), Present(other)) => one == other,
        (Not(one), Not(other)) => implies(other, one),
        // What is not there is no such thing either.
        (Present(false), Not(_)) => true,
        (Not(_) | Present(_), _) | (_, Not(_) | Present(false)) => false,
        (_, Present(true)) => true,
        (Exact(text), _) => takes(weak, text),
        (In(texts), _) => texts.iter().all(|text| takes(weak, text)),
        (Prefix(text), Prefix(prefix)) => text.starts_with(prefix.as_str()),
        (Regex(one), Regex(other)) => one.as_str() == other.as_str(),
        _ => false,
    }
}

/// Whether a condition for one value is fulfilled by this one.
fn takes(condition: &ValueMatch, text: &str) -> bool {
    match condition {
        ValueMatch::Exact(other) => other == text,
        ValueMatch::Prefix(prefix) => text.starts_with(prefix.as_str()),
        ValueMatch::Regex(regex) => regex.is_match(text.as_bytes()),
        ValueMatch::In(texts) => texts.iter().any(|other| other == text),
        ValueMatch::Present(_) | ValueMatch::Not(_) => false,
    }
}
