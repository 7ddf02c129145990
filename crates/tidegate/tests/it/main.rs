//! One integration binary that drives the real program, a module per part of its work.
#![allow(clippy::unwrap_used)]

mod support;

mod after_failure;
mod bodies;
mod cli;
mod connections;
mod demo;
mod examples;
mod fields;
mod floods;
mod framing;
mod grpc_web;
mod health;
mod interim;
mod limits;
mod pairings;
mod process;
mod races;
mod retries;
mod routing;
mod server_gone;
mod sessions;
mod splice;
mod tls;
mod turns;
mod upgrade;
