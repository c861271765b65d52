//! What mocks: a workload's backends are answered for from the table in the module.

use crate::https::{Handling, Https, Precedence};
use crate::module::Module;
use crate::parts::{OnCrash, Way, add, before_router, deny, envoy_filter, place, plugin};
use crate::scope::Scope;
use crate::stub;
use crate::tap::Collector;
use serde_json::{Value, json};

pub(crate) const NAME: &str = "understudy-respond";
/// Before a tap's: what is mocked has no backend to tap.
const PRIORITY: i32 = 10;
/// Where the proxy keeps what the workload's annotation says.
const MODE: &str = "understudy.mode";
/// What an annotation says that turns mocking on. Space around it doesn't matter to the filter.
const ASKED: &str = r"[\s\p{Z}]*responder-only[\s\p{Z}]*";
/// The annotations that turn mocking on, as `understudy_core::workload` has them; a test compares them.
const ANNOTATIONS: [&str; 2] = ["replay.understudy.dev/mode", "replay.speedscale.com/mode"];

/// What is to be mocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    /// Whose backends.
    pub scope: Scope,
    /// A bundled module: the filter with the table.
    pub module: Module,
    /// Whether only workloads with the annotation are mocked.
    pub opt_in: bool,
    /// Which of the module's snapshots, where it isn't the workload that says it.
    pub snapshot: Option<String>,
    /// Which of the snapshot's backends (`mocks` in the filter's configuration); all of them where nothing is here.
    pub mocks: Vec<String>,
    /// What becomes of a request that nothing recorded matches (`fail`, `passthrough`, `capture`). Default: what the snapshot says.
    pub on_miss: Option<String>,
    /// Where the verdicts go, if they are wanted one by one.
    pub collector: Option<Collector>,
    /// The service's name, for the records.
    pub service: Option<String>,
    /// The HTTPS that is read too. Not together with `opt_in`, which doesn't reach so far: the pod's label says who is meant.
    pub https: Option<Https>,
}

impl Respond {
    /// The `EnvoyFilter`, and another one where HTTPS is read.
    pub fn resources(&self) -> Vec<Value> {
        let (way, name) = (Way::Outbound, self.scope.unique(NAME));
        let mut patches: Vec<_> = stub::patches(&name).into();
        patches.extend(self.collector.as_ref().and_then(|collector| collector.patch(&name)));
        let plugin = plugin(&name, &self.module, OnCrash::Reload, &self.config());
        patches.push(add("EXTENSION_CONFIG", way, &plugin));
        if self.opt_in {
            patches.push(before_router(way, &annotations()));
        }
        let filter = place(&name, &deny());
        let filter = if self.opt_in { for_those_who_asked(&name, &filter) } else { filter };
        patches.push(before_router(way, &filter));
        let filter = envoy_filter(&self.scope, &self.scope.name(NAME), PRIORITY, &patches);
        let https = self.https.as_ref().map(|https| {
            let place = place(&name, &deny());
            let precedence = Precedence::First;
            let handling = Handling { start: NAME, precedence, priority: PRIORITY, place, with_stub: true };
            https.resource(&self.scope, handling)
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

/// A place for the filter that only requests of workloads with the annotation come to: whatever becomes of the filter, all others pass by. It
/// isn't even made for them.
fn for_those_who_asked(name: &str, place: &Value) -> Value {
    let says = |number| {
        let input = json!({
            "name": "understudy-mode",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
                "key": key(number),
            },
        });
        json!({ "single_predicate": { "input": input, "value_match": { "safe_regex": { "google_re2": {}, "regex": ASKED } } } })
    };
    let action = json!({
        "name": "understudy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.composite.v3.ExecuteFilterAction",
            "dynamic_config": place,
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

/// Keeps what the annotations of the workload's pod say, where a matcher can read it: it has no eyes for node metadata itself.
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
