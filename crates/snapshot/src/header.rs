//! `snapshot.yaml`: the snapshot's name, its settings and the mode of each backend. People read and
//! edit it.
//!
//! `docs/reference/snapshot-format.md` describes the format. YAML is read into types of the
//! format's own (`v1`). An unknown key is an error with its line, so that a typing error has no
//! silent effect. This module never touches a file.

use crate::error::SnapshotError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use understudy_core::config::{Mode, OnMiss};
use understudy_core::latency::Latency;
use understudy_core::redact::Settings;
use understudy_core::rules::Rule;
use understudy_core::sample::Sample;
use understudy_core::table::Sequence;
use understudy_core::{backend, time};

/// Version of the format.
pub const VERSION: u64 = 1;

/// Comment at the top of each new `snapshot.yaml`.
const COMMENT: &str = "\
# A recording of a service and its backends. The recorded exchanges are in exchanges.ndjson beside this file.
# You may edit both files. An unknown key is an error.
#
# on_miss    treatment of a request that matches no recorded one: fail (404, with the nearest recorded requests),
#            passthrough (send it to the real backend), capture (passthrough, and record it)
# latency    delay of answers: none (the default), recorded, or a factor such as 0.5x
# redaction  key with which secrets were replaced by tokens: needed for matching, and usable to check a guessed secret
# backends   settings of each backend, by scheme://host[:port]:
#   mode       mock (answer from this recording), tap (forward and record), off (forward)
#   on_miss    as above, for this backend only
#   latency    as above, for this backend only
#   sequence   order of several answers to one request: cycle (after the last, the first again; the default),
#              stick-last (repeat the last), fail (a miss after the last)
#   exchanges  number of recorded exchanges; for information only
# inbound    addresses at which the service was called, by http://host[:port]:
#   app        address on which the service itself listened: a replay sends its requests there
#   exchanges  number of recorded exchanges; for information only
# rules      parts of requests to leave out of the comparison or to add to it; `understudy tune` proposes rules
";

/// Content of `snapshot.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The snapshot's name.
    pub name: String,
    /// Name of the recorded service, if known.
    pub service: Option<String>,
    /// Time of the recording, in microseconds since 1970.
    pub recorded: u64,
    /// Treatment of a request to a mocked backend that matches no recorded request.
    pub on_miss: OnMiss,
    /// Latency of answers.
    pub latency: Latency,
    /// Share of the exchanges that was recorded.
    pub sample: Sample,
    /// Key and names with which secrets were replaced by tokens, if they were.
    pub redaction: Option<Settings>,
    /// The backends by name (`scheme://authority`).
    pub backends: BTreeMap<String, Backend>,
    /// Addresses at which the service was called, by the names in inbound exchanges
    /// (`scheme://authority`).
    pub inbound: BTreeMap<String, Inbound>,
    /// Rules: parts of requests that are left out of the comparison, or added to it.
    pub rules: Vec<Rule>,
}

/// One address at which the service was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbound {
    /// Address on which the service itself listened: `host:port`.
    pub app: String,
    /// Number of recorded exchanges; for information only.
    #[serde(default)]
    pub exchanges: u64,
}

/// Settings of one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Mode: mock, tap or off.
    pub mode: Mode,
    /// Number of recorded exchanges; for information only.
    #[serde(default)]
    pub exchanges: u64,
    /// Treatment of a miss, if it differs from the header's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_miss: Option<OnMiss>,
    /// Order in which several answers to one request are served. Default: [`Sequence::Cycle`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// Latency of answers, if it differs from the header's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

impl Default for Backend {
    fn default() -> Self {
        Self { mode: Mode::Mock, exchanges: 0, on_miss: None, sequence: None, latency: None }
    }
}

impl Header {
    /// Settings of a backend. A backend that isn't listed is mocked.
    pub fn backend(&self, name: &str) -> Backend {
        self.backends.get(name).copied().unwrap_or_default()
    }

    /// Number of recorded outbound exchanges according to the header.
    pub fn outbound(&self) -> u64 {
        self.backends.values().map(|backend| backend.exchanges).sum()
    }

