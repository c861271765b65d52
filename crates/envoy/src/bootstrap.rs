//! Envoy's configuration as JSON: the templates in `envoy/*.yaml`, changed by typed settings.
//! Everything else stays as in the template, so that the files and the command can't drift apart.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::AdminAddress;
use crate::error::Error;
use crate::inbound::{self, Inbound};
use crate::map::{self, HostMap};

mod json;
use json::{array, at, socket_address};

const TAP: &str = include_str!("../../../envoy/envoy.yaml");
const RESPONDER: &str = include_str!("../../../envoy/responder.yaml");

/// The listener for apps.
const LISTENER: &str = "/static_resources/listeners/0";
/// The listener for the content of tunnels.
const TUNNEL: &str = "/static_resources/listeners/1";
/// The virtual hosts of a connection manager.
const VIRTUAL_HOSTS: &str = "/route_config/virtual_hosts";
const LISTENERS: &str = "/static_resources/listeners";
const CLUSTERS: &str = "/static_resources/clusters";
/// The name of the HTTP filter, of its plugin and of its virtual machine.
const FILTER: &str = "understudy";
const COLLECTOR: &str = "collector";

/// The behaviour of Envoy when the filter crashes (`docs/reference`: measured on Envoy 1.40).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterFailure {
    /// The traffic continues without the filter, including requests in flight. Right for a tap.
    Open,
    /// Requests in flight get 503, then a new virtual machine starts. Right for a responder.
    Reload,
    /// All requests get 503 from then on.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Template {
    Tap,
    Responder,
    ResponderWithBackends,
}

/// The certificates of backends that Envoy accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamTrust {
    /// Certificates for the requested name, signed by a certificate in this file (PEM).
    Roots(PathBuf),
    /// All certificates.
    Anyone,
}

/// A configuration of Envoy.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    template: Template,
    listen: Option<SocketAddr>,
    reuse_port: Option<bool>,
    admin: Option<AdminAddress>,
    filter: Option<PathBuf>,
    without_filter: bool,
    failure: Option<FilterFailure>,
    plugin_config: Option<Value>,
    collector: Option<SocketAddr>,
    maps: Vec<HostMap>,
    inbound: Vec<Inbound>,
    certificates: Option<PathBuf>,
    upstream_trust: Option<UpstreamTrust>,
    tunnel_log: Option<PathBuf>,
    buffer_limit: Option<u32>,
    node_id: Option<String>,
    node_metadata: Option<Value>,
    edits: Vec<Edit>,
}

#[derive(Clone)]
struct Edit(Arc<dyn Fn(&mut Value) + Send + Sync>);

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edit")
    }
}

impl Bootstrap {
    fn new(template: Template) -> Self {
        Self {
            template,
            listen: None,
            reuse_port: None,
            admin: None,
            filter: None,
            without_filter: false,
            failure: None,
            plugin_config: None,
            collector: None,
            maps: Vec::new(),
            inbound: Vec::new(),
            certificates: None,
            upstream_trust: None,
            tunnel_log: None,
            buffer_limit: None,
            node_id: None,
            node_metadata: None,
            edits: Vec::new(),
        }
    }

    /// `envoy/envoy.yaml`: a forward proxy to every backend; the filter taps.
    pub fn tap() -> Self {
        Self::new(Template::Tap)
    }

    /// `envoy/responder.yaml`: the filter answers; no request reaches a backend.
    pub fn responder() -> Self {
        Self::new(Template::Responder)
    }

    /// The filter answers, and requests that it passes on (`on_miss: passthrough` or `capture`)
    /// reach their backends.
    pub fn responder_with_backends() -> Self {
        Self::new(Template::ResponderWithBackends)
            .on_filter_failure(FilterFailure::Reload)
            .plugin_config(json!({ "default": "mock", "on_miss": "passthrough" }))
    }

    /// The address of the proxy. For port 0, `Envoy::start` takes a free port.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// One socket per worker instead of one for all. Spreads connections better, but then a second
    /// Envoy can take the same port unnoticed.
    pub fn reuse_port(mut self, yes: bool) -> Self {
        self.reuse_port = Some(yes);
        self
    }

    /// The address of the admin interface. By default `Envoy::start` creates a Unix socket.
    pub fn admin(mut self, address: AdminAddress) -> Self {
        self.admin = Some(address);
        self
    }

