//! The filter's configuration: the JSON in Envoy's `configuration` of the plugin.
//!
//! `docs/reference/filter-configuration.schema.json` is its published schema. A key that isn't known and a value that makes no sense
//! refuse to start, with a message that names the key: a filter that is misread must not look as if it worked.

mod redaction;

pub use redaction::Redaction;

use crate::latency::Latency;
use crate::sample::Sample;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What happens to requests to one backend.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, bincode::Encode, bincode::Decode,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Requests go on; each exchange is copied to the collector.
    Tap,
    /// Requests are answered from the table; nothing goes on but what `on_miss` allows.
    Mock,
    /// The filter stays out of it.
    Off,
}

/// What happens to a request to a mocked backend that nothing recorded matches.
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
    /// It is answered with 404 and a body that names the nearest recorded requests.
    #[default]
    Fail,
    /// It goes on to the real backend.
    Passthrough,
    /// It goes on to the real backend, and the exchange is copied to the collector.
    Capture,
}

/// Where the records go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collector {
    /// The name of Envoy's cluster for the collector.
    pub cluster: String,
    /// The `:authority` of the calls. Default: the cluster's name.
    pub authority: Option<String>,
    /// The path of the calls.
    #[serde(default = "default_path")]
    pub path: String,
    /// A batch goes out when its oldest record is this old, in milliseconds.
    #[serde(default = "default_flush")]
    pub flush_interval_ms: u32,
    /// A batch goes out when it has this many bytes.
    #[serde(default = "default_batch")]
    pub batch_max_bytes: u32,
    /// What waits for the collector may take this many bytes of a VM's memory; records past that are dropped and counted.
    #[serde(default = "default_queue")]
    pub queue_max_bytes: u32,
    /// How long to wait for the collector's answer, in milliseconds.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u32,
}

/// What is said of one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendRule {
    /// Tap, mock or off.
    pub mode: Mode,
    /// What to do on a miss. Default: the configuration's `on_miss`.
    pub on_miss: Option<OnMiss>,
    /// How long answers are held back. Default: the configuration's `latency`.
    pub latency: Option<Latency>,
}

/// The filter's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What happens to backends that are named neither in `backends` nor in the table. Default: `mock` with a table, else `tap` with a
    /// collector, else `off`.
    pub default: Option<Mode>,
    /// What happens on a miss. Default: what the table says, else `fail`.
    pub on_miss: Option<OnMiss>,
    /// How long answers are held back. Default: what the table says, else `none`.
    pub latency: Option<Latency>,
    /// Whether mocking waits for the workload's own word, an annotation of its pod: without it, what would be mocked is `off`.
    #[serde(default)]
    pub opt_in: bool,
    /// Whether this filter mocks nothing, whatever table is in its module.
    #[serde(default)]
    pub tap_only: bool,
    /// Which of the module's snapshots is used. An annotation of the workload wins. Default: the only one, or the one called like the workload.
    pub snapshot: Option<String>,
    /// Backends by name (`scheme://authority`); what stands here wins over the table.
    #[serde(default)]
    pub backends: BTreeMap<String, BackendRule>,
    /// Which of the table's backends are mocked: `service:host:port`, or a part that only one of them has; `*` is all. What isn't named is
    /// left alone. Empty: the table says it.
    #[serde(default)]
    pub mocks: Vec<String>,
    /// Where records go. Without it nothing is tapped and no verdicts are reported.
    pub collector: Option<Collector>,
    /// The service's name, for the records.
    pub service: Option<String>,
    /// Which share of the exchanges of tapped backends is copied. Verdicts and captured misses are always told.
    #[serde(default)]
    pub sample: Sample,
    /// Which way the traffic of this listener goes.
    #[serde(default)]
    pub direction: DirectionName,
    /// The address, `host[:port]`, that inbound exchanges are recorded under. Default: what each request asks for.
    pub listener: Option<String>,
    /// A body is kept up to this many bytes: a tapped one is cut there, a mocked request with a longer one misses.
    #[serde(default = "default_body_cap")]
    pub body_cap_bytes: u32,
    /// What the exchanges that are being copied may take of a VM's memory, in bytes. Bodies past that are cut.
    #[serde(default = "default_memory")]
    pub memory_max_bytes: u32,
    /// Whether answers carry the header `x-understudy`.
    #[serde(default = "yes")]
    pub verdict_header: bool,
    /// Whether Envoy has the stub that answers to gRPC need. Without it they are refused: the request would reach the backend.
    #[serde(default)]
    pub grpc_stub: bool,
    /// What is taken out of what leaves.
    #[serde(default, deserialize_with = "Redaction::from_object")]
    pub redaction: Redaction,
}

