//! From bytes to requests and answers, one folder per version of HTTP.
//!
//! HTTP/2 and HTTP/3 will stand beside `h1`.

pub mod answer;
pub mod h1;
pub mod stream;