    /// Number of recorded inbound exchanges according to the header.
    pub fn inbound(&self) -> u64 {
        self.inbound.values().map(|inbound| inbound.exchanges).sum()
    }

    /// Parses the text of a `snapshot.yaml`. `path` is used in errors.
    ///
    /// # Errors
    /// [`SnapshotError::Yaml`] or [`SnapshotError::Version`], with the line.
    pub fn from_yaml(text: &str, path: &Path) -> Result<Self, SnapshotError> {
        let refuse = |error: serde_saphyr::Error| {
            let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
            SnapshotError::Yaml { path: path.to_owned(), line, column, problem: reason(&error, text) }
        };
        let version = serde_saphyr::from_str::<v1::Version>(text).map_err(refuse)?.version;
        if version.value != VERSION {
            let line = version.referenced.line();
            return Err(SnapshotError::Version { path: path.to_owned(), line, version: version.value });
        }
        let read: v1::Header = serde_saphyr::from_str(text).map_err(refuse)?;
        Ok(Self {
            name: read.name,
            service: read.service,
            recorded: read.recorded.0,
            on_miss: read.on_miss,
            latency: read.latency,
            sample: read.sample,
            redaction: read.redaction,
            backends: read.backends.into_iter().map(|(name, backend)| (name.0, backend)).collect(),
            inbound: read.inbound.into_iter().map(|(name, inbound)| (name.0, inbound)).collect(),
            rules: read.rules,
        })
    }

    /// Returns the text of `snapshot.yaml`, with a comment that explains its keys.
    pub fn to_yaml(&self) -> String {
        let backends =
            self.backends.iter().map(|(name, backend)| (v1::Name(name.clone()), *backend)).collect();
        let out = v1::Header {
            version: VERSION,
            name: self.name.clone(),
            service: self.service.clone(),
            recorded: v1::Time(self.recorded),
            on_miss: self.on_miss,
            latency: self.latency,
            sample: self.sample,
            redaction: self.redaction.clone(),
            backends,
            inbound: self
                .inbound
                .iter()
                .map(|(name, inbound)| (v1::Name(name.clone()), inbound.clone()))
                .collect(),
            rules: self.rules.clone(),
        };
        // Strings, numbers and maps of them always have a YAML form.
        let yaml = serde_saphyr::to_string(&out).unwrap_or_default();
        format!("{COMMENT}{yaml}")
    }
}

/// The `rules` section of `snapshot.yaml`.
pub(crate) fn rules_to_yaml(rules: &[Rule]) -> String {
    #[derive(Serialize)]
    struct Section<'a> {
        rules: &'a [Rule],
    }
    serde_saphyr::to_string(&Section { rules }).unwrap_or_default()
}

/// First line of each rule in a `snapshot.yaml`, counted from 1. Empty if the text can't be parsed.
pub(crate) fn rule_lines(text: &str) -> Vec<u64> {
    #[derive(Deserialize)]
    struct Lines {
        #[serde(default)]
        rules: Vec<serde_saphyr::Spanned<Rule>>,
    }
    let lines = serde_saphyr::from_str::<Lines>(text).map(|lines| lines.rules).unwrap_or_default();
    lines.iter().map(|rule| rule.referenced.line()).collect()
}

/// Position of the mode of each backend in a `snapshot.yaml`: line and column, counted from 1.
/// Empty if the text can't be parsed.
pub(crate) fn mode_places(text: &str) -> BTreeMap<String, (usize, usize)> {
    #[derive(Deserialize)]
    struct Places {
        #[serde(default)]
        backends: BTreeMap<String, Place>,
    }
    #[derive(Deserialize)]
    struct Place {
        mode: serde_saphyr::Spanned<String>,
    }
    let backends = serde_saphyr::from_str::<Places>(text).map(|places| places.backends).unwrap_or_default();
    let number = |number: u64| usize::try_from(number).unwrap_or(0);
    let place = |at: serde_saphyr::Location| (number(at.line()), number(at.column()));
    backends.into_iter().map(|(name, backend)| (name, place(backend.mode.referenced))).collect()
}