/// Which way the traffic goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectionName {
    /// The service calls backends.
    #[default]
    Outbound,
    /// Somebody calls the service.
    Inbound,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not JSON, an unknown key, or a value of the wrong type.
    #[error("the filter's configuration isn't valid: {0}")]
    Json(#[from] serde_json::Error),
    /// A value of the right type that makes no sense.
    #[error("the filter's configuration isn't valid: `{key}`: {problem}")]
    Value {
        /// The key, with dots between levels.
        key: String,
        /// What is wrong, and what to do.
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
    /// Reads the plugin's configuration; no bytes at all stand for `{}`.
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

    /// Nobody stands in for the service itself.
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
                "must be empty where `direction` is `inbound`: it names whom the service calls",
            );
        }
        if inbound && !self.mocks.is_empty() {
            return refuse(
                "mocks",
                "must be empty where `direction` is `inbound`: it names whom the service calls",
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

    /// Who says that nothing is mocked can't say what is.
    fn check_tap_only(&self) -> Result<(), ConfigError> {
        if !self.tap_only {
            return Ok(());
        }
        let refuse = |key: String| {
            let problem = "can't be `mock` where `tap_only` is true: leave one of the two out".to_owned();
            Err(ConfigError::Value { key, problem })
        };
        if self.default == Some(Mode::Mock) {
            return refuse("default".to_owned());
        }
        if !self.mocks.is_empty() {
            let problem = "must be empty where `tap_only` is true: leave one of the two out".to_owned();
            return Err(ConfigError::Value { key: "mocks".to_owned(), problem });
        }
        let mocked = self.backends.iter().find(|(_, rule)| rule.mode == Mode::Mock);
        mocked.map_or(Ok(()), |(name, _)| refuse(format!("backends.{name}.mode")))
    }

    /// Whether the table says nothing of what happens to a request: what is recorded of the backends is no answer to who calls the service,
    /// and what taps alone has no use for answers.
    pub fn ignores_table(&self) -> bool {
        self.tap_only || self.direction == DirectionName::Inbound
    }

    /// What is to be copied must have somewhere to go.
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

impl Collector {
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
            redaction: Redaction::default(),
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
    // Envoy answers 413 where more than per_connection_buffer_limit_bytes (1 MiB by default) is held back: stay well below.
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
    fn nothing_is_a_configuration() {
        assert_eq!(Config::from_json(b"").unwrap(), Config::default());
        assert_eq!(Config::from_json(b" {} ").unwrap(), Config::default());
    }

    #[test]
    fn a_bad_configuration_names_the_key() {
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
        check(r#"{"tap_only":true,"mocks":["*"]}"#, "`mocks`: must be empty where `tap_only`");
        check(r#"{"tap_only":true,"default":"mock"}"#, "`default`: can't be `mock` where `tap_only` is true");
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
        check(r#"{"latency":"slow"}"#, "\"slow\" is no latency");
        check(r#"{"latency":1}"#, "expected a string");
        check(r#"{"redaction":[]}"#, "invalid type: sequence");
        check(r#"{"redaction":{"keys":"x"}}"#, "unknown field `keys`");
        check(r#"{"redaction":{"key":5}}"#, "expected a string");
        check(r#"{"redaction":{"fields":["-"]}}"#, "`redaction.fields`: a name has letters");
        check(
            r#"{"redaction":{"headers":["X-Amz-Target"]}}"#,
            "`redaction.headers`: this header is compared",
        );
    }
}
