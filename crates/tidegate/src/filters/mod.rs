//! What changes requests and answers on their way, one filter a folder.
//!
//! A filter that changes bodies stands around the server's stream ([`Translated`](crate::http::h2::Translated)), so that
//! the relay, its time-outs and its bounds are the same with it and without.

pub mod grpc_web;
