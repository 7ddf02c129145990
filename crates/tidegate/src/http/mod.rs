//! From bytes to requests and answers, one folder per version of HTTP.
//!
//! `h1` is what everything is brought to; `h2` translates. HTTP/3 will stand beside them.

pub mod answer;
pub mod h1;
pub mod h2;
pub mod stream;
