//! What mocks: a workload's backends are answered for from the table in the module.

use crate::module::Module;
use crate::parts::{OnCrash, Way, add, before_router, deny, envoy_filter, place, plugin};
use crate::scope::Scope;
use crate::stub;
use crate::tap::Collector;
use serde_json::{Value, json};

pub(crate) const NAME: &str = "understudy-respond";
/// Before a tap's: what is mocked has no backend to tap.
const PRIORITY: i32 = 10;
/// Where the proxy keeps what the workload's annotation says, for the guard.
const MODE: &str = "understudy.mode";
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
}

impl Respond {
    /// The `EnvoyFilter`.
    pub fn resources(&self) -> Vec<Value> {
        let (way, name) = (Way::Outbound, self.scope.unique(NAME));
        let mut patches: Vec<_> = stub::patches(&name).into();
        patches.extend(self.collector.as_ref().and_then(|collector| collector.patch(&name)));
        let plugin = plugin(&name, &self.module, OnCrash::Reload, &self.config());
        patches.push(add("EXTENSION_CONFIG", way, &plugin));
        if self.opt_in {
            patches.push(before_router(way, &annotations()));
        }
        patches.push(before_router(way, &place(&name, &self.guard())));
        vec![envoy_filter(&self.scope, &self.scope.name(NAME), PRIORITY, &patches)]
    }

    /// What stands in the filter's place while it can't be had. A mocked backend is never touched, and who hasn't opted in doesn't notice.
    fn guard(&self) -> Value {
        if !self.opt_in {
            return deny(&json!([{ "any": true }]));
        }
        let says = |key: String| json!({ "filter_state": { "key": key, "string_match": { "exact": "responder-only" } } });
        deny(&json!([says(key(0)), says(key(1))]))
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

/// Keeps what the annotations of the workload's pod say, where the guard can read it: it has no eyes for node metadata itself.
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
