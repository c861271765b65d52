//! The filter's configuration: the JSON in the plugin's `configuration` in Envoy.
//!
//! `docs/reference/filter-configuration.schema.json` is its published schema. A filter with an
//! unknown key or an invalid value refuses to start, with a message that names the key: a misread
//! filter must not seem to work.

mod redaction;

pub use redaction::RedactionConfig;

use crate::latency::Latency;
use crate::sample::Sample;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The mode of a backend.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, bincode::Encode, bincode::Decode,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Requests pass, and each exchange is copied to the collector.
    Tap,
    /// Requests are answered from the table. Only misses pass, if `on_miss` allows it.
    Mock,
    /// The filter ignores requests.
    Off,
}

/// The treatment of a request to a mocked backend that no recorded request matches.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Deserialize,
    serde::Serialize,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(rename_all = "lowercase")]
pub enum OnMiss {
    /// The request is answered with 404 and a body that names the nearest recorded requests.
    #[default]
    Fail,
    /// The request continues to the real backend.
    Passthrough,
    /// The request continues to the real backend, and the exchange is copied to the collector.
    Capture,
}

/// The outbox and the collector that it sends records to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxConfig {
    /// The name of Envoy's cluster for the collector.
    pub cluster: String,
    /// The `:authority` of the calls. Default: the cluster's name.
    pub authority: Option<String>,
    /// The path of the calls.
    #[serde(default = "default_path")]
    pub path: String,
    /// The age of its oldest record at which a batch is sent, in milliseconds.
    #[serde(default = "default_flush")]
    pub flush_interval_ms: u32,
    /// The size at which a batch is sent, in bytes.
    #[serde(default = "default_batch")]
    pub batch_max_bytes: u32,
    /// The maximum size of the queue in a VM's memory, in bytes. Further records are dropped and
    /// counted.
    #[serde(default = "default_queue")]
    pub queue_max_bytes: u32,
    /// The timeout for the collector's reply, in milliseconds.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u32,
}

/// The configuration of one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendConfig {
    /// The mode.
    pub mode: Mode,
    /// The treatment of misses. Default: the configuration's `on_miss`.
    pub on_miss: Option<OnMiss>,
    /// The delay of answers. Default: the configuration's `latency`.
    pub latency: Option<Latency>,
}

/// The filter's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The mode of backends that neither `backends` nor the table names. Default: `mock` with a
    /// table, else `tap` with a collector, else `off`.
    pub default: Option<Mode>,
    /// The treatment of misses. Default: the table's, else `fail`.
    pub on_miss: Option<OnMiss>,
    /// True if a match that rests on an assumption is a miss.
    #[serde(default)]
    pub strict: bool,
    /// The delay of answers. Default: the table's, else `none`.
    pub latency: Option<Latency>,
    /// Whether the workload has to opt in to mocking by an annotation of its pod. Without the
    /// annotation, backends in mode `mock` are `off`.
    #[serde(default)]
    pub opt_in: bool,
    /// Whether this filter never mocks, even with a table in its module.
    #[serde(default)]
    pub tap_only: bool,
    /// The snapshot to use, among those in the module. An annotation of the workload overrides it.
    /// Default: the only one, or the one named like the workload.
    pub snapshot: Option<String>,
    /// Backends by name (`scheme://authority`). Overrides the table.
    #[serde(default)]
    pub backends: BTreeMap<String, BackendConfig>,
    /// The table's backends to mock: `service:host:port`, or a part that only one of them has. `*`
    /// selects all. The others are off. Empty: the table's modes apply.
    #[serde(default)]
    pub mocks: Vec<String>,
    /// The outbox and its collector. Without them nothing is tapped and no verdict is reported.
    pub collector: Option<OutboxConfig>,
    /// The service's name, as batches state it.
    pub service: Option<String>,
    /// The share of the exchanges of tapped backends that is copied. Verdicts and captured misses
    /// are always reported.
    #[serde(default)]
    pub sample: Sample,
    /// The direction of the listener's traffic.
    #[serde(default)]
    pub direction: DirectionName,
    /// The address, `host[:port]`, under which inbound exchanges are recorded. Default: the
    /// authority of each request.
    pub listener: Option<String>,
    /// The maximum size of a body, in bytes. Longer bodies are cut in copies, and a request to a
    /// mocked backend with a longer body is a miss.
    #[serde(default = "default_body_cap")]
    pub body_cap_bytes: u32,
    /// The maximum memory for exchanges that are being copied, in bytes. Bodies beyond it are cut.
    #[serde(default = "default_memory")]
    pub memory_max_bytes: u32,
    /// Whether answers have the header `x-understudy`.
    #[serde(default = "yes")]
    pub verdict_header: bool,
    /// Whether Envoy has the stub that gRPC answers need. Without it gRPC requests are refused:
    /// they would reach the backend.
    #[serde(default)]
    pub grpc_stub: bool,
    /// The redaction of secrets.
    #[serde(default, deserialize_with = "RedactionConfig::from_object")]
    pub redaction: RedactionConfig,
}

