//! Envoy's configuration.

use super::{Place, write};
use crate::bench::workload::Routes;
use crate::run::Failure;
use serde_json::{Value, json};
use std::path::Path;

/// Writes it; the words that start it.
pub(super) fn prepare(place: &Place, program: &Path) -> Result<Vec<String>, Failure> {
    let file = write(place, "envoy.json", &configuration(place).to_string())?;
    let program = program.to_string_lossy();
    let words =
        [&program, "-c", &file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"];
    Ok(words.map(str::to_owned).to_vec())
}

/// A message of this type.
fn typed(name: &str, mut fields: Value) -> Value {
    fields["@type"] = json!(format!("type.googleapis.com/envoy.{name}"));
    fields
}

fn endpoint(address: &str) -> Value {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    json!({ "socket_address": { "address": host, "port_value": port.parse::<u16>().unwrap_or(0) } })
}

fn configuration(place: &Place) -> Value {
    let mut chain = json!({ "filters": [{
        "name": "http",
        "typed_config": typed(
            "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            manager(place)
        ),
    }] });
    if place.setting.tls {
        let file = |name| json!({ "filename": format!("{}/{name}", place.certificates) });
        chain["transport_socket"] = json!({
            "name": "tls",
            "typed_config": typed("extensions.transport_sockets.tls.v3.DownstreamTlsContext", json!({
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificates": [{ "certificate_chain": file("cert.pem"), "private_key": file("key.pem") }],
                },
            })),
        });
    }
    json!({ "static_resources": {
        "listeners": [{ "name": "web", "address": endpoint(place.address), "filter_chains": [chain] }],
        "clusters": [cluster(place)],
    } })
}

fn manager(place: &Place) -> Value {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": typed("extensions.filters.http.router.v3.Router", json!({})),
    });
    let mut filters = Vec::new();
    if place.setting.chain {
        let cookie = typed(
            "extensions.http.stateful_session.cookie.v3.CookieBasedSessionState",
            json!({ "cookie": { "name": "bench", "path": "/" } }),
        );
        filters.push(json!({
            "name": "envoy.filters.http.stateful_session",
            "typed_config": typed("extensions.filters.http.stateful_session.v3.StatefulSession", json!({
                "session_state": { "name": "envoy.http.stateful_session.cookie", "typed_config": cookie },
            })),
        }));
    }
    filters.push(router);
    let mut manager = json!({
        "stat_prefix": "web",
        // What others do not make is not asked of it: ids of requests.
        "generate_request_id": false,
        "use_remote_address": true,
        "http_filters": filters,
        "route_config": { "name": "routes", "virtual_hosts": hosts(place) },
    });
    if place.setting.websocket {
        manager["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }]);
    }
    manager
}

fn hosts(place: &Place) -> Value {
    let mut action = json!({ "cluster": "app" });
    if place.setting.chain {
        action["retry_policy"] = json!({ "retry_on": "5xx,connect-failure", "num_retries": 1 });
    }
    let to = |matched: Value| json!({ "match": matched, "route": action });
    let all = || to(json!({ "prefix": "/" }));
    match place.setting.routes {
        Routes::One => json!([{ "name": "all", "domains": ["*"], "routes": [all()] }]),
        Routes::Paths(count) => {
            let routes: Vec<Value> = (0..count).map(|at| to(json!({ "path": format!("/r/{at}") }))).collect();
            json!([{ "name": "all", "domains": ["*"], "routes": routes }])
        }
        Routes::Hosts(count) => {
            let host = |at| json!({ "name": format!("h{at}"), "domains": [format!("h{at}.example")], "routes": [all()] });
            (0..count).map(host).collect()
        }
    }
}

fn cluster(place: &Place) -> Value {
    let endpoints: Vec<Value> =
        place.servers.iter().map(|server| json!({ "endpoint": { "address": endpoint(server) } })).collect();
    let most = 100_000;
    let mut cluster = json!({
        "name": "app",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": { "thresholds": [{
            "max_connections": most, "max_pending_requests": most, "max_requests": most, "max_retries": most,
        }] },
        "load_assignment": { "cluster_name": "app", "endpoints": [{ "lb_endpoints": endpoints }] },
    });
    if place.setting.chain {
        cluster["health_checks"] = json!([{
            "timeout": "1s", "interval": "2s", "unhealthy_threshold": 3, "healthy_threshold": 2,
            "http_health_check": { "path": "/healthz" },
        }]);
    }
    if place.setting.grpc {
        cluster["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
                typed("extensions.upstreams.http.v3.HttpProtocolOptions",
                    json!({ "explicit_http_config": { "http2_protocol_options": {} } })),
        });
    }
    cluster
}
