//! From the types that mirror the file to the model: defaults, inheritance, and everything that needs more
//! than one value to be judged.
//!
//! Like decoding, resolving never stops at a mistake. Where something is broken a stand-in takes its place in
//! the model, which is thrown away in the end; what was reported as broken is not reported again by those who
//! refer to it.

mod filters;
mod general;
mod health;
mod hosts;
mod listeners;
mod location;
mod names;
mod pages;
mod path;
mod pools;
mod retries;
mod route_names;
mod routes;
mod server_tls;
mod sites;
mod sticky;
mod target;
mod tests;
mod together;

use crate::file::decode::Problems;
use crate::file::raw;
use crate::model::{Policy, PoolId};
use crate::source::{Diagnostic, Files, Span};
use names::Names;
use std::sync::Arc;

/// Makes the model of a file. It is of use only if `problems` has no error afterwards.
pub fn resolve(
    file: &raw::File,
    files: &dyn Files,
    env: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> Policy {
    let timeouts = general::timeouts(&file.timeouts);
    let bounds = general::bounds(&file.bounds);
    let listeners = listeners::resolve(file, bounds, timeouts, problems);
    let pools = pools::resolve(file, timeouts, problems);
    let tls = general::tls(&file.tls, problems);
    let listener_names = listeners::names(file, problems);
    let pool_names = pools::names(file, problems);
    let mut context = sites::Context {
        listeners: &listeners,
        listener_names: &listener_names,
        listeners_in_doubt: listeners::in_doubt(file, problems),
        pools: &pools,
        pool_names: &pool_names,
        pools_used: vec![false; pools.len()],
        tls: &tls,
        no_tls: Arc::default(),
        bounds,
        files,
        problems,
    };
    let sites = sites::resolve(file, &mut context);
    let pools_used = context.pools_used;
    let tests = tests::resolve(file, &listeners, &pools, &pool_names, &sites, problems);
    let errors = pages::resolve(&file.errors, files, problems);
    let (state_dir, state_dir_at) = general::state_dir(&file.state_dir, env, problems);
    let policy = Policy {
        workers: general::workers(&file.workers, problems),
        trusted_proxies: general::networks(&file.trusted_proxies).unwrap_or_default(),
        forwarding: general::forwarding(&file.forwarded),
        drain: general::drain(&file.drain),
        state_dir,
        state_dir_at,
        access_log: general::access_log(&file.observe, problems),
        tls,
        listeners,
        pools,
        sites,
        errors,
        tests,
    };
    // Beside errors these would mostly be their consequences.
    if problems.errors() == 0 {
        warn(&policy, &pools_used, problems);
    }
    policy
}

/// Pools by name.
type PoolNames<'f> = Names<'f, PoolId>;

/// A reference to a pool; reports a name that is none.
fn find_pool(name: &str, at: Span, names: &PoolNames, problems: &mut Problems) -> Option<PoolId> {
    if let Some(pool) = names.find(name) {
        return pool;
    }
    let problem = Diagnostic::error(at, format!("no pool is named `{name}`")).label("unknown pool");
    let nearest = problems.nearest(name, names.all());
    problems.push(with_help(problem, nearest));
    None
}

fn with_help(problem: Diagnostic, help: Option<String>) -> Diagnostic {
    match help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// What can be used and is probably not what was meant.
fn warn(policy: &Policy, pools_used: &[bool], problems: &mut Problems) {
    if policy.sites.is_empty() {
        let problem = Diagnostic::warning(Span::default(), "no site: every request is answered with 404");
        problems.push(problem.help("write `sites: { example.com: { to: POOL } }`"));
    }
    for (pool, _) in policy.pools.iter().zip(pools_used).filter(|(_, used)| !**used) {
        let problem = Diagnostic::warning(pool.at, format!("the pool `{}` is never used", pool.name));
        problems.push(problem.label("no route leads here"));
    }
}