/// The direction of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectionName {
    /// The service calls backends.
    #[default]
    Outbound,
    /// Clients call the service.
    Inbound,
}

/// The reason why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not JSON, an unknown key, or a value of the wrong type.
    #[error("the filter's configuration isn't valid: {0}")]
    Json(#[from] serde_json::Error),
    /// A value has the right type, but is invalid.
    #[error("the filter's configuration isn't valid: `{key}`: {problem}")]
    Value {
        /// The key, with dots between levels.
        key: String,
        /// The problem, and what to do.
        problem: String,
    },
}

impl ConfigError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "config-json",
            Self::Value { .. } => "config-value",
        }
    }
}

impl Config {
    /// Parses the plugin's configuration. An empty text stands for `{}`.
    ///
    /// # Errors
    /// [`ConfigError`] names the key.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigError> {
        let text = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
        let config: Self = serde_json::from_slice(text)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, problem: String| Err(ConfigError::Value { key: key.to_owned(), problem });
        for backend in self.backends.keys() {
            let Some((scheme, ..)) = crate::backend::parts(backend) else {
                return refuse(&format!("backends.{backend}"), "must be scheme://host[:port]".to_owned());
            };
            let normal =
                backend.split_once("://").map(|(_, authority)| crate::backend::name(scheme, authority));
            if normal.as_deref() != Some(backend.as_str()) {
                let name = normal.unwrap_or_default();
                return refuse(&format!("backends.{backend}"), format!("must be written as {name}"));
            }
        }
        if self.mocks.iter().any(|entry| entry.trim().is_empty()) {
            return refuse(
                "mocks",
                "an entry is empty: write service:host:port, a part of it, or *".to_owned(),
            );
        }
        self.check_direction()?;
        self.check_tap_only()?;
        if self.body_cap_bytes == 0 || self.body_cap_bytes > 1 << 28 {
            return refuse("body_cap_bytes", "must be between 1 and 268435456".to_owned());
        }
        if self.memory_max_bytes < self.body_cap_bytes {
            return refuse("memory_max_bytes", "must be at least body_cap_bytes".to_owned());
        }
        self.redaction.check()?;
        match &self.collector {
            Some(collector) => collector.check(),
            None => self.check_without_collector(),
        }
    }

    /// Inbound traffic can't be mocked: it is for the service itself.
    fn check_direction(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, problem: &str| {
            Err(ConfigError::Value { key: key.to_owned(), problem: problem.to_owned() })
        };
        let inbound = self.direction == DirectionName::Inbound;
        if inbound && self.default == Some(Mode::Mock) {
            return refuse(
                "default",
                "`mock` is for outbound traffic: inbound requests are for the service itself",
            );
        }
        if inbound && !self.backends.is_empty() {
            return refuse(
                "backends",
                "must be empty if `direction` is `inbound`: it names backends that the service calls",
            );
        }
        if inbound && !self.mocks.is_empty() {
            return refuse(
                "mocks",
                "must be empty if `direction` is `inbound`: it names backends that the service calls",
            );
        }
        let Some(listener) = &self.listener else { return Ok(()) };
        if !inbound {
            return refuse("listener", "is for inbound traffic: set `direction` to `inbound`");
        }
        match crate::backend::parts(&crate::backend::name("http", listener)) {
            Some(_) if !listener.contains('@') => Ok(()),
            _ => refuse("listener", "must be host[:port]"),
        }
    }

    /// A filter that only taps can't name backends to mock.
    fn check_tap_only(&self) -> Result<(), ConfigError> {
        if !self.tap_only {
            return Ok(());
        }
        let refuse = |key: String| {
            let problem = "can't be `mock` if `tap_only` is true: leave one of the two out".to_owned();
            Err(ConfigError::Value { key, problem })
        };
        if self.default == Some(Mode::Mock) {
            return refuse("default".to_owned());
        }
        if !self.mocks.is_empty() {
            let problem = "must be empty if `tap_only` is true: leave one of the two out".to_owned();
            return Err(ConfigError::Value { key: "mocks".to_owned(), problem });
        }
        let mocked = self.backends.iter().find(|(_, rule)| rule.mode == Mode::Mock);
        mocked.map_or(Ok(()), |(name, _)| refuse(format!("backends.{name}.mode")))
    }

    /// Whether the table doesn't apply: it answers neither inbound requests nor the requests of a
    /// filter that only taps.
    pub fn ignores_table(&self) -> bool {
        self.tap_only || self.direction == DirectionName::Inbound
    }

    /// Copies need a collector.
    fn check_without_collector(&self) -> Result<(), ConfigError> {
        let need = |key: String, value: &str| {
            let problem = format!("`{value}` needs a `collector` to send the exchanges to");
            Err(ConfigError::Value { key, problem })
        };
        if self.default == Some(Mode::Tap) {
            return need("default".to_owned(), "tap");
        }
        if self.on_miss == Some(OnMiss::Capture) {
            return need("on_miss".to_owned(), "capture");
        }
        for (name, rule) in &self.backends {
            if rule.mode == Mode::Tap {
                return need(format!("backends.{name}.mode"), "tap");
            }
            if rule.on_miss == Some(OnMiss::Capture) {
                return need(format!("backends.{name}.on_miss"), "capture");
            }
        }
        Ok(())
    }
}

