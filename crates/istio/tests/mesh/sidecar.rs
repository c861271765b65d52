//! A sidecar's configuration as Istio makes it, and an Envoy that runs it.
//!
//! Without iptables and without Istio's build of Envoy, two things differ: the original destination
//! of a connection comes by the PROXY protocol instead of from the kernel, and Istio's own
//! extensions (`istio.stats`, `istio.metadata_exchange`) are left out.

use crate::istio::{Agent, Sidecar, Workload};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use understudy_envoy::{Bootstrap, Envoy, Options};
use understudy_testkit::{Answer, Connection, H2, eventually};
use understudy_xds_double::Xds;

const OUTBOUND: &str = "virtualOutbound";
const INBOUND: &str = "virtualInbound";
const MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// The listener filter that asks the kernel where a connection was for.
const ORIGINAL_DST: &str = "envoy.filters.listener.original_dst";

/// URL of one of Envoy's types.
fn of(name: &str) -> String {
    format!("type.googleapis.com/envoy.{name}")
}

/// Addresses around a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoints {
    /// Backend that Istio knows as `api.test`. Connections to other hosts go to their destination.
    pub(crate) backend: SocketAddr,
    /// The workload's own app.
    pub(crate) app: SocketAddr,
    /// True if the backend speaks HTTP/2.
    pub(crate) h2: bool,
    /// TLS backend that Istio knows as `api.test`. Connections to other hosts on its port go to
    /// their destination.
    pub(crate) entry: Option<SocketAddr>,
    /// Service that Istio knows as `collector.test`.
    pub(crate) collector: Option<SocketAddr>,
}

