//! Resources for a mock: a workload's calls to its backends are answered from the table in the
//! module.

use crate::https::{ChainSettings, Https, Precedence};
use crate::module::Module;
use crate::parts::{
    Direction, OnCrash, add, before_router, deny_all, discovered_filter, envoy_filter, plugin,
};
use crate::scope::Scope;
use crate::stub;
use crate::tap::Collector;
use serde_json::{Value, json};

pub(crate) const NAME: &str = "understudy-respond";
/// In front of a tap's filter: a mocked call has no backend to tap.
const PRIORITY: i32 = 10;
/// Key of Envoy's filter state for the mode in the workload's annotation.
const MODE: &str = "understudy.mode";
/// Value of an annotation that turns mocking on. The filter ignores surrounding space.
const OPTED_IN: &str = r"[\s\p{Z}]*responder-only[\s\p{Z}]*";
/// The annotations that turn mocking on, as `understudy_core::workload` has them; a test compares
/// them.
const ANNOTATIONS: [&str; 2] = ["replay.understudy.dev/mode", "replay.speedscale.com/mode"];

/// A mock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    /// Workloads whose backends are mocked.
    pub scope: Scope,
    /// A bundle: the filter with a table.
    pub module: Module,
    /// True if only workloads with the annotation are mocked.
    pub opt_in: bool,
    /// Snapshot of the module to use, unless the workload names one.
    pub snapshot: Option<String>,
    /// Backends of the snapshot to mock (`mocks` in the filter's configuration); empty for all.
    pub mocks: Vec<String>,
    /// Treatment of a request that no recorded request matches: `fail`, `passthrough` or `capture`.
    /// Default: the snapshot's own setting.
    pub on_miss: Option<String>,
    /// Collector of the verdicts, if they are wanted one by one.
    pub collector: Option<Collector>,
    /// Name of the service in the records.
    pub service: Option<String>,
    /// HTTPS to read too. Excludes `opt_in`, which has no effect there: the pod's label is the
    /// opt-in.
    pub https: Option<Https>,
}

impl Respond {
    /// The `EnvoyFilter`, and a second one if HTTPS is read.
    pub fn resources(&self) -> Vec<Value> {
        let name = self.scope.unique(NAME);
        let mut patches: Vec<_> = stub::patches(&name).into();
        patches.extend(self.collector.as_ref().and_then(|collector| collector.patch(&name)));
        let plugin = plugin(&name, &self.module, OnCrash::Reload, &self.config());
        patches.push(add("EXTENSION_CONFIG", Direction::Outbound, &plugin));
        if self.opt_in {
            patches.push(before_router(Direction::Outbound, &annotations()));
        }
        let filter = discovered_filter(&name, &deny_all());
        let filter = if self.opt_in { for_opted_in(&name, &filter) } else { filter };
        patches.push(before_router(Direction::Outbound, &filter));
        let filter = envoy_filter(&self.scope, &self.scope.name(NAME), PRIORITY, &patches);
        let https = self.https.as_ref().map(|https| {
            let chain = ChainSettings {
                prefix: NAME,
                precedence: Precedence::First,
                priority: PRIORITY,
                filter: discovered_filter(&name, &deny_all()),
                with_stub: true,
            };
            https.resource(&self.scope, chain)
        });
        [filter].into_iter().chain(https).collect()
    }

    fn config(&self) -> Value {
        let mut config = json!({ "default": "mock", "grpc_stub": true });
        if self.opt_in {
            config["opt_in"] = json!(true);
        }
        if !self.mocks.is_empty() {
            config["mocks"] = json!(self.mocks);
        }
        for (key, value) in
            [("snapshot", &self.snapshot), ("on_miss", &self.on_miss), ("service", &self.service)]
        {
            if let Some(value) = value {
                config[key] = json!(value);
            }
        }
        if let Some(collector) = &self.collector {
            config["collector"] = collector.config(&self.scope.unique(NAME));
        }
        config
    }
}

fn key(number: usize) -> String {
    format!("{MODE}.{number}")
}

/// The filter behind a matcher for workloads with the annotation. Requests of other workloads never
/// reach the filter, whatever its state: Envoy doesn't create the filter for them.
fn for_opted_in(name: &str, filter: &Value) -> Value {
    let says = |number| {
        let input = json!({
            "name": "understudy-mode",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
                "key": key(number),
            },
        });
        json!({ "single_predicate": { "input": input, "value_match": { "safe_regex": { "google_re2": {}, "regex": OPTED_IN } } } })
    };
    let action = json!({
        "name": "understudy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.composite.v3.ExecuteFilterAction",
            "dynamic_config": filter,
        },
    });
    json!({
        "name": name,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": {
                "name": "envoy.filters.http.composite",
                "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite" },
            },
            "xds_matcher": { "matcher_list": { "matchers": [{
                "predicate": { "or_matcher": { "predicate": [says(0), says(1)] } },
                "on_match": { "action": action },
            }] } },
        },
    })
}

/// Copies the annotations of the workload's pod into the filter state, since matchers can't read
/// the node's metadata.
fn annotations() -> Value {
    let kept: Vec<_> = ANNOTATIONS
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let value = format!("%CEL(xds.node.metadata.ANNOTATIONS['{name}'])%");
            let formatter = json!({
                "name": "envoy.formatter.cel",
                "typed_config": { "@type": "type.googleapis.com/envoy.extensions.formatter.cel.v3.Cel" },
            });
            json!({
                "object_key": key(number),
                "factory_key": "envoy.string",
                "skip_if_empty": true,
                "format_string": {
                    "text_format_source": { "inline_string": value },
                    "formatters": [formatter],
                },
            })
        })
        .collect();
    json!({
        "name": "understudy-annotations",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": kept,
        },
    })
}