    /// The module to run. A relative path is resolved now, from the current folder.
    pub fn filter(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        self.filter = Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        self
    }

    /// Time that Envoy may take to load the filter's module: V8 reads it completely, including the
    /// table. About 20 MiB/s were measured on two cores; a quarter of that is assumed.
    pub fn loading_time(&self) -> Duration {
        const BYTES_PER_SECOND: u64 = 5 << 20;
        let length =
            self.filter.as_ref().and_then(|path| std::fs::metadata(path).ok()).map_or(0, |meta| meta.len());
        Duration::from_secs(length / BYTES_PER_SECOND)
    }

    /// Leaves out the filter, to compare with Envoy alone.
    pub fn without_filter(mut self) -> Self {
        self.without_filter = true;
        self
    }

    /// The behaviour when the filter crashes.
    pub fn on_filter_failure(mut self, failure: FilterFailure) -> Self {
        self.failure = Some(failure);
        self
    }

    /// The filter's configuration. The filter refuses to start with an invalid one.
    pub fn plugin_config(mut self, config: Value) -> Self {
        self.plugin_config = Some(config);
        self
    }

    /// The address of the cluster `collector`, which the plugin configuration names.
    pub fn collector(mut self, address: SocketAddr) -> Self {
        self.collector = Some(address);
        self
    }

    /// Redirects a backend to another address. Has no effect on [`Bootstrap::responder`], which
    /// sends no requests.
    pub fn map(mut self, map: HostMap) -> Self {
        self.maps.push(map);
        self
    }

    /// Adds a listener for requests to the app, which the filter taps. Has no effect on
    /// [`Bootstrap::responder`].
    pub fn inbound(mut self, inbound: Inbound) -> Self {
        self.inbound.push(inbound);
        self
    }

    /// The Unix socket of the service that issues certificates for the app's TLS connections.
    pub fn certificates(mut self, socket: impl Into<PathBuf>) -> Self {
        self.certificates = Some(socket.into());
        self
    }

    /// The certificates of backends that Envoy accepts. Default: those signed by the system's
    /// roots.
    pub fn upstream_trust(mut self, trust: UpstreamTrust) -> Self {
        self.upstream_trust = Some(trust);
        self
    }

    /// The file in which Envoy logs the tunnels that it couldn't read.
    pub(crate) fn tunnel_log(mut self, path: PathBuf) -> Self {
        self.tunnel_log = Some(path);
        self
    }

    /// The maximum size in bytes of a body that the filter can hold. Envoy answers larger ones with
    /// 413.
    pub fn buffer_limit(mut self, bytes: u32) -> Self {
        self.buffer_limit = Some(bytes);
        self
    }

    /// The node's name.
    pub fn node_id(mut self, id: impl Into<String>) -> Self {
        self.node_id = Some(id.into());
        self
    }

    /// The node's metadata, an object, which the filter can read.
    pub fn node_metadata(mut self, metadata: Value) -> Self {
        self.node_metadata = Some(metadata);
        self
    }

    /// A final change to the whole configuration, for what no other setting covers.
    pub fn edit(mut self, edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.edits.push(Edit(Arc::new(edit)));
        self
    }

    pub(crate) fn listen_address(&self) -> Option<SocketAddr> {
        self.listen
    }

    pub(crate) fn admin_address(&self) -> Option<&AdminAddress> {
        self.admin.as_ref()
    }

    /// The whole configuration, for `envoy -c FILE.json`.
    pub fn to_json(&self) -> Result<Value, Error> {
        let text = match self.template {
            Template::Tap | Template::ResponderWithBackends => TAP,
            Template::Responder => RESPONDER,
        };
        let mut config = parse(text)?;
        if self.template == Template::ResponderWithBackends {
            // The filter holds a request until its body has arrived, so the backend's `100
            // Continue` would never come.
            for manager in managers(&mut config)? {
                manager["proxy_100_continue"] = false.into();
            }
            let responder = parse(RESPONDER)?;
            // Connections that are neither TLS nor HTTP would reach mocked backends too.
            for (pointer, key) in [("", "layered_runtime"), (TUNNEL, "default_filter_chain")] {
                let from = responder.pointer(pointer).map(|part| part[key].clone());
                at(&mut config, pointer)?[key] = from.unwrap_or_default();
            }
        }
        self.set_inbound(&mut config)?;
        self.set_addresses(&mut config)?;
        self.set_filter(&mut config)?;
        self.set_clusters(&mut config)?;
        if let Some(id) = &self.node_id {
            *at(&mut config, "/node/id")? = json!(id);
        }
        if let Some(metadata) = &self.node_metadata {
            at(&mut config, "/node")?["metadata"] = metadata.clone();
        }
        for edit in &self.edits {
            edit.0(&mut config);
        }
        Ok(config)
    }