/// Configuration of a sidecar without our resources.
pub(crate) fn as_istio_makes_it(endpoints: Endpoints, folder: &Path) -> Sidecar {
    let port = endpoints.backend.port();
    let address = |port: u16, ip: &str| json!({ "socket_address": { "address": ip, "port_value": port } });
    let tcp = |cluster: &str| {
        let config = json!({ "@type": of("extensions.filters.network.tcp_proxy.v3.TcpProxy"), "stat_prefix": cluster, "cluster": cluster });
        json!({ "name": "envoy.filters.network.tcp_proxy", "typed_config": config })
    };
    let listener_filter =
        |name: &str, kind: &str| json!({ "name": name, "typed_config": { "@type": of(kind) } });
    let original_destination =
        || listener_filter(ORIGINAL_DST, "extensions.filters.listener.original_dst.v3.OriginalDst");
    let inspectors = || {
        let kind = |name: &str, of: &str| format!("extensions.filters.listener.{name}.v3.{of}");
        [("tls_inspector", "TlsInspector"), ("http_inspector", "HttpInspector")]
            .map(|(name, of)| listener_filter(&format!("envoy.filters.listener.{name}"), &kind(name, of)))
    };
    let virtual_outbound = json!({
        "name": OUTBOUND,
        "traffic_direction": "OUTBOUND",
        "address": address(0, "127.0.0.1"),
        "use_original_dst": true,
        "listener_filters": [],
        "filter_chains": [{
            "name": "virtualOutbound-blackhole",
            "filter_chain_match": { "destination_port": 15001 },
            "filters": [tcp("BlackHoleCluster")],
        }],
        "default_filter_chain": { "name": "virtualOutbound-catchall-tcp", "filters": [tcp("PassthroughCluster")] },
    });
    let outbound = json!({
        "name": format!("0.0.0.0_{port}"),
        "traffic_direction": "OUTBOUND",
        "address": address(port, "0.0.0.0"),
        "bind_to_port": false,
        "listener_filters": inspectors(),
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": true,
        "filter_chains": [{
            "filter_chain_match": { "transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"] },
            "filters": [manager(&format!("outbound_0.0.0.0_{port};"), &json!({ "rds": {
                "route_config_name": port.to_string(),
                "config_source": { "resource_api_version": "V3", "path_config_source": { "path": folder.join("rds.json") } },
            }}))],
        }],
        "default_filter_chain": { "name": "PassthroughFilterChain", "filters": [tcp("PassthroughCluster")] },
    });
    let app = endpoints.app.port();
    let to_app = format!("inbound|{app}||");
    let inbound_routes = json!({ "route_config": {
        "name": to_app,
        "validate_clusters": false,
        "virtual_hosts": [{
            "name": format!("inbound|http|{app}"),
            "domains": ["*"],
            "routes": [{ "name": "default", "match": { "prefix": "/" }, "route": { "cluster": to_app, "timeout": "0s" } }],
        }],
    }});
    let virtual_inbound = json!({
        "name": INBOUND,
        "traffic_direction": "INBOUND",
        "address": address(0, "127.0.0.1"),
        "listener_filters": ([vec![original_destination()], inspectors().to_vec()].concat()),
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": true,
        "filter_chains": [{
            "name": format!("0.0.0.0_{app}"),
            "filter_chain_match": { "destination_port": app, "transport_protocol": "raw_buffer" },
            "filters": [manager(&format!("inbound_0.0.0.0_{app};"), &inbound_routes)],
        }],
        "default_filter_chain": { "name": "virtualInbound-blackhole", "filters": [tcp("BlackHoleCluster")] },
    });
    let to_backend = format!("outbound|{port}||api.test");
    let route = |name: &str, domains: Value, cluster: &str| {
        let route = json!({ "cluster": cluster, "timeout": "0s" });
        json!({ "name": name, "domains": domains, "routes": [{ "name": "default", "match": { "prefix": "/" }, "route": route }] })
    };
    let routes = json!({
        "name": port.to_string(),
        "validate_clusters": false,
        "ignore_port_in_host_matching": true,
        "virtual_hosts": [
            route(&format!("api.test:{port}"), json!(["api.test"]), &to_backend),
            route("allow_any", json!(["*"]), "PassthroughCluster"),
        ],
    });
    let options = match endpoints.h2 {
        true => json!({ "explicit_http_config": { "http2_protocol_options": {} } }),
        false => json!({ "use_downstream_protocol_config": { "http2_protocol_options": {} } }),
    };
    let protocol = of("extensions.upstreams.http.v3.HttpProtocolOptions");
    let with_options = |mut cluster: Value| {
        let mut options = options.clone();
        options["@type"] = json!(protocol);
        cluster["typed_extension_protocol_options"] =
            json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options });
        cluster
    };
    let at = |name: &str, to: SocketAddr| {
        let endpoint = json!({ "endpoint": { "address": address(to.port(), &to.ip().to_string()) } });
        let assignment = json!({ "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] });
        json!({ "name": name, "type": "STATIC", "connect_timeout": "10s", "load_assignment": assignment })
    };
    let clusters = vec![
        with_options(at(&to_backend, endpoints.backend)),
        at(&to_app, endpoints.app),
        json!({ "name": "BlackHoleCluster", "type": "STATIC", "connect_timeout": "10s" }),
        with_options(
            json!({ "name": "PassthroughCluster", "type": "ORIGINAL_DST", "connect_timeout": "10s", "lb_policy": "CLUSTER_PROVIDED" }),
        ),
    ];
    // A ServiceEntry with a TLS port gives a chain for its name; other connections pass.
    let tls = endpoints.entry.map(|to| {
        let cluster = format!("outbound|{}||api.test", to.port());
        let chain = json!({ "filter_chain_match": { "server_names": ["api.test"] }, "filters": [tcp(&cluster)] });
        let listener = json!({
            "name": format!("0.0.0.0_{}", to.port()),
            "traffic_direction": "OUTBOUND",
            "address": address(to.port(), "0.0.0.0"),
            "bind_to_port": false,
            "listener_filters": [inspectors()[0]],
            "listener_filters_timeout": "0s",
            "continue_on_listener_filters_timeout": true,
            "filter_chains": [chain],
            "default_filter_chain": { "name": "PassthroughFilterChain", "filters": [tcp("PassthroughCluster")] },
        });
        (listener, at(&cluster, to))
    });
    let (tls_listener, tls_cluster) = tls.unzip();
    let collector = endpoints.collector.map(|to| at(&format!("outbound|{}||collector.test", to.port()), to));
    Sidecar {
        listeners: [virtual_outbound, outbound, virtual_inbound].into_iter().chain(tls_listener).collect(),
        clusters: clusters.into_iter().chain(tls_cluster).chain(collector).collect(),
        routes: vec![routes],
        extensions: Vec::new(),
    }
}

/// Istio's HTTP connection manager.
fn manager(prefix: &str, routes: &Value) -> Value {
    let filter = |name: &str, kind: &str| json!({ "name": name, "typed_config": { "@type": of(&format!("extensions.filters.http.{kind}")) } });
    let mut config = json!({
        "@type": of("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": prefix,
        "http_filters": [
            filter("envoy.filters.http.grpc_stats", "grpc_stats.v3.FilterConfig"),
            filter("envoy.filters.http.fault", "fault.v3.HTTPFault"),
            filter("envoy.filters.http.cors", "cors.v3.Cors"),
            filter("envoy.filters.http.router", "router.v3.Router"),
        ],
        "use_remote_address": false,
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "stream_idle_timeout": "0s",
        "normalize_path": true,
        "server_header_transformation": "PASS_THROUGH",
        "request_id_extension": { "typed_config": {
            "@type": of("extensions.request_id.uuid.v3.UuidRequestIdConfig"), "use_request_id_for_trace_sampling": true,
        }},
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
    });
    let more = routes.as_object().expect("an object").clone();
    config.as_object_mut().expect("an object").extend(more);
    json!({ "name": MANAGER, "typed_config": config })
}

/// A pod's sidecar.
pub(crate) struct Pod {
    pub(crate) envoy: Envoy,
    pub(crate) xds: Xds,
    plain: Sidecar,
    workload: Workload,
    endpoints: Endpoints,
    folder: TempDir,
}

impl Pod {
    /// Starts a sidecar with these resources.
    pub(crate) async fn start(
        endpoints: Endpoints,
        (workload, annotations): (Workload, Value),
        resources: &[Value],
        agent: &Agent,
    ) -> Self {
        Self::start_in(endpoints, (workload, annotations), resources, agent, Path::new("/nowhere")).await
    }

    /// As [`Self::start`], with the files of the sidecar's container in `root`.
    pub(crate) async fn start_in(
        endpoints: Endpoints,
        (workload, annotations): (Workload, Value),
        resources: &[Value],
        agent: &Agent,
        root: &Path,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let xds = Xds::start().await;
        xds.files_in(root);
        let plain = as_istio_makes_it(endpoints, folder.path());
        write(&plain.clone().with(resources, &workload), folder.path(), &xds, agent);
        let metadata = json!({
            "ANNOTATIONS": annotations,
            "LABELS": workload.labels,
            "NAMESPACE": workload.namespace,
            "WORKLOAD_NAME": "payment",
        });
        let at = xds.address();
        let files = ["lds", "cds"].map(|name| folder.path().join(format!("{name}.json")));
        let bootstrap = Bootstrap::tap().edit(move |bootstrap| {
            bootstrap["node"] = json!({
                "id": "sidecar~10.1.0.7~payment-7d9c~payments.svc.cluster.local",
                "cluster": "payment.payments",
                "metadata": metadata,
            });
            let [lds, cds] = files
                .clone()
                .map(|path| json!({ "resource_api_version": "V3", "path_config_source": { "path": path } }));
            bootstrap["dynamic_resources"] = json!({
                "lds_config": lds,
                "cds_config": cds,
                "ads_config": {
                    "api_type": "GRPC",
                    "transport_api_version": "V3",
                    "set_node_on_first_message_only": true,
                    "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds-grpc" } }],
                },
            });
            let agent = ["xds-grpc", "sds-grpc"].map(|name| control_plane(name, at));
            bootstrap["static_resources"] = json!({ "clusters": agent });
        });
        let options = Options { listener: OUTBOUND.to_owned(), ..Options::default() };
        let envoy = Envoy::start(&bootstrap, &options).await.unwrap_or_else(|error| panic!("{error:?}"));
        Self { envoy, xds, plain, workload, endpoints, folder }
    }

    /// Replaces all resources of the running sidecar.
    pub(crate) async fn apply(&self, resources: &[Value], agent: &Agent) {
        // Envoy's main thread compiles modules, and answers no request meanwhile.
        let updates = || async {
            let stats = self.envoy.stats("listener_manager").await.ok()?;
            let get = |name: &str| stats.get(&format!("listener_manager.{name}"));
            Some((get("lds.update_success"), get("total_listeners_warming")))
        };
        let (before, _) = updates().await.expect("statistics");
        write(&self.plain.clone().with(resources, &self.workload), self.folder.path(), &self.xds, agent);
        eventually("the listeners are new", async || {
            updates().await.is_some_and(|(now, warming)| now > before && warming == 0)
        })
        .await;
    }

    /// A connection of the app to the backend.
    pub(crate) async fn dial(&self) -> TcpStream {
        self.dial_to(self.endpoints.backend).await
    }

    /// A connection of the app to this address.
    pub(crate) async fn dial_to(&self, to: SocketAddr) -> TcpStream {
        self.connect(OUTBOUND, to).await
    }

    async fn connect(&self, listener: &str, to: SocketAddr) -> TcpStream {
        let address = self.envoy.listener_addr(listener).expect("a listener");
        let mut stream = TcpStream::connect(address).await.expect("the sidecar listens");
        let line = format!("PROXY TCP4 127.0.0.9 {} 40000 {}\r\n", to.ip(), to.port());
        stream.write_all(line.as_bytes()).await.expect("the sidecar reads");
        stream
    }

    /// Answer to a call of the app to `host`.
    pub(crate) async fn call(&self, host: &str, path: &str) -> Answer {
        ask(self.dial().await, host, path).await
    }

    /// Answer to a call to the app.
    pub(crate) async fn call_app(&self, path: &str) -> Answer {
        ask(self.connect(INBOUND, self.endpoints.app).await, "payment.test", path).await
    }

    /// A plain-text HTTP/2 connection to the backend.
    pub(crate) async fn h2(&self) -> H2 {
        H2::on(self.dial().await).await
    }
}

