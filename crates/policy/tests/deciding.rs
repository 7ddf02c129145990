//! Deciding, through the file: what is written, what is asked, and what becomes of it.

#![allow(clippy::unwrap_used)]

mod common;

use common::Memory;
use policy::decide::{CookieKeys, Dice, Excluded, Input, Machine, Outcome, Places, Rules, State, Step};
use policy::matching::{check as conditions, path_fits};
use policy::model::{PoolId, RouteId, SiteId};
use policy::testing::{HandState, Simulation, TestRequest, Verdict, run_all};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

const KEYS: CookieKeys = CookieKeys { current: [7; 32], previous: None };

fn rules(yaml: &str) -> Rules {
    let files = Memory::new(&[("tidegate.yaml", yaml)]);
    let loaded = policy::load(&files, Path::new("tidegate.yaml"), &|_| Some("/tmp".to_owned()));
    let text = |diagnostic| policy::source::render(diagnostic, &loaded.sources, false);
    let texts: Vec<String> = loaded.diagnostics.iter().map(text).collect();
    Rules::new(Arc::new(loaded.policy.unwrap_or_else(|| panic!("{}", texts.join("\n")))), KEYS)
}

/// What a verdict comes to, in one word: the pool, or the status.
fn outcome(rules: &Rules, verdict: &Verdict<'_>) -> String {
    match &verdict.decided.outcome {
        Outcome::Forward(_) => match verdict.pick {
            Some(pick) => rules.policy().pools[pick.pool.0].name.clone(),
            None => "503".to_owned(),
        },
        Outcome::Respond(_) => "answer".to_owned(),
        Outcome::RedirectToHttps { port } => format!("https:{port}"),
        Outcome::Refuse { status, .. } => status.to_string(),
    }
}

fn ask(rules: &Rules, request: &TestRequest) -> String {
    let mut simulation = Simulation::new(rules, HandState::new(rules.policy(), &[]), 1);
    outcome(rules, &simulation.decide(request, &mut ()))
}

const SHOP: &str = "
listeners: [{ address: ':80' }, { address: ':443', tls: true }, { address: ':8443', name: inside, tls: true }]
tls: { internal: true }
pools:
  a: { servers: ['10.0.0.1:80'] }
  b: { servers: ['10.0.0.2:80'] }
  c: { servers: ['10.0.0.3:80'] }
sites:
  shop.example.com:
    routes:
      - { path: /exact, to: b }
      - { path: '/api/*', method: [POST, PUT], to: b }
      - { path: '/users/{id}', to: c }
      - { path: { regex: '^/v[0-9]+/x$' }, to: c }
      - { header: { x-tier: gold }, to: b }
      - { header: { x-tier: { prefix: sil } }, to: c }
      - { query: { q: { in: ['1', 'a b'] } }, to: b }
      - { cookie: { beta: { present: true } }, to: b }
      - { client: [10.0.0.0/8, '2001:db8::/32'], to: c }
      - { header: { x-missing: { not: bad } }, path: '/not/*', to: b }
      - { path: '/only/*', to: a }
  '*.example.com': { to: a }
  '*.deep.example.com': { to: b }
  inside.test: { listeners: [inside], to: a }
  '*': { redirect_to_https: false, to: { status: 404 } }
";

