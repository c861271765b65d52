//! HTTPS of the app, read in the sidecar. TLS ends there, with a certificate that the app trusts,
//! so that the filter can read it. Calls to real backends leave by TLS again, and the backends are
//! verified.
//!
//! The resource selects only pods with [`LABEL`], which comes with the certificates
//! (`certificates.rs`): other pods have no certificate to answer with. No resource here has a
//! private key: Istio's agent reads the keys from files in the sidecar's container and hands them
//! to Envoy, renewed ones too.

use crate::certificates::{FOLDER, LABEL};
use crate::error::Error;
use crate::parts::{Direction, add, envoy_filter};
use crate::scope::Scope;
use crate::stub;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Time that a listener waits for the certificate before it starts without it. Then only
/// connections to these hosts are closed.
const WAIT_FOR_CERTIFICATE: &str = "5s";
/// Longest host name (RFC 1035, 2.3.4), without the dot of the root.
const HOST_MAX: usize = 253;

/// Hosts whose HTTPS is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Https {
    hosts: BTreeSet<String>,
    port: u16,
    roots: Option<String>,
}

/// Order of two filter chains that match the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// A mock comes first: a mocked call has no backend to tap.
    First,
    /// A tap comes second.
    Second,
}

/// Settings of the filter chain that reads HTTPS.
pub(crate) struct ChainSettings<'a> {
    /// Prefix of the name of the resource with the filter. The name of the resource with the chain
    /// follows from it.
    pub(crate) prefix: &'a str,
    pub(crate) precedence: Precedence,
    pub(crate) priority: i32,
    /// The filter, as the chain lists it.
    pub(crate) filter: Value,
    /// True if the chain has a route to the gRPC stub.
    pub(crate) with_stub: bool,
}

impl Https {
    /// HTTPS to these hosts on this port. `roots`: a file in the sidecar's container with the
    /// authorities of real backends; without it, those of the container's system.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::NoHost`], [`Error::Port`], [`Error::Roots`].
    pub fn new<'a>(
        hosts: impl IntoIterator<Item = &'a str>,
        port: u16,
        roots: Option<&str>,
    ) -> Result<Self, Error> {
        let host = |host: &'a str| match is_host(host) {
            true => Ok(host.trim_end_matches('.').to_ascii_lowercase()),
            false => Err(Error::Host(host.to_owned())),
        };
        let hosts: BTreeSet<_> = hosts.into_iter().map(host).collect::<Result<_, _>>()?;
        if hosts.is_empty() {
            return Err(Error::NoHost);
        }
        if port == 0 {
            return Err(Error::Port);
        }
        if let Some(path) = roots.filter(|path| !path.starts_with('/')) {
            return Err(Error::Roots(path.to_owned()));
        }
        Ok(Self { hosts, port, roots: roots.map(str::to_owned) })
    }

    /// The hosts in order, each once.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// The `EnvoyFilter` with the chain.
    pub(crate) fn resource(&self, scope: &Scope, chain: ChainSettings<'_>) -> Value {
        let name = scope.name(&name(chain.prefix));
        let cluster = format!("https-of-{}", scope.unique(chain.prefix));
        let patches = [
            add("CLUSTER", Direction::Outbound, &self.cluster(&cluster)),
            self.in_listeners("LISTENER_FILTER", &original_destination()),
            self.in_listeners("LISTENER_FILTER", &self.inspector()),
            self.in_listeners("FILTER_CHAIN", &self.chain(&cluster, scope, &chain)),
        ];
        envoy_filter(&scope.and(LABEL, &scope.identity()), &name, chain.priority, &patches)
    }

    /// A patch of all listeners for the port. By Istio's rules, `virtualOutbound` is for every
    /// port: it takes all connections that no other listener is for.
    fn in_listeners(&self, apply_to: &str, value: &Value) -> Value {
        json!({
            "applyTo": apply_to,
            "match": { "context": Direction::Outbound.context(), "listener": { "portNumber": self.port } },
            "patch": { "operation": "ADD", "value": value },
        })
    }

    /// Reads the server name. Disabled on other ports: where the server speaks first, the inspector
    /// would wait for the client's first bytes until its timeout.
    fn inspector(&self) -> Value {
        let end = u32::from(self.port).saturating_add(1);
        let port = json!({ "destination_port_range": { "start": self.port, "end": end } });
        json!({
            "name": "envoy.filters.listener.tls_inspector",
            "filter_disabled": { "not_match": port },
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" },
        })
    }

    fn chain(&self, cluster: &str, scope: &Scope, chain: &ChainSettings<'_>) -> Value {
        // Envoy prefers the more specific of two matching chains, and refuses two equal ones.
        // Istio's own chains for a host name no transport protocol, so this chain comes first. A
        // mock's chain comes before a tap's in the same way: it also matches the source address, as
        // two halves of all addresses.
        let mut chain_match = json!({ "server_names": self.hosts, "transport_protocol": "tls" });
        if chain.precedence == Precedence::First {
            let halves = ["0.0.0.0", "128.0.0.0", "::", "8000::"];
            let half = |address: &str| json!({ "address_prefix": address, "prefix_len": 1 });
            chain_match["source_prefix_ranges"] = Value::Array(halves.map(half).into());
        }
        let resource = scope.unique(chain.prefix);
        let mut routes = Vec::new();
        routes.extend(chain.with_stub.then(|| stub::route(&stub::name(&resource))));
        routes.push(json!({
            "match": { "prefix": "/" },
            "route": { "cluster": cluster, "timeout": "0s" },
        }));
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": cluster,
            "stream_idle_timeout": "0s",
            "server_header_transformation": "PASS_THROUGH",
            "upgrade_configs": [{ "upgrade_type": "websocket" }],
            "http_filters": [chain.filter, {
                "name": "envoy.filters.http.router",
                "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
            }],
            "route_config": {
                "name": cluster,
                "virtual_hosts": [{ "name": "any", "domains": ["*"], "routes": routes }],
            },
        });
        json!({
            "name": cluster,
            "filter_chain_match": chain_match,
            "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
            "transport_socket": {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                    "common_tls_context": {
                        "alpn_protocols": ["h2", "http/1.1"],
                        "tls_certificate_sds_secret_configs": [certificate()],
                    },
                },
            },
        })
    }

    /// Cluster of the real backends, at the connection's original destination.
    fn cluster(&self, name: &str) -> Value {
        let roots = match &self.roots {
            Some(path) => json!({ "trusted_ca": { "filename": path } }),
            None => json!({ "system_root_certs": {} }),
        };
        json!({
            "name": name,
            "type": "ORIGINAL_DST",
            "lb_policy": "CLUSTER_PROVIDED",
            "connect_timeout": "10s",
            "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "upstream_http_protocol_options": { "auto_sni": true, "auto_san_validation": true },
                "auto_config": { "http_protocol_options": {}, "http2_protocol_options": {} },
            }},
            "transport_socket": {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                    "common_tls_context": { "validation_context": roots },
                },
            },
        })
    }
}