impl OutboxConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, problem: &str| {
            Err(ConfigError::Value { key: format!("collector.{key}"), problem: problem.to_owned() })
        };
        if self.cluster.is_empty() {
            return refuse("cluster", "must name a cluster of Envoy's configuration");
        }
        if !self.path.starts_with('/') {
            return refuse("path", "must begin with /");
        }
        if !(10..=60_000).contains(&self.flush_interval_ms) {
            return refuse("flush_interval_ms", "must be between 10 and 60000");
        }
        if !(1024..=1 << 24).contains(&self.batch_max_bytes) {
            return refuse("batch_max_bytes", "must be between 1024 and 16777216");
        }
        if self.queue_max_bytes < self.batch_max_bytes {
            return refuse("queue_max_bytes", "must be at least batch_max_bytes");
        }
        if self.timeout_ms == 0 {
            return refuse("timeout_ms", "must be at least 1");
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default: None,
            on_miss: None,
            strict: false,
            latency: None,
            opt_in: false,
            tap_only: false,
            snapshot: None,
            backends: BTreeMap::new(),
            mocks: Vec::new(),
            collector: None,
            service: None,
            sample: Sample::WHOLE,
            direction: DirectionName::Outbound,
            listener: None,
            body_cap_bytes: default_body_cap(),
            memory_max_bytes: default_memory(),
            verdict_header: true,
            grpc_stub: false,
            redaction: RedactionConfig::default(),
        }
    }
}

fn default_path() -> String {
    "/v1/exchanges".to_owned()
}

fn default_flush() -> u32 {
    200
}

fn default_batch() -> u32 {
    1 << 20
}

fn default_queue() -> u32 {
    16 << 20
}

fn default_timeout() -> u32 {
    10_000
}

fn default_body_cap() -> u32 {
    // Envoy answers 413 if it has to hold more than per_connection_buffer_limit_bytes (1 MiB by
    // default): stay well below.
    512 << 10
}