#[test]
fn sites_and_routes() {
    let rules = rules(SHOP);
    let get = |url: &str, fields: &[(&str, &str)], client: &str| {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ask(&rules, &TestRequest::new("GET", url, fields, client.parse().ok()).unwrap())
    };
    let here = "192.0.2.1";
    for (url, expected) in [
        ("https://shop.example.com/exact", "b"),
        ("https://SHOP.example.com./exact", "b"),
        ("https://shop.example.com/exact/", "404"),
        ("https://shop.example.com/%65xact", "b"),
        ("https://shop.example.com/only", "a"),
        ("https://shop.example.com/only/", "a"),
        ("https://shop.example.com/only/x/y", "a"),
        ("https://shop.example.com/onlyx", "404"),
        ("https://shop.example.com/x/../only/x", "a"),
        ("https://shop.example.com/users/7", "c"),
        ("https://shop.example.com/users/", "404"),
        ("https://shop.example.com/users/7/x", "404"),
        ("https://shop.example.com/v12/x", "c"),
        ("https://shop.example.com/api/x", "404"),
        ("https://shop.example.com/not/x", "b"),
        ("https://shop.example.com/z?q=1", "b"),
        ("https://shop.example.com/z?q=a+b", "b"),
        ("https://shop.example.com/z?q=2", "404"),
        ("https://x.example.com/", "a"),
        ("https://y.x.example.com/", "a"),
        ("https://y.deep.example.com/", "b"),
        ("https://example.com/", "answer"),
        ("https://inside.test/", "a"),
        ("http://shop.example.com/exact", "https:443"),
        ("http://other.test/", "answer"),
    ] {
        assert_eq!(get(url, &[], here), expected, "{url}");
    }
    let base = "https://shop.example.com/z";
    for (fields, client, expected) in [
        (&[("X-Tier", "gold")][..], here, "b"),
        (&[("X-Tier", "iron"), ("x-tier", "gold")], here, "b"),
        (&[("x-tier", "silver")], here, "c"),
        (&[("x-tier", "Gold")], here, "404"),
        (&[("Cookie", "a=b; beta=")], here, "b"),
        (&[], "10.1.2.3", "c"),
        (&[], "::ffff:10.1.2.3", "c"),
        (&[], "2001:db8::7", "c"),
    ] {
        assert_eq!(get(base, fields, client), expected, "{fields:?} from {client}");
    }
    assert_eq!(get("https://shop.example.com/not/x", &[("X-Missing", "bad")], here), "404");
    let post = TestRequest::new("post", "https://shop.example.com/api/x", vec![], None).unwrap();
    assert_eq!(ask(&rules, &post), "b");
}

#[test]
fn a_site_bound_to_a_listener_is_invisible_elsewhere() {
    let rules = rules(SHOP);
    let request = TestRequest::new("GET", "https://inside.test/", vec![], None).unwrap();
    let mut facts = request.facts(rules.policy());
    let site = |listener| {
        facts.listener = listener;
        let mut machine = Machine::new(&rules);
        match machine.step(&facts, Input::Head, &mut Dice::new(1), &mut ()) {
            Step::Done(decided) => decided.site.map(|site| rules.policy().sites[site.0].name.clone()),
            Step::Need(_) => None,
        }
    };
    let mut site = site;
    assert_eq!(site(Some(policy::model::ListenerId(2))).as_deref(), Some("inside.test"));
    assert_eq!(site(Some(policy::model::ListenerId(1))).as_deref(), Some("*"));
}