/// Restores the destination of a connection before the TLS inspector looks at its port.
///
/// `virtualOutbound` has `use_original_dst`, by which Envoy restores the destination only after all
/// listed listener filters. Until then the port is that of the listener (15001), the inspector
/// stays disabled, and the connection reaches the real backend unread.
fn original_destination() -> Value {
    json!({
        "name": "envoy.filters.listener.original_dst",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst" },
    })
}

/// Prefix of the name of the resource with the chain, for the prefix of the resource with the
/// filter. No service's name makes the two equal.
pub(crate) fn name(prefix: &str) -> String {
    prefix.replacen("understudy-", "understudy-https-", 1)
}

/// The certificate that Istio's agent reads from files. Without the files, only connections to
/// these hosts fail.
fn certificate() -> Value {
    json!({
        "name": format!("file-cert:{FOLDER}/tls.crt~{FOLDER}/tls.key"),
        "sds_config": {
            "api_config_source": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "sds-grpc" } }],
            },
            "resource_api_version": "V3",
            "initial_fetch_timeout": WAIT_FOR_CERTIFICATE,
        },
    })
}

/// Returns whether a text is a host name for TLS (RFC 6066, 3: no address) and for a certificate.
fn is_host(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(good);
    let address = text.parse::<std::net::IpAddr>().is_ok();
    text.len() <= HOST_MAX && !address && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_in_order_each_once() {
        let https = Https::new(["b.test", "A.test.", "b.test"], 443, None).unwrap();
        assert_eq!(https.hosts().collect::<Vec<_>>(), ["a.test", "b.test"]);
        for bad in
            ["", ".", "*.test", "a b", "a.test:443", "https://a.test", "10.0.0.1", "a..b", &"a.".repeat(200)]
        {
            assert_eq!(Https::new([bad], 443, None), Err(Error::Host(bad.to_owned())));
        }
        assert_eq!(Https::new([], 443, None), Err(Error::NoHost));
        assert_eq!(Https::new(["a.test"], 0, None), Err(Error::Port));
        assert_eq!(Https::new(["a.test"], 443, Some("ca.pem")), Err(Error::Roots("ca.pem".to_owned())));
        assert!(Https::new(["a.test"], 443, Some("/etc/ca.pem")).is_ok());
    }
}
