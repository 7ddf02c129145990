//! The configuration of Envoy, with the same duties as those of the other peers.

use super::program::Place;
use super::scenario::Shape;
use crate::process::port;
use crate::run::Failure;

/// Its configuration, as YAML.
///
/// # Errors
/// With many routes: it tries those that differ in their path one after the other.
pub(super) fn configuration(shape: Shape, place: &Place<'_>) -> Result<String, Failure> {
    let tls = match shape {
        Shape::Routes => return Err("Envoy is not counted with many routes".to_owned()),
        Shape::Tls => format!(
            "\n      transport_socket:\n        name: tls\n        typed_config:\n          \
             \"@type\": {TYPES}.transport_sockets.tls.v3.DownstreamTlsContext\n          common_tls_context:\n            \
             alpn_protocols: [http/1.1]\n            tls_certificates:\n            \
             - {{ certificate_chain: {{ filename: {0} }}, private_key: {{ filename: {0} }} }}",
            place.certificate.display()
        ),
        Shape::Plain | Shape::Http2 | Shape::Grpc | Shape::Logged => String::new(),
    };
    let log = match shape {
        Shape::Logged => format!(
            "\n          access_log:\n          - name: file\n            typed_config: {{ \"@type\": \
             {TYPES}.access_loggers.file.v3.FileAccessLog, path: {} }}",
            place.folder.join("access.log").display()
        ),
        _ => String::new(),
    };
    let codec = if matches!(shape, Shape::Http2 | Shape::Grpc) { "HTTP2" } else { "HTTP1" };
    let upstream = match shape {
        Shape::Grpc => format!(
            "\n    typed_extension_protocol_options:\n      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n        \
             \"@type\": {TYPES}.upstreams.http.v3.HttpProtocolOptions\n        \
             explicit_http_config: {{ http2_protocol_options: {{}} }}"
        ),
        _ => String::new(),
    };
    let socket = |address: &str| {
        format!("{{ socket_address: {{ address: 127.0.0.1, port_value: {} }} }}", port(address))
    };
    Ok(format!(
        "static_resources:
  listeners:
  - address: {}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          \"@type\": {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          codec_type: {codec}
          use_remote_address: true{}
          route_config:
            virtual_hosts:
            - {{ name: app, domains: [shop.example], routes: [{{ match: {{ prefix: / }}, route: {{ cluster: app }} }}] }}
          http_filters:
          - {{ name: router, typed_config: {{ \"@type\": {TYPES}.filters.http.router.v3.Router }} }}{}
  clusters:
  - name: app
    type: STATIC
    load_assignment: {{ cluster_name: app, endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {} }} }}] }}] }}{upstream}
",
        socket(place.address),
        log,
        tls,
        socket(place.origin),
    ))
}

/// What its names of types begin with.
const TYPES: &str = "type.googleapis.com/envoy.extensions";
