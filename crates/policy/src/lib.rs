//! Configuration to decisions, without IO.
//!
//! The life of a configuration: [`file`](mod@file) reads the text into a tree that knows its positions and into the
//! types that mirror the file; [`resolve`] turns those into the [`model`], which cannot hold a wrong state;
//! [`Policy`](model::Policy) is indexed by [`matching`] and decided by [`decide`]. Everything that goes wrong on the way is a
//! [`Diagnostic`](source::Diagnostic) with a place in the file.
//!
//! The life of a request: [`decide`] finds site, route and target, `balance` picks a server once per
//! attempt, [`persistence`] keeps a session on its server. The live proxy, `tests:` and `explain` drive the
//! very same machine; clock, dice and the state of servers are arguments.

pub mod answer;
mod balance;
pub mod decide;
pub mod explain;
pub mod expression;
pub mod file;
mod hash;
pub mod matching;
pub mod model;
pub mod persistence;
pub mod resolve;
pub mod schema;
pub mod source;
pub mod testing;
pub mod text;

pub use file::{Loaded, load};
pub use schema::{reference, schema};