    fn set_addresses(&self, config: &mut Value) -> Result<(), Error> {
        if let Some(admin) = &self.admin {
            *at(config, "/admin/address")? = match admin {
                // 384 is 0600.
                AdminAddress::Socket(path) => json!({ "pipe": { "path": path, "mode": 384 } }),
                AdminAddress::Tcp(address) => socket_address(*address),
            };
        }
        if let Some(bytes) = self.buffer_limit {
            for listener in [LISTENER, TUNNEL] {
                at(config, listener)?["per_connection_buffer_limit_bytes"] = bytes.into();
            }
        }
        if let Some(path) = &self.tunnel_log {
            write_log_to(at(config, &format!("{TUNNEL}/access_log/0"))?, path);
            for manager in managers(config)? {
                if let Some(log) = manager.pointer_mut("/access_log/0") {
                    write_log_to(log, path);
                }
            }
        }
        let listener = at(config, LISTENER)?;
        if let Some(yes) = self.reuse_port {
            listener["enable_reuse_port"] = yes.into();
        }
        let Some(address) = self.listen else { return Ok(()) };
        listener["address"] = socket_address(address);
        let port = address.port();
        let mut domains: Vec<String> =
            ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"].map(|name| format!("{name}:{port}")).into();
        if !domains.contains(&address.to_string()) {
            domains.push(address.to_string());
        }
        for manager in managers(config)? {
            for host in array(manager, VIRTUAL_HOSTS)?.iter_mut().filter(|host| host["name"] == "self") {
                host["domains"] = json!(domains);
            }
        }
        Ok(())
    }

    /// Replaces the template's inbound listener by the configured ones.
    fn set_inbound(&self, config: &mut Value) -> Result<(), Error> {
        if self.template == Template::Responder {
            return Ok(());
        }
        let listener = json::take(array(config, LISTENERS)?, inbound::LISTENER)?;
        let cluster = json::take(array(config, CLUSTERS)?, inbound::CLUSTER)?;
        for (number, way) in self.inbound.iter().enumerate() {
            let mut listener = way.listener(&listener, number)?;
            if let Some(bytes) = self.buffer_limit {
                listener["per_connection_buffer_limit_bytes"] = bytes.into();
            }
            let manager = at(&mut listener, inbound::MANAGER)?;
            if let Some(path) = &self.tunnel_log {
                write_log_to(at(manager, "/access_log/0")?, path);
            }
            let plugin_config = self.plugin_config.as_ref().map(|config| way.plugin_config(config));
            self.set_filter_of(array(manager, "/http_filters")?, plugin_config)?;
            array(config, LISTENERS)?.push(listener);
            array(config, CLUSTERS)?.push(way.cluster(&cluster, number));
        }
        Ok(())
    }

    fn set_filter(&self, config: &mut Value) -> Result<(), Error> {
        let plugin_config = self.plugin_config.clone().map(|mut config| {
            // The templates contain the stub.
            if let Some(keys) = config.as_object_mut() {
                keys.entry("grpc_stub").or_insert(true.into());
            }
            config
        });
        for manager in managers(config)? {
            self.set_filter_of(array(manager, "/http_filters")?, plugin_config.clone())?;
        }
        Ok(())
    }

