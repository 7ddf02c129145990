//! The targets, a module each.

pub mod chunked;
pub mod configuration;
pub mod cookie;
pub mod forwarded;
pub mod grpc_web;
mod h2;
pub mod h2_request;
pub mod h2_response;
mod head;
#[path = "../../../crates/wire/tests/heads/oracle.rs"]
mod head_oracle;
pub mod head_request;
pub mod head_response;
pub mod path_matcher;
pub mod session_cookie;
pub mod uri;

use crate::Target;

/// All targets.
pub const ALL: &[Target] = &[
    head_request::TARGET,
    head_response::TARGET,
    chunked::TARGET,
    uri::TARGET,
    cookie::TARGET,
    path_matcher::TARGET,
    configuration::TARGET,
    session_cookie::TARGET,
    forwarded::TARGET,
    grpc_web::TARGET,
    h2_request::TARGET,
    h2_response::TARGET,
];
