//! What taps: copies of what a workload says to its backends, and of what it is asked, go to the collector.

use crate::error::Error;
use crate::https::{Handling, Https, Precedence};
use crate::module::Module;
use crate::parts::{OnCrash, Way, add, before_router, envoy_filter, nothing, place, plugin};
use crate::scope::Scope;
use serde_json::{Number, Value, json};

pub(crate) const NAME: &str = "understudy-tap";
/// After a mock's: what is mocked never comes so far.
const PRIORITY: i32 = 20;

/// Where the records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    host: String,
    port: u16,
    through_mesh: bool,
    sample: Option<Number>,
}

impl Collector {
    /// A collector at `HOST:PORT`. `through_mesh`: by Istio's own cluster for that service, so with mutual TLS where the mesh has it.
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

    /// The same, for a share of what is tapped: the filter's `sample`.
    #[must_use]
    pub fn sampled(self, sample: Number) -> Self {
        Self { sample: Some(sample), ..self }
    }

    /// As the filter's configuration of the resource with this name has it.
    pub(crate) fn config(&self, resource: &str) -> Value {
        json!({ "cluster": self.cluster(resource), "authority": self.host })
    }

    /// The cluster, where it is one of our own.
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
        (!self.through_mesh).then(|| add("CLUSTER", Way::Outbound, &cluster))
    }

    fn cluster(&self, resource: &str) -> String {
        match self.through_mesh {
            true => format!("outbound|{}||{}", self.port, self.host),
            false => format!("collector-of-{resource}"),
        }
    }
}

/// Which resource the simple form is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simple {
    /// In all versions of Istio that have what the filter needs.
    WasmPlugin,
    /// What takes its place: from Istio 1.30 on.
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

/// What is to be tapped, and where the copies go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Whose traffic.
    pub scope: Scope,
    /// The plain filter, or any other.
    pub module: Module,
    /// Where the copies go.
    pub collector: Collector,
    /// Whether what the workload is asked is copied too.
    pub inbound: bool,
    /// The service's name, for the records.
    pub service: Option<String>,
    /// The HTTPS that is read too.
    pub https: Option<Https>,
}

impl Tap {
    /// The `EnvoyFilter`, and another one where HTTPS is read.
    pub fn resources(&self) -> Vec<Value> {
        let name = self.scope.unique(NAME);
        let mut patches: Vec<_> = self.collector.patch(&name).into_iter().collect();
        let ways = [(Way::Outbound, name.clone()), (Way::Inbound, format!("{name}.inbound"))];
        for (way, name) in ways.into_iter().take(1 + usize::from(self.inbound)) {
            let plugin = plugin(&name, &self.module, OnCrash::Open, &self.config(way));
            patches.push(add("EXTENSION_CONFIG", way, &plugin));
            patches.push(before_router(way, &place(&name, &nothing())));
        }
        let filter = envoy_filter(&self.scope, &self.scope.name(NAME), PRIORITY, &patches);
        let https = self.https.as_ref().map(|https| {
            let place = place(&self.scope.unique(NAME), &nothing());
            let precedence = Precedence::Second;
            let handling = Handling { start: NAME, precedence, priority: PRIORITY, place, with_stub: false };
            https.resource(&self.scope, handling)
        });
        [filter].into_iter().chain(https).collect()
    }

    /// A simpler resource in its place: shorter, and without a word on what happens when the filter crashes. Needs the collector's service in
    /// the mesh.
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
        wasm["pluginConfig"] = Self { collector, ..self.clone() }.config(Way::Outbound);
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

    fn config(&self, way: Way) -> Value {
        let mut config = json!({ "default": "tap", "tap_only": true });
        if way == Way::Inbound {
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
    fn a_share_stands_in_both_directions_configuration() {
        let scope = Scope::namespace("payments").unwrap();
        let collector = Collector::new("c.obs:4440", false).unwrap().sampled(Number::from_f64(0.01).unwrap());
        let module = Module::new("oci://registry.example/understudy:1", None).unwrap();
        let tap = Tap { scope, module, collector, inbound: true, service: None, https: None };
        for way in [Way::Outbound, Way::Inbound] {
            assert_eq!(tap.config(way)["sample"], json!(0.01));
        }
    }

    #[test]
    fn addresses_of_collectors() {
        let cluster =
            |address: &str, mesh| Collector::new(address, mesh).map(|collector| collector.cluster("a.b"));
        assert_eq!(cluster("c.ns.svc:4440", false).as_deref(), Ok("collector-of-a.b"));
        assert_eq!(cluster("c.ns.svc:4440", true).as_deref(), Ok("outbound|4440||c.ns.svc"));
        for bad in ["", "c", "c:", ":1", "c:0", "c:99999", "http://c:1", "c d:1"] {
            assert_eq!(cluster(bad, false), Err(Error::Collector(bad.to_owned())));
        }
    }
}
