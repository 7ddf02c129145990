//! Running the file's tests.

use super::{HandState, Simulation, TestRequest, Verdict, means_server};
use crate::decide::{Outcome, Rules};
use crate::explain;
use crate::model::{Expect, ExpectTo, Policy, Route, Server, Target, Test};
use crate::source::Span;
use crate::text::percent;

/// A test that does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The test, in a few words: method and URL.
    pub test: String,
    /// What was expected, and what happened.
    pub message: String,
    /// Where the test is written.
    pub at: Span,
    /// Why it happened, step by step.
    pub trace: String,
}

/// How often a session must find its server again.
const STICKY_ROUNDS: u64 = 20;

/// Requests that a session is asked for in between, at most.
const ASKED_BETWEEN_MAX: usize = 4;

/// Runs all tests of a configuration; gives what does not hold.
pub fn run_all(rules: &Rules) -> Vec<Failure> {
    rules.policy().tests.iter().filter_map(|test| run(rules, test).err()).collect()
}

/// Runs one test.
///
/// # Errors
/// What does not hold.
pub fn run(rules: &Rules, test: &Test) -> Result<(), Failure> {
    let scheme = if test.tls { "https" } else { "http" };
    let name = format!("{} {scheme}://{}{}", test.method, test.authority, test.path_and_query);
    let failure =
        |message: String, trace: String| Failure { test: name.clone(), message, at: test.at, trace };
    let request = request(test).map_err(|error| failure(error.to_string(), String::new()))?;
    // Steps are told only of what fails: of most requests nobody wants to hear, and telling costs more than deciding.
    let at_round = |message: String, round: u32| failure(message, steps(rules, test, &request, round));
    let split = match &test.expect.to {
        Some(ExpectTo::Split(shares)) => Some(shares),
        _ => None,
    };
    let mut simulation = simulation(rules, test, test.seed);
    // Each must hold, whatever the dice. (Of a split that is asked of all together, below.)
    for round in 0..if split.is_some() { 1 } else { test.repeat } {
        let verdict = simulation.decide(&request, &mut ());
        let seen = Seen::of(rules.policy(), &verdict, &request);
        compare(&test.expect, &seen).map_err(|message| at_round(message, round))?;
        if let Some(shares) = split {
            check_declared(shares, &seen).map_err(|message| at_round(message, round))?;
        }
    }
    if let Some(shares) = split.filter(|_| test.repeat > 1) {
        check_drawn(rules, test, &request, shares).map_err(|message| at_round(message, 0))?;
    }
    match test.expect.sticky {
        Some(wanted) => check_sticky(rules, test, &request, wanted).map_err(|message| at_round(message, 0)),
        None => Ok(()),
    }
}

/// How the decision of a round comes about, which is the same each time it is asked for.
fn steps(rules: &Rules, test: &Test, request: &TestRequest, round: u32) -> String {
    let mut simulation = simulation(rules, test, test.seed);
    for _ in 0..round {
        simulation.decide(request, &mut ());
    }
    explain::write(&simulation.explain(request).1)
}

fn request(test: &Test) -> Result<TestRequest, super::RequestError> {
    let mut fields = test.headers.clone();
    let cookies: Vec<String> = test.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !cookies.is_empty() {
        fields.push(("Cookie".to_owned(), cookies.join("; ")));
    }
    let client = Some(test.client);
    TestRequest::from_parts(&test.method, test.tls, &test.authority, &test.path_and_query, fields, client)
        .map(|request| request.through(test.listener))
}

fn simulation<'r>(rules: &'r Rules, test: &Test, seed: u64) -> Simulation<'r> {
    Simulation::new(rules, HandState::new(rules.policy(), &test.down), seed)
}

/// What a test can see of a verdict.
struct Seen<'p> {
    site: Option<&'p str>,
    route: Option<&'p Route>,
    pool: Option<&'p str>,
    server: Option<&'p Server>,
    /// The status that Tidegate itself would answer.
    status: Option<u16>,
    headers: Vec<(String, String)>,
    /// Declared shares of the split that was reached.
    shares: Vec<(&'p str, u32)>,
}