    fn set_filter_of(&self, filters: &mut Vec<Value>, plugin_config: Option<Value>) -> Result<(), Error> {
        if self.without_filter {
            filters.retain(|filter| filter["name"] != FILTER);
            return Ok(());
        }
        let filter = filters
            .iter_mut()
            .find(|filter| filter["name"] == FILTER)
            .ok_or_else(|| Error::Template { at: format!("http_filters/{FILTER}") })?;
        let plugin = at(filter, "/typed_config/config")?;
        if let Some(path) = &self.filter {
            *at(plugin, "/vm_config/code/local/filename")? = json!(path);
        }
        if let Some(plugin_config) = plugin_config {
            *at(plugin, "/configuration/value")? = plugin_config.to_string().into();
        }
        if let (Some(failure), Some(fields)) = (self.failure, plugin.as_object_mut()) {
            fields.remove("fail_open");
            fields.remove("failure_policy");
            match failure {
                FilterFailure::Open => fields.insert("fail_open".into(), true.into()),
                FilterFailure::Reload => fields.insert("failure_policy".into(), "FAIL_RELOAD".into()),
                FilterFailure::Closed => fields.insert("failure_policy".into(), "FAIL_CLOSED".into()),
            };
        }
        Ok(())
    }

    fn set_clusters(&self, config: &mut Value) -> Result<(), Error> {
        if let Some(address) = self.collector {
            let clusters = array(config, CLUSTERS)?;
            clusters.retain(|cluster| cluster["name"] != COLLECTOR);
            clusters.push(collector_cluster(address));
        }
        for cluster in array(config, CLUSTERS)? {
            if cluster["name"] == "certificates"
                && let Some(socket) = &self.certificates
            {
                let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/pipe/path";
                *at(cluster, endpoint)? = json!(socket);
            }
            if let (Some(trust), Some(_)) =
                (&self.upstream_trust, cluster.pointer("/transport_socket/typed_config/common_tls_context"))
            {
                trust.set(cluster)?;
            }
        }
        if self.template == Template::Responder || self.maps.is_empty() {
            return Ok(());
        }
        let clusters = array(config, CLUSTERS)?;
        let model = |name: &str| {
            let cluster = clusters.iter().find(|cluster| cluster["name"] == name).cloned();
            cluster.ok_or_else(|| Error::Template { at: format!("clusters/{name}") })
        };
        let models = [model("backends")?, model("backends_tls")?, model("backends_tls_http1")?];
        clusters.extend(self.maps.iter().flat_map(|map| map.clusters(&models)));
        for manager in managers(config)? {
            let hosts = array(manager, VIRTUAL_HOSTS)?;
            let any = hosts.iter().find(|host| host["name"] == "any").cloned().unwrap_or_default();
            hosts.extend(map::virtual_hosts(&self.maps, &any));
        }
        Ok(())
    }
}

impl UpstreamTrust {
    fn set(&self, cluster: &mut Value) -> Result<(), Error> {
        const CONTEXT: &str = "/transport_socket/typed_config/common_tls_context/validation_context";
        *at(cluster, CONTEXT)? = match self {
            Self::Roots(path) => json!({ "trusted_ca": { "filename": path } }),
            Self::Anyone => {
                const OPTIONS: &str = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions/upstream_http_protocol_options";
                at(cluster, OPTIONS)?["auto_san_validation"] = false.into();
                at(cluster, "/cluster_type/typed_config")?["allow_insecure_cluster_options"] = true.into();
                json!({ "trust_chain_verification": "ACCEPT_UNTRUSTED" })
            }
        };
        Ok(())
    }
}

fn parse(template: &str) -> Result<Value, Error> {
    serde_saphyr::from_str(template).map_err(|error| Error::TemplateSyntax(Box::new(error)))
}

/// The connection managers for the app's requests: one for each kind of connection.
fn managers(config: &mut Value) -> Result<impl Iterator<Item = &mut Value>, Error> {
    let chains = array(config, LISTENERS)?
        .iter_mut()
        .filter_map(|listener| listener.get_mut("filter_chains")?.as_array_mut())
        .flatten();
    let filters = chains.filter_map(|chain| chain.get_mut("filters")?.as_array_mut()).flatten();
    Ok(filters
        .filter_map(|filter| filter.get_mut("typed_config"))
        .filter(|manager| manager["stat_prefix"] == FILTER))
}

/// Redirects a log from stderr to a file.
fn write_log_to(log: &mut Value, path: &Path) {
    log["name"] = "envoy.access_loggers.file".into();
    log["typed_config"]["@type"] =
        "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog".into();
    log["typed_config"]["path"] = json!(path);
}

fn collector_cluster(address: SocketAddr) -> Value {
    json!({
        "name": COLLECTOR,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": COLLECTOR,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket_address(address) } }] }]
        }
    })
}
