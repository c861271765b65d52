//! Resources for a tap: copies of a workload's calls to its backends, and optionally of the
//! requests to it, go to the collector.

use crate::error::Error;
use crate::https::{ChainSettings, Https, Precedence};
use crate::module::Module;
use crate::parts::{
    Direction, OnCrash, add, allow_all, before_router, discovered_filter, envoy_filter, plugin,
};
use crate::scope::Scope;
use serde_json::{Number, Value, json};

pub(crate) const NAME: &str = "understudy-tap";
/// Behind a mock's filter: a mocked request never gets there.
const PRIORITY: i32 = 20;

/// Address of the collector, for the filter's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    host: String,
    port: u16,
    through_mesh: bool,
    sample: Option<Number>,
}

impl Collector {
    /// A collector at `HOST:PORT`. `through_mesh`: by Istio's own cluster for the service, and so
    /// with mutual TLS if the mesh has it.
    ///
    /// # Errors
    /// [`Error::Collector`].
    pub fn new(address: &str, through_mesh: bool) -> Result<Self, Error> {
        let refuse = || Error::Collector(address.to_owned());
        let (host, port) = address.rsplit_once(':').ok_or_else(refuse)?;
        let port: u16 = port.parse().map_err(|_| refuse())?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        if host.is_empty() || port == 0 || !host.bytes().all(good) {
            return Err(refuse());
        }
        Ok(Self { host: host.to_owned(), port, through_mesh, sample: None })
    }

    /// The same collector for a share of the traces: the filter's `sample`.
    #[must_use]
    pub fn sampled(self, sample: Number) -> Self {
        Self { sample: Some(sample), ..self }
    }

    /// The collector in the filter's configuration, for the resource with this name.
    pub(crate) fn config(&self, resource: &str) -> Value {
        json!({ "cluster": self.cluster(resource), "authority": self.host })
    }

    /// The patch that adds the collector's cluster; `None` if Istio has a cluster for it.
    pub(crate) fn patch(&self, resource: &str) -> Option<Value> {
        let (name, address) = (
            self.cluster(resource),
            json!({ "socket_address": { "address": self.host, "port_value": self.port } }),
        );
        let cluster = json!({
            "name": name,
            "type": "STRICT_DNS",
            "connect_timeout": "5s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
            },
        });
        (!self.through_mesh).then(|| add("CLUSTER", Direction::Outbound, &cluster))
    }

    fn cluster(&self, resource: &str) -> String {
        match self.through_mesh {
            true => format!("outbound|{}||{}", self.port, self.host),
            false => format!("collector-of-{resource}"),
        }
    }
}

/// Kind of the simple resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simple {
    /// For all supported versions of Istio.
    WasmPlugin,
    /// Replaces `WasmPlugin` from Istio 1.30 on.
    TrafficExtension,
}

impl Simple {
    /// The resource's `kind`.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::WasmPlugin => "WasmPlugin",
            Self::TrafficExtension => "TrafficExtension",
        }
    }
}

/// A tap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Workloads to tap.
    pub scope: Scope,
    /// Any module of the filter, with or without a table.
    pub module: Module,
    /// Collector of the copies.
    pub collector: Collector,
    /// True if requests to the workload are copied too.
    pub inbound: bool,
    /// Name of the service in the records.
    pub service: Option<String>,
    /// HTTPS to read too.
    pub https: Option<Https>,
}