const STICKY: &str = "
listeners: [{ address: ':80' }]
pools:
  one: { servers: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'], sticky: cookie }
  two: { like: one, servers: ['10.0.1.1:80', '10.0.1.2:80'] }
  by: { servers: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80', '10.0.0.4:80'], sticky: { by: cookie.ID } }
sites:
  split.test: { to: { one: 50%, two: 50% } }
  by.test: { to: by }
  other.test: { to: one }
";

fn place(verdict: &Verdict<'_>) -> (PoolId, usize) {
    let pick = verdict.pick.unwrap();
    (pick.pool, pick.server)
}

#[test]
fn a_session_stays_and_moves_once() {
    let rules = rules(STICKY);
    for seed in 0..50 {
        let mut simulation = Simulation::new(&rules, HandState::new(rules.policy(), &[]), seed);
        let mut request = TestRequest::new("GET", "http://split.test/a?x=1", vec![], None).unwrap();
        let first = simulation.decide(&request, &mut ());
        let home = place(&first);
        let cookie = first.effects.set_cookie.clone().unwrap();
        assert!(
            cookie.starts_with("tidegate=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"),
            "{cookie}"
        );
        request.add_cookie(cookie.split(';').next().unwrap().to_owned());
        for round in 0..20 {
            request.set_query(format!("x={round}"));
            let again = simulation.decide(&request, &mut ());
            assert_eq!(place(&again), home);
            assert_eq!(again.effects.set_cookie, None, "nothing new to say");
        }
        simulation.state().take_down(home.0, home.1);
        let moved = simulation.decide(&request, &mut ());
        let new_home = place(&moved);
        assert!(new_home != home && moved.pick.unwrap().moved);
        let cookie = moved.effects.set_cookie.clone().unwrap();
        let mut request = TestRequest::new("GET", "http://split.test/b", vec![], None).unwrap();
        request.add_cookie(cookie.split(';').next().unwrap().to_owned());
        // Its old server is back: the session has moved and stays moved.
        let mut simulation = Simulation::new(&rules, HandState::new(rules.policy(), &[]), seed + 1000);
        assert_eq!(place(&simulation.decide(&request, &mut ())), new_home);
    }
}

#[test]
fn a_dead_arm_spills_over() {
    let rules = rules(STICKY);
    let down: Vec<String> = ["10.0.1.1:80", "10.0.1.2:80"].map(str::to_owned).to_vec();
    let mut simulation = Simulation::new(&rules, HandState::new(rules.policy(), &down), 1);
    let request = TestRequest::new("GET", "http://split.test/", vec![], None).unwrap();
    for _ in 0..20 {
        assert_eq!(outcome(&rules, &simulation.decide(&request, &mut ())), "one");
    }
}

#[test]
fn an_arm_of_nothing_gets_nothing_but_its_sessions() {
    const PARKED: &str = "
listeners: [':80']
pools:
  old: { servers: ['10.0.0.1:80'], sticky: cookie }
  parked: { like: old, servers: ['10.0.1.1:80', '10.0.1.2:80'] }
  new: { like: old, servers: ['10.0.2.1:80'] }
sites:
  shop.test: { to: { old: 100%, parked: 0% } }
";
    let parked_rules = rules(PARKED);
    let session_rules = rules(&PARKED.replace("old: 100%, parked: 0%", "old: 0%, parked: 100%"));
    let thirds = rules(&PARKED.replace("old: 100%, parked: 0%", "old: 50%, parked: 0%, new: 50%"));
    let down = ["10.0.0.1:80".to_owned()];
    let request = TestRequest::new("GET", "http://shop.test/", vec![], None).unwrap();
    let mut session = request.clone();
    let mut before = Simulation::new(&session_rules, HandState::new(session_rules.policy(), &[]), 1);
    let first = before.decide(&request, &mut ());
    let home = place(&first);
    session.add_cookie(first.effects.set_cookie.unwrap().split(';').next().unwrap().to_owned());

    let mut simulation = Simulation::new(&parked_rules, HandState::new(parked_rules.policy(), &down), 1);
    assert_eq!(outcome(&parked_rules, &simulation.decide(&request, &mut ())), "503");
    assert_eq!(place(&simulation.decide(&session, &mut ())), home, "who is there stays there");
    simulation.state().take_down(home.0, home.1);
    let moved = place(&simulation.decide(&session, &mut ()));
    assert!(moved.0 == home.0 && moved != home, "in the same pool");

    let mut simulation = Simulation::new(&thirds, HandState::new(thirds.policy(), &down), 1);
    for _ in 0..20 {
        assert_eq!(outcome(&thirds, &simulation.decide(&request, &mut ())), "new");
    }
}

#[test]
fn cookies_of_strangers_and_of_other_sites_mean_nothing() {
    let rules = rules(STICKY);
    let mut simulation = Simulation::new(&rules, HandState::new(rules.policy(), &[]), 3);
    let request = TestRequest::new("GET", "http://split.test/", vec![], None).unwrap();
    let cookie = simulation.decide(&request, &mut ()).effects.set_cookie.unwrap();
    let pair = cookie.split(';').next().unwrap().to_owned();
    for pair in [pair, "tidegate=AAAA".to_owned(), "tidegate=".to_owned()] {
        let mut elsewhere = TestRequest::new("GET", "http://other.test/", vec![], None).unwrap();
        elsewhere.add_cookie(pair);
        let verdict = simulation.decide(&elsewhere, &mut ());
        assert!(verdict.effects.set_cookie.is_some(), "a new session begins");
    }
}

#[test]
fn the_first_valid_of_several_cookies_counts() {
    let rules = rules(STICKY);
    let mut simulation = Simulation::new(&rules, HandState::new(rules.policy(), &[]), 3);
    let mut request = TestRequest::new("GET", "http://split.test/", vec![], None).unwrap();
    let first = simulation.decide(&request, &mut ());
    let cookie = first.effects.set_cookie.clone().unwrap();
    request.add_cookie(format!("tidegate=forged; {}", cookie.split(';').next().unwrap()));
    assert_eq!(place(&simulation.decide(&request, &mut ())), place(&first));
}

#[test]
fn sessions_by_a_value_of_the_application() {
    let rules = rules(STICKY);
    let mut simulation = Simulation::new(&rules, HandState::new(rules.policy(), &[]), 5);
    let with = |id: &str| {
        let fields = vec![("Cookie".to_owned(), format!("ID={id}"))];
        TestRequest::new("GET", "http://by.test/", fields, None).unwrap()
    };
    let homes: Vec<_> =
        (0..20).map(|id| place(&simulation.decide(&with(&id.to_string()), &mut ()))).collect();
    assert!(homes.iter().any(|home| *home != homes[0]), "sessions are spread");
    for (id, home) in homes.iter().enumerate() {
        assert_eq!(place(&simulation.decide(&with(&id.to_string()), &mut ())), *home);
    }
}

#[test]
fn a_value_that_an_answer_sets_is_learnt() {
    let rules = rules(STICKY);
    let request = TestRequest::new("GET", "http://by.test/", vec![], None).unwrap();
    let state = HandState::new(rules.policy(), &[]);
    let mut machine = Machine::new(&rules);
    let facts = request.facts(rules.policy());
    let Step::Done(decided) = machine.step(&facts, Input::Head, &mut Dice::new(1), &mut ()) else {
        panic!("there is no value to look up yet");
    };
    let Outcome::Forward(forward) = &decided.outcome else { panic!("a pool") };
    let tried = Excluded::default();
    let pick = rules.pick(forward, &facts, &decided, &tried, &state, &mut Dice::new(1), &mut ()).unwrap();
    let answer = vec![("Set-Cookie".to_owned(), "ID=new; Path=/".to_owned())];
    let effects = rules.on_response(&facts, &decided, forward, pick, &answer);
    let (learnt, _) = effects.remember.unwrap();
    // The next request presents it, and asks for the very record.
    let fields = vec![("Cookie".to_owned(), "ID=new".to_owned())];
    let next = TestRequest::new("GET", "http://by.test/", fields, None).unwrap();
    let mut machine = Machine::new(&rules);
    match machine.step(&next.facts(rules.policy()), Input::Head, &mut Dice::new(1), &mut ()) {
        Step::Need(need) => assert_eq!(need, policy::decide::Need::Session(learnt)),
        Step::Done(_) => panic!("the record is asked for"),
    }
}

const SHARED: &str = "
listeners: [{ address: ':80' }]
pools:
  shop: { servers: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'], sticky: { cookie: tidegate, expire: 1h } }
  api: { like: shop, servers: ['10.0.1.1:80', '10.0.1.2:80', '10.0.1.3:80'] }
  arma: { servers: ['10.0.2.1:80', '10.0.2.2:80', '10.0.2.3:80'], sticky: { by: cookie.ID } }
  armb: { like: arma, servers: ['10.0.3.1:80', '10.0.3.2:80', '10.0.3.3:80'] }
sites:
  two.test: { routes: [{ path: '/api/*', to: api }, { to: shop }] }
  canary.test: { routes: [{ path: /plain, to: arma }, { to: { arma: 50%, armb: 50% } }] }
  ours.test: { routes: [{ path: /plain, to: shop }, { to: { shop: 50%, api: 50% } }] }
";

/// A browser: keeps the one cookie of ours, next to those that it was given.
struct Browser {
    own: &'static str,
    jar: Option<String>,
}

impl Browser {
    fn ask(&mut self, simulation: &mut Simulation<'_>, url: &str) -> ((PoolId, usize), bool) {
        let mut request = TestRequest::new("GET", url, vec![], None).unwrap();
        request.add_cookie(self.own.to_owned());
        self.jar.clone().into_iter().for_each(|pair| request.add_cookie(pair));
        let verdict = simulation.decide(&request, &mut ());
        let set = verdict.effects.set_cookie.as_ref();
        if let Some(cookie) = set {
            self.jar = Some(cookie.split(';').next().unwrap().to_owned());
        }
        (place(&verdict), set.is_some())
    }
}

fn simulate(rules: &Rules, seed: u64) -> Simulation<'_> {
    Simulation::new(rules, HandState::new(rules.policy(), &[]), seed)
}

#[test]
fn two_pools_of_one_site_share_a_cookie_and_do_not_disturb_each_other() {
    let rules = rules(SHARED);
    for seed in 0..20 {
        let mut simulation = simulate(&rules, seed);
        let mut browser = Browser { own: "a=b", jar: None };
        let (cart, _) = browser.ask(&mut simulation, "http://two.test/cart");
        let (api, _) = browser.ask(&mut simulation, "http://two.test/api/x");
        for _ in 0..10 {
            assert_eq!(browser.ask(&mut simulation, "http://two.test/cart"), (cart, false));
            assert_eq!(browser.ask(&mut simulation, "http://two.test/api/x"), (api, false));
        }
    }
}

#[test]
fn a_canary_stays_though_another_route_shares_its_first_pool() {
    let rules = rules(SHARED);
    for host in ["canary.test", "ours.test"] {
        let mut canaries = 0;
        for seed in 0..40 {
            let mut simulation = simulate(&rules, seed);
            let mut browser = Browser { own: "ID=7", jar: None };
            let (plain, split) = (format!("http://{host}/plain"), format!("http://{host}/"));
            if seed % 2 == 0 {
                browser.ask(&mut simulation, &plain);
            }
            let (home, _) = browser.ask(&mut simulation, &split);
            canaries += u32::from(seed % 2 == 0 && rules.policy().pools[home.0.0].name.starts_with('a'));
            let (before, _) = browser.ask(&mut simulation, &plain);
            if before.0 == home.0 {
                assert_eq!(before, home, "{host}: one server of a pool, by whatever route");
            }
            for _ in 0..10 {
                assert_eq!(browser.ask(&mut simulation, &plain).0, before, "{host}");
                assert_eq!(browser.ask(&mut simulation, &split).0, home, "{host}");
            }
        }
        assert!(canaries > 3, "{host}: who comes by the other route first is drawn like all");
    }
}

#[test]
fn a_pool_that_gets_a_canary_beside_it_keeps_its_sessions() {
    let before = rules(STICKY);
    let after =
        rules(&STICKY.replace("other.test: { to: one }", "other.test: { to: { two: 90%, one: 10% } }"));
    for seed in 0..20 {
        let mut browser = Browser { own: "a=b", jar: None };
        let (home, _) = browser.ask(&mut simulate(&before, seed), "http://other.test/");
        assert_eq!(browser.ask(&mut simulate(&after, seed + 50), "http://other.test/").0, home);
    }
}

#[test]
fn parallel_requests_of_a_session_agree_when_its_server_has_gone() {
    let rules = rules(SHARED);
    let mut homes = std::collections::HashSet::new();
    for seed in 0..20 {
        let mut simulation = simulate(&rules, seed);
        let mut browser = Browser { own: "a=b", jar: None };
        browser.ask(&mut simulation, "http://two.test/cart");
        simulation.state().take_down(PoolId(0), 0);
        let jar = browser.jar.clone();
        let parallel: std::collections::HashSet<_> = (0..6)
            .map(|_| Browser { own: "a=b", jar: jar.clone() }.ask(&mut simulation, "http://two.test/cart").0)
            .collect();
        assert_eq!(parallel.len(), 1, "on the pool that the session knows");
        homes.extend(parallel);
        let parallel: std::collections::HashSet<_> = (0..6)
            .map(|_| Browser { own: "a=b", jar: jar.clone() }.ask(&mut simulation, "http://two.test/api/x").0)
            .collect();
        assert_eq!(parallel.len(), 1, "and on one that it does not know yet");
    }
    assert_eq!(homes.len(), 2, "all servers that are left take sessions over");
}

#[test]
fn the_first_of_parallel_requests_settles_where_a_session_is() {
    let rules = rules(SHARED);
    let mut state = HandState::new(rules.policy(), &[]);
    let mut request = TestRequest::new("GET", "http://canary.test/", vec![], None).unwrap();
    request.add_cookie("ID=7".to_owned());
    let facts = request.facts(rules.policy());
    let (mut kept, mut none) = (Places::default(), Excluded::default());
    let decide = |seed| {
        let mut machine = Machine::new(&rules);
        machine.step(&facts, Input::Head, &mut Dice::new(seed), &mut ());
        match machine.step(&facts, Input::Session(None), &mut Dice::new(seed), &mut ()) {
            Step::Done(decided) => decided,
            Step::Need(need) => panic!("{need:?}"),
        }
    };
    // All were decided before any was answered.
    let decided: Vec<_> = (0..12).map(decide).collect();
    let mut all = |state: &HandState, tried: &Excluded| {
        let pick = |decided: &policy::decide::Decided<'_>| {
            let Outcome::Forward(forward) = &decided.outcome else { panic!("a pool") };
            let pick =
                rules.pick(forward, &facts, decided, tried, state, &mut Dice::new(1), &mut ()).unwrap();
            assert!(rules.reservation(forward, pick).is_some());
            rules.reserve(forward, pick, tried, state, &mut kept)
        };
        let places: Vec<_> = decided.iter().map(pick).map(|pick| (pick.pool, pick.server)).collect();
        assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
        places[0]
    };
    let first = all(&state, &none);
    // To its server no connection comes about: the first that finds out moves the session, and all others follow.
    none.add(first.0, first.1);
    let second = all(&state, &none);
    assert_ne!(second, first);
    state.take_down(second.0, second.1);
    assert_ne!(all(&state, &none), second);
}

#[test]
fn our_cookie_is_renewed_while_it_is_used_and_ends_when_it_is_not() {
    let rules = rules(SHARED);
    let mut simulation = simulate(&rules, 1);
    let mut browser = Browser { own: "a=b", jar: None };
    let url = "http://two.test/cart";
    let (home, _) = browser.ask(&mut simulation, url);
    for (now, renewed) in
        [(1800, false), (1801, true), (3600, false), (3602, true), (7202, true), (7203, false)]
    {
        simulation.set_time(now);
        assert_eq!(browser.ask(&mut simulation, url), (home, renewed), "after {now} s");
    }
    let old = browser.jar.clone();
    simulation.set_time(7202 + 3601);
    assert!(browser.ask(&mut simulation, url).1, "whoever keeps it longer has a new session");
    let value = |jar: &Option<String>| jar.clone().unwrap()["tidegate=".len()..][..6].to_owned();
    assert_ne!(value(&browser.jar), value(&old), "with another number");
    // Without `expire` it ends with the browser.
    let rules = self::rules(STICKY);
    let mut simulation = simulate(&rules, 1);
    let (home, _) = browser.ask(&mut simulation, "http://other.test/");
    simulation.set_time(u32::MAX);
    assert_eq!(browser.ask(&mut simulation, "http://other.test/"), (home, false));
}

#[test]
fn nothing_up_is_told() {
    let rules = rules(STICKY);
    let state =
        HandState::new(rules.policy(), &["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"].map(str::to_owned));
    assert!(!state.is_up(PoolId(0), 0));
    let mut simulation = Simulation::new(&rules, state, 1);
    let request = TestRequest::new("GET", "http://other.test/", vec![], None).unwrap();
    let (verdict, trace) = simulation.explain(&request);
    assert_eq!(outcome(&rules, &verdict), "503");
    assert!(policy::explain::write(&trace).contains("no server is up"));
}

#[test]
fn explaining_names_each_step() {
    let rules = rules(SHOP);
    let mut simulation = Simulation::new(&rules, HandState::new(rules.policy(), &[]), 1);
    let fields = vec![("X-Tier".to_owned(), "silver".to_owned())];
    let request = TestRequest::new("GET", "https://shop.example.com/api/x", fields, None).unwrap();
    let (_, trace) = simulation.explain(&request);
    insta::assert_snapshot!(policy::explain::write(&trace));
}

#[test]
fn the_files_own_tests() {
    let good = format!(
        "{SHOP}
tests:
  - {{ get: 'https://shop.example.com/exact', to: b, server: '10.0.0.2:80', route: /exact, site: shop.example.com }}
  - {{ get: 'https://shop.example.com/nothing', status: 404 }}
  - {{ get: 'http://shop.example.com/a?b', status: 308, expect_headers: {{ location: 'https://shop.example.com/a?b' }} }}
  - {{ post: 'https://shop.example.com/api/1', to: b }}
  - {{ get: 'https://shop.example.com/exact', down: ['10.0.0.2:80'], status: 503 }}
"
    );
    let failures = run_all(&rules(&good));
    assert!(failures.is_empty(), "{failures:?}");
    let bad = format!(
        "{STICKY}
tests:
  - {{ get: 'http://split.test/', to: one, repeat: 50 }}
  - {{ get: 'http://split.test/', to: {{ one: 60%, two: 40% }} }}
  - {{ get: 'http://split.test/', to: {{ one: 50%, two: 50% }}, repeat: 1000, sticky: true }}
  - {{ get: 'http://split.test/', status: 404 }}
  - {{ get: 'http://by.test/', sticky: true }}
  - {{ get: 'http://by.test/', cookies: {{ ID: '7' }}, sticky: true }}
"
    );
    let failures = run_all(&rules(&bad));
    let messages: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
    insta::assert_debug_snapshot!(messages);
}

fn path_strategy() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "1", "{x}", "{y}"]), 0..4)
        .prop_map(|parts| format!("/{}", parts.join("/")))
}

