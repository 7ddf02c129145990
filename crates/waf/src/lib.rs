//! The web application firewall's engine: SecLang rules in, verdicts out, without IO.
//!
//! Nothing is built here yet; the crate marks the engine's place, so that nothing else grows into it.
