//! Which filters a route uses: its site's and its own, without those that it skips.

use super::sites::Context;
use crate::file::decode::{Field, OneOrMore};
use crate::file::raw::{self, FilterKind};
use crate::file::tree::At;
use crate::model::{Protocol, Target};
use crate::source::{Diagnostic, Span};

/// Where filters are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    grpc_web: Option<Span>,
    /// More may be meant than could be read.
    in_doubt: bool,
}

impl Used {
    /// Whether gRPC-Web is translated.
    pub fn grpc_web(self) -> bool {
        self.grpc_web.is_some()
    }
}

/// Those of a site.
pub fn of_site(own: &raw::Site) -> Used {
    let in_doubt = matches!(own.filters, Field::Broken);
    Used { grpc_web: find(&own.filters, FilterKind::GrpcWeb), in_doubt }
}

/// Those of a route of that site.
pub fn of_route(own: &raw::Route, site: Used, context: &mut Context) -> Used {
    let (used, skipped) = (find(&own.filters, FilterKind::GrpcWeb), find(&own.skip, FilterKind::GrpcWeb));
    match (used, skipped) {
        (Some(used), Some(skipped)) => {
            let problem = Diagnostic::error(skipped, "a route uses and skips `grpc_web`");
            context.problems.push(problem.label("skipped here").other(used, "used here"));
            Used::default()
        }
        (None, Some(skipped)) => {
            if site.grpc_web.is_none() && !site.in_doubt {
                let problem = Diagnostic::error(skipped, "the site does not use `grpc_web`");
                context.problems.push(problem.label("nothing to skip"));
            }
            Used::default()
        }
        (used, None) => Used { grpc_web: used.or(site.grpc_web), ..site },
    }
}

/// Where a list names that kind.
fn find(list: &Field<OneOrMore<FilterKind>>, kind: FilterKind) -> Option<Span> {
    let listed = list.value()?.0.iter().find(|listed| listed.value == kind);
    listed.map(|listed| listed.at)
}

/// Whether what is used goes with where the route leads.
pub fn check(used: Used, to: &At<raw::Target>, target: &Target, context: &mut Context) {
    let Some(used_at) = used.grpc_web else { return };
    let pools: Vec<_> = match target {
        Target::Pool(pool) => vec![*pool],
        Target::Split(arms) => arms.iter().map(|arm| arm.pool).collect(),
        Target::Redirect { .. } | Target::Answer { .. } => return,
    };
    for pool in pools.into_iter().map(|pool| &context.pools[pool.0]) {
        if pool.protocol == Protocol::H2 {
            continue;
        }
        let message =
            format!("`grpc_web` needs servers of HTTP/2, and those of `{}` speak HTTP/1.1", pool.name);
        let problem = Diagnostic::error(to.at, message).label("gRPC has no way there");
        let problem = problem.other(used_at, "`grpc_web` is used here");
        context.problems.push(problem.help(format!(
            "write `protocol: h2`, or `protocol: h2c` without TLS, in the pool `{}`; a route of a site that uses \
             `grpc_web` does without by `skip: [grpc_web]`",
            pool.name
        )));
    }
}