/// Checks that a backend's name is in its normal form.
///
/// # Errors
/// A description of the fault, for a person.
pub fn check_name(name: &str) -> Result<(), String> {
    if backend::parts(name).is_none() {
        return Err(format!("{name:?} is no backend: write scheme://host[:port]"));
    }
    let normal = name
        .split_once("://")
        .map(|(scheme, authority)| backend::name(scheme, authority))
        .unwrap_or_default();
    if normal == name { Ok(()) } else { Err(format!("the backend {name:?} must be written as {normal:?}")) }
}

/// The reason of an error on one line, with the faulty line of the file. The error's own text
/// repeats the position and shows a snippet of several lines.
fn reason(error: &serde_saphyr::Error, file: &str) -> String {
    let reason = error.without_snippet().to_string();
    let Some(at) = error.location() else { return reason };
    let reason = reason.replace(&format!(" at line {}, column {}", at.line(), at.column()), "");
    // Remove a hint to programmers: the reader edits the file.
    let reason = reason.replace(", set DuplicateKeyPolicy in Options if acceptable", "");
    let line = usize::try_from(at.line()).ok().and_then(|line| file.lines().nth(line.checked_sub(1)?));
    match line.map(str::trim) {
        Some(line) if !reason.contains(['"', '`']) => format!("{reason}, in {line:?}"),
        _ => reason,
    }
}

/// Types of the file format.
mod v1 {
    use super::{
        BTreeMap, Backend, Deserialize, Inbound, Latency, OnMiss, Rule, Sample, Serialize, Settings,
        check_name, time,
    };

    /// The version alone, which is parsed first so that an unknown version has an error of its own.
    #[derive(Deserialize)]
    pub(super) struct Version {
        pub(super) version: serde_saphyr::Spanned<u64>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Header {
        pub(super) version: u64,
        pub(super) name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) service: Option<String>,
        pub(super) recorded: Time,
        #[serde(default)]
        pub(super) on_miss: OnMiss,
        #[serde(default, skip_serializing_if = "Latency::is_none")]
        pub(super) latency: Latency,
        #[serde(default, skip_serializing_if = "Sample::is_whole")]
        pub(super) sample: Sample,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) redaction: Option<Settings>,
        pub(super) backends: BTreeMap<Name, Backend>,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub(super) inbound: BTreeMap<Name, Inbound>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(super) rules: Vec<Rule>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    #[derive(Clone)]
    pub(super) struct Time(pub(super) u64);