fn default_memory() -> u32 {
    32 << 20
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_text_is_default_configuration() {
        assert_eq!(Config::from_json(b"").unwrap(), Config::default());
        assert_eq!(Config::from_json(b" {} ").unwrap(), Config::default());
    }

    #[test]
    fn invalid_configuration_names_key() {
        let check = |json: &str, expect: &str| {
            let error = Config::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expect), "{json}: {error}");
        };
        check("x", "expected value at line 1 column 1");
        check(r#"{"defualt":"tap"}"#, "unknown field `defualt`");
        check(r#"{"default":"tape"}"#, "unknown variant `tape`");
        check(r#"{"default":"tap"}"#, "`default`: `tap` needs a `collector`");
        check(r#"{"on_miss":"capture"}"#, "`on_miss`: `capture` needs a `collector`");
        check(r#"{"backends":{"http://s":{"mode":"tap"}}}"#, "`backends.http://s.mode`: `tap` needs");
        check(
            r#"{"backends":{"http://s":{"mode":"mock","on_miss":"capture"}}}"#,
            "`backends.http://s.on_miss`",
        );
        check(r#"{"collector":{}}"#, "missing field `cluster`");
        check(r#"{"collector":{"cluster":""}}"#, "`collector.cluster`");
        check(r#"{"collector":{"cluster":"c","path":"x"}}"#, "`collector.path`");
        check(r#"{"collector":{"cluster":"c","flush_interval_ms":1}}"#, "`collector.flush_interval_ms`");
        check(r#"{"collector":{"cluster":"c","queue_max_bytes":1}}"#, "`collector.queue_max_bytes`");
        check(r#"{"backends":{"stripe":{"mode":"mock"}}}"#, "`backends.stripe`: must be scheme://host");
        check(r#"{"backends":{"http://Stripe:80":{"mode":"mock"}}}"#, "must be written as http://stripe");
        check(r#"{"backends":{"http://s":{"mode":"mock","miss":1}}}"#, "unknown field `miss`");
        check(r#"{"direction":"inbound","default":"mock"}"#, "`default`: `mock` is for outbound traffic");
        check(
            r#"{"direction":"inbound","backends":{"http://s":{"mode":"off"}}}"#,
            "`backends`: must be empty",
        );
        check(r#"{"direction":"inbound","mocks":["*"]}"#, "`mocks`: must be empty");
        check(r#"{"mocks":"*"}"#, "invalid type: string");
        check(r#"{"tap_only":true,"mocks":["*"]}"#, "`mocks`: must be empty if `tap_only`");
        check(r#"{"tap_only":true,"default":"mock"}"#, "`default`: can't be `mock` if `tap_only` is true");
        check(
            r#"{"tap_only":true,"backends":{"http://a":{"mode":"off"},"http://b":{"mode":"mock"}}}"#,
            "`backends.http://b.mode`: can't be `mock`",
        );
        check(r#"{"listener":"127.0.0.1:8080"}"#, "`listener`: is for inbound traffic");
        check(r#"{"direction":"inbound","listener":"h:x"}"#, "`listener`: must be host[:port]");
        check(r#"{"direction":"inbound","listener":"http://h"}"#, "`listener`: must be host[:port]");
        check(r#"{"sample":0}"#, "`sample` is a number from 0.000001 to 1");
        check(r#"{"sample":1.5}"#, "`sample` is a number from 0.000001 to 1");
        check(r#"{"body_cap_bytes":0}"#, "`body_cap_bytes`");
        check(r#"{"memory_max_bytes":5}"#, "`memory_max_bytes`");
        check(r#"{"latency":"slow"}"#, "\"slow\" is not a latency");
        check(r#"{"latency":1}"#, "expected a string");
        check(r#"{"redaction":[]}"#, "invalid type: sequence");
        check(r#"{"redaction":{"keys":"x"}}"#, "unknown field `keys`");
        check(r#"{"redaction":{"key":5}}"#, "expected a string");
        check(r#"{"redaction":{"fields":["-"]}}"#, "`redaction.fields`: a name has letters");
    }
}