proptest! {
    /// The index gives the very route that a scan in order gives.
    #[test]
    fn the_index_is_a_scan(
        patterns in prop::collection::vec((path_strategy(), any::<bool>(), any::<bool>()), 1..12),
        paths in prop::collection::vec("/([abc1]{0,2}/){0,3}[abc1]{0,2}", 8),
    ) {
        let routes: Vec<String> = patterns
            .iter()
            .map(|(pattern, rest, conditional)| {
                let pattern = if *rest { format!("{}/*", pattern.trim_end_matches('/')) } else { pattern.clone() };
                let condition = if *conditional { ", header: { x: '1' }" } else { "" };
                format!("      - {{ path: '{pattern}'{condition}, to: p }}\n")
            })
            .collect();
        let yaml = format!(
            "listeners: [{{ address: ':80' }}]\npools: {{ p: {{ servers: ['10.0.0.1:80'] }} }}\nsites:\n  a.test:\n    routes:\n{}",
            routes.concat()
        );
        let files = Memory::new(&[("tidegate.yaml", &yaml)]);
        let loaded = policy::load(&files, Path::new("tidegate.yaml"), &|_| Some("/tmp".to_owned()));
        // Routes that nothing can reach, and captures named twice, are refused: another draw then.
        let Some(policy) = loaded.policy else { return Ok(()) };
        let rules = Rules::new(Arc::new(policy), KEYS);
        for path in paths {
            for fields in [vec![], vec![("X".to_owned(), "1".to_owned())]] {
                let request = TestRequest::new("GET", &format!("http://a.test{path}"), fields, None).unwrap();
                let facts = request.facts(rules.policy());
                let site = &rules.policy().sites[0];
                let scan = site.routes.iter().position(|route| {
                    path_fits(&route.path, facts.path) && conditions(route, &facts).is_ok()
                });
                let mut machine = Machine::new(&rules);
                let step = machine.step(&facts, Input::Head, &mut Dice::new(1), &mut ());
                let Step::Done(decided) = step else { panic!("no session is kept here") };
                prop_assert_eq!(decided.site, Some(SiteId(0)));
                prop_assert_eq!(decided.route, scan.map(RouteId), "{}", facts.path);
            }
        }
    }
}