    impl TryFrom<String> for Time {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            let read = time::from_rfc3339(&text).map(Self);
            read.ok_or_else(|| format!("{text:?} isn't a UTC time such as 2026-11-21T08:00:00Z"))
        }
    }

    impl From<Time> for String {
        fn from(time: Time) -> Self {
            time::to_rfc3339(time.0)
        }
    }

    #[derive(Serialize, Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord)]
    #[serde(try_from = "String", into = "String")]
    pub(super) struct Name(pub(super) String);

    impl TryFrom<String> for Name {
        type Error = String;

        fn try_from(name: String) -> Result<Self, String> {
            check_name(&name).map(|()| Self(name))
        }
    }

    impl From<Name> for String {
        fn from(name: Name) -> Self {
            name.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::rules::{PathPattern, Place};

    fn example() -> Header {
        let backend = Backend { exchanges: 73, ..Backend::default() };
        let edited = Backend {
            mode: Mode::Tap,
            exchanges: 1,
            on_miss: Some(OnMiss::Capture),
            sequence: Some(Sequence::StickLast),
            latency: Some("0.5x".parse().unwrap()),
        };
        Header {
            name: "payment: the \"first\" # one".into(),
            service: Some("yes".into()),
            recorded: 1_795_248_000_123_456,
            on_miss: OnMiss::Fail,
            latency: Latency::RECORDED,
            sample: Sample::WHOLE,
            redaction: Some(Settings {
                key: "0123".into(),
                fields: vec!["pin".into()],
                ..Settings::default()
            }),
            backends: [("http://api.stripe.com".into(), backend), ("https://[::1]:8443".into(), edited)]
                .into(),
            inbound: [(
                "http://127.0.0.1:8080".into(),
                Inbound { app: "127.0.0.1:9000".into(), exchanges: 192 },
            )]
            .into(),
            rules: vec![Rule {
                backend: Some("http://api.stripe.com".into()),
                path: Some(PathPattern::try_from("/v1/orders/*".to_owned()).unwrap()),
                mask: vec![Place::parse("body/request~1id").unwrap(), Place::parse("path.3").unwrap()],
                why: Some("differs in 3 of 3".into()),
                ..Rule::default()
            }],
        }
    }

    fn read(text: &str) -> Result<Header, SnapshotError> {
        Header::from_yaml(text, Path::new("s/snapshot.yaml"))
    }

    #[test]
    fn written_header_reads_back_and_is_commented() {
        let text = example().to_yaml();
        assert_eq!(read(&text).unwrap(), example());
        let expect = r#"version: 1
name: "payment: the \"first\" # one"
service: "yes"
recorded: "2026-11-21T08:00:00.123456Z"
on_miss: fail
latency: recorded
redaction:
  key: "0123"
  fields:
  - pin
backends:
  "http://api.stripe.com":
    mode: mock
    exchanges: 73
  "https://[::1]:8443":
    mode: tap
    exchanges: 1
    on_miss: capture
    sequence: stick-last
    latency: 0.5x
inbound:
  "http://127.0.0.1:8080":
    app: 127.0.0.1:9000
    exchanges: 192
rules:
- backend: http://api.stripe.com
  path: /v1/orders/*
  mask:
  - body/request~1id
  - path.3
  why: differs in 3 of 3
"#;
        assert_eq!(text.strip_prefix(COMMENT).unwrap(), expect);
        let sampled = Header { sample: Sample::try_from(0.01).unwrap(), ..example() };
        assert!(sampled.to_yaml().contains("\nsample: 0.01\n"));
        assert_eq!(read(&sampled.to_yaml()).unwrap(), sampled);
    }

    #[test]
    fn a_bad_header_names_the_place_and_the_reason() {
        let check = |from: &str, to: &str, place: &str, reason: &str| {
            let text = example().to_yaml().replacen(COMMENT, "", 1).replacen(from, to, 1);
            let error = read(&text).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("s/snapshot.yaml:{place}: ")) && text.contains(reason),
                "{to}: {text}"
            );
            assert!(!text.contains('\n'), "one line: {text}");
        };
        check("version: 1", "version: 2", "1", "version 2 is unknown here");
        check("version: 1", "version: one", "1:10", "invalid u64, in \"version: one\"");
        check("version: 1\n", "", "24:1", "missing field `version`");
        check("recorded: ", "recorded: x", "4:11", "isn't a UTC time");
        check("mode: mock", "moed: mock", "13:5", "unknown field `moed`");
        check("mode: mock", "mode: mick", "13:11", "unknown variant `mick`");
        check("on_miss: fail", "on_miss: fail\nrule: x", "6:1", "unknown field `rule`");
        check("http://api.stripe.com", "http://API.stripe.com", "12:3", "must be written as");
        check("http://api.stripe.com", "stripe", "12:3", "write scheme://host[:port]");
        check("https://[::1]:8443", "http://api.stripe.com", "15:3", "duplicate mapping key");
        check("mask:", "musk:", "28:3", "unknown field `musk`");
        check("latency: recorded", "latency: slow", "6:10", "is not a latency");
        check("path.3", "path.0", "30:5", "segments are counted from 1");
        check("body/request~1id", "body/a~9", "29:5", "is no place: write path.N");
        check("/v1/orders/*", "/v1/or*", "27:9", "must be a whole segment");
        check("app: 127", "apps: 127", "23:5", "unknown field `apps`");
        check("http://127.0.0.1:8080", "127.0.0.1:8080", "22:3", "write scheme://host[:port]");
        check("  key:", "  kee:", "8:3", "unknown field `kee`");
        check("backends:", "backends: [", "13:9", "did not find expected ',' or '}'");
    }
}
