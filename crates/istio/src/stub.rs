//! The stub that answers to gRPC need in a sidecar: an internal listener of Envoy, a cluster for
//! it, and a route that only the filter uses. `envoy/responder.yaml` has nearly the same; Istio's
//! bootstrap has the extension for internal listeners.

use crate::parts::{Direction, add};
use serde_json::{Value, json};

/// See `understudy_core::engine::STUB_HEADER` and `STUB_AUTHORITY`; a test compares them.
const HEADER: &str = "x-understudy-stub";
const AUTHORITY: &str = "understudy-stub.invalid";

/// Patches that add the stub of the resource with this name.
pub(crate) fn patches(resource: &str) -> [Value; 3] {
    let name = name(resource);
    [
        add("LISTENER", Direction::Outbound, &listener(&name)),
        add("CLUSTER", Direction::Outbound, &cluster(&name)),
        first_route(&name),
    ]
}

/// Name of the stub of the resource with this name.
pub(crate) fn name(resource: &str) -> String {
    format!("stub-of-{resource}")
}

/// A patch that adds the route to each virtual host, including the one for all names. A virtual
/// host of its own would be simpler, but two resources for one workload would give two virtual
/// hosts with one name, and Envoy would refuse all routes.
fn first_route(name: &str) -> Value {
    json!({
        "applyTo": "HTTP_ROUTE",
        "match": { "context": Direction::Outbound.context() },
        "patch": { "operation": "INSERT_FIRST", "value": route(name) },
    })
}

/// The route to the stub with this name.
pub(crate) fn route(name: &str) -> Value {
    let exactly = json!({ "name": ":authority", "string_match": { "exact": AUTHORITY } });
    json!({
        "name": name,
        "match": { "prefix": "/", "headers": [exactly, { "name": HEADER, "present_match": true }] },
        "route": { "cluster": name },
    })
}

fn listener(name: &str) -> Value {
    let routes = json!({
        "name": name,
        "virtual_hosts": [{
            "name": "any",
            "domains": ["*"],
            "routes": [{
                "match": { "prefix": "/" },
                "direct_response": { "status": 200, "body": { "inline_string": "x" } },
                "response_headers_to_add": [{ "header": { "key": HEADER, "value": "1" } }],
            }],
        }],
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        }],
        "route_config": routes,
    });
    let filter = json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager });
    json!({ "name": name, "internal_listener": {}, "filter_chains": [{ "filters": [filter] }] })
}

fn cluster(name: &str) -> Value {
    let address = json!({ "envoy_internal_address": { "server_listener_name": name } });
    // At Envoy's default limits of 1,024, calls would fail with answers that no backend gave.
    let limits = json!({
        "max_connections": 1_000_000,
        "max_pending_requests": 1_000_000,
        "max_requests": 1_000_000,
        "max_retries": 1_000_000,
    });
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "circuit_breakers": { "thresholds": [limits] },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
        "transport_socket": {
            "name": "envoy.transport_sockets.internal_upstream",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
                "transport_socket": {
                    "name": "envoy.transport_sockets.raw_buffer",
                    "typed_config": { "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" },
                },
            },
        },
    })
}