impl<'p> Seen<'p> {
    fn of(policy: &'p Policy, verdict: &Verdict<'_>, request: &TestRequest) -> Seen<'p> {
        let decided = &verdict.decided;
        let site = decided.site.map(|site| &policy.sites[site.0]);
        let route = site.zip(decided.route).map(|(site, route)| &site.routes[route.0]);
        let mut seen = Seen {
            site: site.map(|site| &*site.name),
            route,
            pool: None,
            server: None,
            status: None,
            headers: Vec::new(),
            shares: Vec::new(),
        };
        if let Some(Target::Split(arms)) = route.map(|route| &route.to) {
            seen.shares =
                arms.iter().map(|arm| (policy.pools[arm.pool.0].name.as_str(), arm.share)).collect();
        }
        if let Outcome::Forward(forward) = &decided.outcome {
            let pool = verdict.pick.map_or(forward.pool, |pick| pick.pool);
            let pool = &policy.pools[pool.0];
            seen.pool = Some(&pool.name);
            seen.server = verdict.pick.map(|pick| &pool.servers[pick.server]);
        }
        if let Some(answer) = verdict.own_answer(policy, &request.facts(policy)) {
            seen.status = Some(answer.status);
            let text = |(name, value): (&str, Vec<u8>)| {
                (name.to_ascii_lowercase(), String::from_utf8_lossy(&value).into_owned())
            };
            seen.headers = answer.headers.into_iter().map(text).collect();
        }
        seen
    }
}

fn compare(expect: &Expect, seen: &Seen<'_>) -> Result<(), String> {
    let differs = |what: &str, wanted: &str, got: Option<&str>| match got {
        Some(got) if got == wanted => Ok(()),
        Some(got) => Err(format!("expected {what} {wanted}, got {got}")),
        None => Err(format!("expected {what} {wanted}, got none{}", status_note(seen))),
    };
    if let Some(ExpectTo::Pool(pool)) = &expect.to {
        differs("pool", pool, seen.pool)?;
    }
    if let Some(site) = &expect.site {
        differs("site", site, seen.site)?;
    }
    if let Some(route) = &expect.route {
        differs("route", route, seen.route.map(|route| &*route.name))?;
    }
    if let Some(server) = &expect.server {
        let name = seen.server.map(|server| server.name.as_str());
        if !seen.server.is_some_and(|seen| means_server(server, seen)) {
            differs("server", server, name)?;
        }
    }
    match (expect.status, seen.status) {
        (Some(wanted), Some(got)) if wanted == got => {}
        (Some(wanted), Some(got)) => return Err(format!("expected status {wanted}, got {got}")),
        (Some(wanted), None) => {
            let pool = seen.pool.unwrap_or("a pool");
            return Err(format!("expected status {wanted}, but the request goes to {pool}"));
        }
        (None, _) => {}
    }
    for (name, wanted) in &expect.headers {
        let got = seen.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        differs(&format!("header {name}"), wanted, got)?;
    }
    Ok(())
}

fn status_note(seen: &Seen<'_>) -> String {
    seen.status.map(|status| format!(" (status {status})")).unwrap_or_default()
}

/// The shares as the route declares them.
fn check_declared(wanted: &[(String, u32)], seen: &Seen<'_>) -> Result<(), String> {
    let list = |shares: &mut dyn Iterator<Item = (&str, u32)>| {
        let parts: Vec<String> = shares.map(|(pool, share)| format!("{pool}: {}", percent(share))).collect();
        parts.join(", ")
    };
    let same = wanted.len() == seen.shares.len()
        && wanted.iter().all(|(pool, share)| seen.shares.contains(&(pool.as_str(), *share)));
    if same {
        return Ok(());
    }
    let wanted = list(&mut wanted.iter().map(|(pool, share)| (pool.as_str(), *share)));
    if seen.shares.is_empty() {
        return Err(format!(
            "expected a split into {wanted}, got {}{}",
            seen.pool.unwrap_or("no pool"),
            status_note(seen)
        ));
    }
    Err(format!("expected a split into {wanted}, got {}", list(&mut seen.shares.iter().copied())))
}

