//! TLS to the servers of a pool.

use super::{record, shape_of};
use crate::file::decode::{Decode, Problems, record as read_record};
use crate::file::shape::Shape;
use crate::file::tree::{Kind, Node};
use serde_json::json;

record! {
    /// TLS to the servers of a pool. The short form `tls: true` is TLS with all at its default.
    ServerTlsKeys("a pool's `tls`") {
        /// PEM file with the authorities, or the very certificates, that are trusted; relative to this file. Default: what
        /// the system trusts.
        ca: String,
        /// The name that servers are asked for (SNI), and must be certified for. Default: the pool's `host`, else each
        /// server's own name or address.
        sni: String,
        /// PEM file with a certificate to show to servers that ask for one, with its chain. Relative to this file.
        cert: String,
        /// PEM file with its key. Relative to this file.
        key: String,
        /// Whether servers must have a certificate that is valid, trusted and for their name. With `false` nothing is
        /// checked: anybody on the way can read and change everything. Default: true.
        verify: bool,
    }
}

/// TLS to servers: off, or how.
#[derive(Clone, Debug)]
pub enum ServerTls {
    /// `false`.
    Off,
    /// `true`, or a map.
    On(Box<ServerTlsKeys>),
}

impl Decode for ServerTls {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        if let Kind::Scalar { .. } = &node.kind {
            let on = bool::decode(node, problems)?;
            return Some(if on { ServerTls::On(Box::default()) } else { ServerTls::Off });
        }
        let keys = read_record(node, "true, false, or a map such as { ca: FILE.pem }", problems);
        keys.map(|keys| ServerTls::On(Box::new(keys)))
    }

    fn shape() -> Shape {
        Shape::Either(vec![
            Shape::Scalar { words: "true or false", schema: json!({ "type": "boolean" }) },
            shape_of::<ServerTlsKeys>("ServerTls"),
        ])
    }
}