impl Tap {
    /// The `EnvoyFilter`, and a second one if HTTPS is read.
    pub fn resources(&self) -> Vec<Value> {
        let name = self.scope.unique(NAME);
        let mut patches: Vec<_> = self.collector.patch(&name).into_iter().collect();
        let directions =
            [(Direction::Outbound, name.clone()), (Direction::Inbound, format!("{name}.inbound"))];
        for (direction, name) in directions.into_iter().take(1 + usize::from(self.inbound)) {
            let plugin = plugin(&name, &self.module, OnCrash::Open, &self.config(direction));
            patches.push(add("EXTENSION_CONFIG", direction, &plugin));
            patches.push(before_router(direction, &discovered_filter(&name, &allow_all())));
        }
        let filter = envoy_filter(&self.scope, &self.scope.name(NAME), PRIORITY, &patches);
        let https = self.https.as_ref().map(|https| {
            let chain = ChainSettings {
                prefix: NAME,
                precedence: Precedence::Second,
                priority: PRIORITY,
                filter: discovered_filter(&self.scope.unique(NAME), &allow_all()),
                with_stub: false,
            };
            https.resource(&self.scope, chain)
        });
        [filter].into_iter().chain(https).collect()
    }

    /// A simpler resource for the same tap. It is shorter, and leaves it to Istio what a crash of
    /// the filter does. The collector's service must be in the mesh.
    ///
    /// # Errors
    /// [`Error::SimpleFile`], [`Error::SimpleHttps`].
    pub fn simple(&self, form: Simple) -> Result<Vec<Value>, Error> {
        if self.module.is_file() {
            return Err(Error::SimpleFile);
        }
        if self.https.is_some() {
            return Err(Error::SimpleHttps);
        }
        let collector = Collector { through_mesh: true, ..self.collector.clone() };
        let mut wasm = json!({ "url": self.module.address() });
        if let Some(sum) = self.module.sha256() {
            wasm["sha256"] = json!(sum);
        }
        wasm["failStrategy"] = json!("FAIL_OPEN");
        wasm["pluginConfig"] = Self { collector, ..self.clone() }.config(Direction::Outbound);
        let mut spec = json!({});
        if let Some(selector) = self.scope.selector("matchLabels") {
            spec["selector"] = selector;
        }
        spec["match"] = json!([{ "mode": "CLIENT" }]);
        match (form, &mut spec, wasm) {
            (Simple::WasmPlugin, Value::Object(spec), Value::Object(wasm)) => spec.extend(wasm),
            (_, spec, wasm) => spec["wasm"] = wasm,
        }
        Ok(vec![json!({
            "apiVersion": "extensions.istio.io/v1alpha1",
            "kind": form.kind(),
            "metadata": self.scope.metadata(&self.scope.name(NAME)),
            "spec": spec,
        })])
    }

    fn config(&self, direction: Direction) -> Value {
        let mut config = json!({ "default": "tap", "tap_only": true });
        if direction == Direction::Inbound {
            config["direction"] = json!("inbound");
        }
        if let Some(service) = &self.service {
            config["service"] = json!(service);
        }
        if let Some(sample) = &self.collector.sample {
            config["sample"] = json!(sample);
        }
        config["collector"] = self.collector.config(&self.scope.unique(NAME));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_is_in_the_configuration_of_both_directions() {
        let scope = Scope::namespace("payments").unwrap();
        let collector = Collector::new("c.obs:4440", false).unwrap().sampled(Number::from_f64(0.01).unwrap());
        let module = Module::new("oci://registry.example/understudy:1", None).unwrap();
        let tap = Tap { scope, module, collector, inbound: true, service: None, https: None };
        for direction in [Direction::Outbound, Direction::Inbound] {
            assert_eq!(tap.config(direction)["sample"], json!(0.01));
        }
    }

    #[test]
    fn collector_address_is_a_host_with_a_port() {
        let cluster =
            |address: &str, mesh| Collector::new(address, mesh).map(|collector| collector.cluster("a.b"));
        assert_eq!(cluster("c.ns.svc:4440", false).as_deref(), Ok("collector-of-a.b"));
        assert_eq!(cluster("c.ns.svc:4440", true).as_deref(), Ok("outbound|4440||c.ns.svc"));
        for bad in ["", "c", "c:", ":1", "c:0", "c:99999", "http://c:1", "c d:1"] {
            assert_eq!(cluster(bad, false), Err(Error::Collector(bad.to_owned())));
        }
    }
}
