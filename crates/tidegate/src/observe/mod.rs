//! What is told to the operator about what happened: the access log. Metrics and traces will live here.

pub mod access_log;