/// The shares as the dice draw them, each time for a client without a session: within four standard deviations.
fn check_drawn(
    rules: &Rules,
    test: &Test,
    request: &TestRequest,
    wanted: &[(String, u32)],
) -> Result<(), String> {
    let mut counts = vec![0u32; wanted.len()];
    let mut simulation = simulation(rules, test, test.seed);
    for _ in 0..test.repeat {
        simulation.forget_sessions();
        let verdict = simulation.decide(request, &mut ());
        let seen = Seen::of(rules.policy(), &verdict, request);
        if let Some(at) = wanted.iter().position(|(pool, _)| Some(pool.as_str()) == seen.pool) {
            counts[at] += 1;
        }
    }
    let total = f64::from(test.repeat);
    for ((pool, share), count) in wanted.iter().zip(counts) {
        let chance = f64::from(*share) / 10_000.0;
        let bound = 4.0 * (total * chance * (1.0 - chance)).sqrt() + 0.5;
        if (f64::from(count) - total * chance).abs() > bound {
            let got = percent((f64::from(count) / total * 10_000.0).round() as u32);
            return Err(format!(
                "expected {} of {} requests at {pool}, got {got}",
                percent(*share),
                test.repeat
            ));
        }
    }
    Ok(())
}

/// Cookies of ours that a client keeps: name and pair.
type Jar = Vec<(String, String)>;

/// Decides a request of a client that has such a jar, and keeps what the answer sets.
fn decide_with<'r>(simulation: &mut Simulation<'r>, request: &TestRequest, jar: &mut Jar) -> Verdict<'r> {
    let mut request = request.clone();
    jar.iter().for_each(|(_, pair)| request.add_cookie(pair.clone()));
    let verdict = simulation.decide(&request, &mut ());
    let pair = verdict.effects.set_cookie.as_ref().and_then(|cookie| cookie.split(';').next());
    if let Some((name, _)) = pair.and_then(|pair| pair.split_once('=')) {
        jar.retain(|(other, _)| other != name);
        jar.push((name.to_owned(), pair.unwrap_or_default().to_owned()));
    }
    verdict
}

/// What the same client may ask in between: other tests of the host.
fn asked_between(rules: &Rules, test: &Test) -> Vec<TestRequest> {
    let is_near = |other: &&Test| other.authority == test.authority && other.tls == test.tls;
    let others = rules.policy().tests.iter().filter(is_near).filter(|other| other.at != test.at);
    others.take(ASKED_BETWEEN_MAX).filter_map(|other| request(other).ok()).collect()
}

/// Whether the same session reaches the same server again, whatever the dice, what else is in the query, and what else
/// of the host was asked in between.
fn check_sticky(rules: &Rules, test: &Test, request: &TestRequest, wanted: bool) -> Result<(), String> {
    let mut simulation = simulation(rules, test, test.seed);
    let mut jar = Jar::new();
    let Some(place) = decide_with(&mut simulation, request, &mut jar).pick else {
        return Err("expected a server to stay on, got none".to_owned());
    };
    let between = asked_between(rules, test);
    let mut stays = true;
    for round in 1..=STICKY_ROUNDS {
        for other in &between {
            decide_with(&mut simulation, other, &mut jar);
        }
        // At the end: the rest of the query may be what routes and sessions go by.
        let mut again = request.clone();
        again.add_parameter(&format!("round={round}"));
        simulation.reseed(test.seed.wrapping_add(round));
        let pick = decide_with(&mut simulation, &again, &mut jar).pick;
        stays &= pick.is_some_and(|pick| (pick.pool, pick.server) == (place.pool, place.server));
    }
    let pool = &rules.policy().pools[place.pool.0];
    match (wanted, stays) {
        (true, false) => {
            Err(format!("expected the session to stay on {}, but it moves", pool.servers[place.server].name))
        }
        (false, true) => {
            Err(format!("expected no session, but all requests reach {}", pool.servers[place.server].name))
        }
        _ => Ok(()),
    }
}