async fn ask(stream: TcpStream, host: &str, path: &str) -> Answer {
    let head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 2\r\n\r\nhi");
    Connection::on(stream).exchange(head, false).await
}

/// Cluster of Istio's agent, for configuration and certificates.
fn control_plane(name: &str, at: SocketAddr) -> Value {
    let address = json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } });
    json!({
        "name": name,
        "type": "STATIC",
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": of("extensions.upstreams.http.v3.HttpProtocolOptions"),
            "explicit_http_config": { "http2_protocol_options": {} },
        }},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
    })
}

/// Writes everything for Envoy to read, the listeners last, since they need the rest.
fn write(sidecar: &Sidecar, folder: &Path, xds: &Xds, agent: &Agent) {
    let file = |name: &str, kind: &str, values: &[Value]| {
        let resources: Vec<_> = values
            .iter()
            .map(|value| {
                let mut value = value.clone();
                value["@type"] = json!(of(kind));
                value
            })
            .collect();
        let (path, beside) = (folder.join(name), folder.join(format!("{name}.new")));
        std::fs::write(&beside, json!({ "resources": resources }).to_string()).expect("a file");
        std::fs::rename(beside, path).expect("a file");
    };
    xds.serve(agent.hand_on(&sidecar.extensions));
    file("cds.json", "config.cluster.v3.Cluster", &sidecar.clusters);
    file("rds.json", "config.route.v3.RouteConfiguration", &sidecar.routes);
    let listeners: Vec<_> = sidecar.listeners.iter().cloned().map(without_kernel).collect();
    file("lds.json", "config.listener.v3.Listener", &listeners);
}

/// The listener with the PROXY protocol instead of the kernel's record of where a connection was
/// for.
///
/// The filter for the PROXY protocol stands exactly where Envoy would ask the kernel: at the first
/// `original_dst` filter, or behind all listener filters where only `use_original_dst` is set. So
/// filters before that place see the listener's own port, as in a sidecar.
fn without_kernel(mut listener: Value) -> Value {
    let takes_all = listener["name"] == OUTBOUND || listener["name"] == INBOUND;
    let mut filters = listener["listener_filters"].as_array().cloned().unwrap_or_default();
    let first = filters.iter().position(|filter| filter["name"] == ORIGINAL_DST);
    filters.retain(|filter| filter["name"] != ORIGINAL_DST);
    if takes_all {
        let proxy_protocol = json!({
            "name": "envoy.filters.listener.proxy_protocol",
            "typed_config": { "@type": of("extensions.filters.listener.proxy_protocol.v3.ProxyProtocol") },
        });
        filters.insert(first.unwrap_or(filters.len()), proxy_protocol);
    }
    listener["listener_filters"] = Value::Array(filters);
    listener
}
