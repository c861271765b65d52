//! A specification that makes sense, or why it doesn't. Some of it the definition's schema has refused before; not every cluster has that.

use crate::resource::{Cleanup, Mode, TargetRef, TrafficReplaySpec, WorkloadSpec};
use crate::time;
use serde_json::Value;
use std::time::Duration;
use understudy_istio::Module;

/// The kinds of workloads that can be meant.
pub(crate) const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];
/// How long a replay may take where nobody says it.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// A specification that makes sense.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Replay {
    pub(crate) mode: Mode,
    /// `oci://…`.
    pub(crate) image: String,
    pub(crate) build_tag: Option<String>,
    pub(crate) cleanup: Cleanup,
    pub(crate) timeout: Duration,
    pub(crate) ttl: Option<Duration>,
    pub(crate) secrets: Vec<String>,
    pub(crate) workloads: Vec<Workload>,
    /// To whom requests are sent.
    pub(crate) driven: Option<Driven>,
    /// What was asked and isn't done, each with what to do.
    pub(crate) ignored: Vec<String>,
}

/// A workload, and which of its backends are mocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) target: Target,
    pub(crate) mocks: Mocks,
}

/// Which workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Target {
    pub(crate) namespace: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// Which backends are mocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mocks {
    /// None.
    Nothing,
    /// All.
    All,
    /// Those that these name.
    Some(Vec<String>),
}

/// To whom requests are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Driven {
    /// This address.
    At(String),
    /// The Service of the workload with this number.
    ServiceOf(usize),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl Replay {
    /// Reads what a resource in this namespace says. `registry` is where a snapshot is that has only a name.
    ///
    /// The error says what is wrong and what to do.
    pub(crate) fn read(spec: &Value, namespace: &str, registry: Option<&str>) -> Result<Self, String> {
        let spec: TrafficReplaySpec =
            serde_json::from_value(spec.clone()).map_err(|error| format!("spec: {error}"))?;
        let mode = spec.mode.unwrap_or_default();
        let workloads: Vec<_> =
            spec.workloads.iter().map(|one| workload(one, namespace)).collect::<Result<_, _>>()?;
        for (number, one) in workloads.iter().enumerate() {
            if workloads[..number].iter().any(|other| other.target == one.target) {
                return Err(format!(
                    "workloads: {} is there twice: write its mocks into one entry",
                    one.target
                ));
            }
        }
        if mode != Mode::GeneratorOnly && workloads.is_empty() {
            return Err("workloads: there is none: say whom it is for".to_owned());
        }
        let driven = if mode == Mode::ResponderOnly { None } else { Some(driven(&spec)?) };
        Ok(Self {
            mode,
            image: image(&spec.snapshot_id, registry)?,
            cleanup: spec.cleanup.unwrap_or_default(),
            timeout: limit("timeout", spec.timeout.as_deref())?.unwrap_or(TIMEOUT),
            ttl: limit("ttlAfterReady", spec.ttl_after_ready.as_deref())?,
            secrets: spec.secret_refs.iter().map(|secret| secret.name.clone()).collect(),
            ignored: ignored(&spec),
            build_tag: spec.build_tag.filter(|tag| !tag.is_empty()),
            workloads,
            driven,
        })
    }

    /// Whether it ends by itself.
    pub(crate) fn ends(&self) -> bool {
        self.mode != Mode::ResponderOnly
    }

    /// Whose backends are mocked.
    pub(crate) fn mocked(&self) -> impl Iterator<Item = &Workload> {
        let wanted = self.mode != Mode::GeneratorOnly;
        self.workloads.iter().filter(move |one| wanted && one.mocks != Mocks::Nothing)
    }
}

fn workload(one: &WorkloadSpec, namespace: &str) -> Result<Workload, String> {
    let TargetRef { api_version, kind, name, namespace: theirs } = &one.target;
    let kind = kind.as_deref().unwrap_or(KINDS[0]);
    let known = KINDS.contains(&kind) && api_version.as_deref().is_none_or(|version| version == "apps/v1");
    if !known {
        let version = api_version.as_deref().unwrap_or("apps/v1");
        return Err(format!("workloads: {version} {kind} isn't known: {} of apps/v1 are", KINDS.join(", ")));
    }
    if name.is_empty() {
        return Err("workloads: a ref has no name".to_owned());
    }
    let namespace = theirs.as_deref().filter(|theirs| !theirs.is_empty()).unwrap_or(namespace);
    let target = Target { namespace: namespace.to_owned(), kind: kind.to_owned(), name: name.clone() };
    let mut mocks: Vec<String> = one.mocks.iter().map(|mock| mock.trim().to_owned()).collect();
    mocks.sort();
    mocks.dedup();
    if mocks.iter().any(String::is_empty) {
        return Err(format!(
            "mocks of {target}: an entry is empty: write service:host:port, a part of it, or *"
        ));
    }
    let mocks = match mocks.as_slice() {
        [] => Mocks::Nothing,
        all if all.iter().any(|one| one == "*") => Mocks::All,
        _ => Mocks::Some(mocks),
    };
    Ok(Workload { target, mocks })
}

/// The image of a snapshot.
fn image(id: &str, registry: Option<&str>) -> Result<String, String> {
    let image = match (id.split_once("://"), registry) {
        (Some(("oci", _)), _) => id.to_owned(),
        (Some(_), _) => {
            return Err(format!("snapshotID: {id:?} isn't in a registry: write oci://REGISTRY/NAME:TAG"));
        }
        (None, Some(registry)) => format!("{}/{id}", registry.trim_end_matches('/')),
        (None, None) => {
            return Err(format!(
                "snapshotID: {id:?} is a name alone, and the controller has no --registry: write oci://REGISTRY/NAME:TAG"
            ));
        }
    };
    let named = image.trim_start_matches("oci://").split('/').filter(|part| !part.is_empty()).count() > 1;
    Module::new(&image, None).ok().filter(|_| named && !id.is_empty()).ok_or_else(|| {
        format!(
            "snapshotID: {image:?} is no image: write oci://REGISTRY/NAME:TAG, as `understudy push` prints it"
        )
    })?;
    Ok(image)
}

/// To whom requests are sent: who is named, or the only workload.
fn driven(spec: &TrafficReplaySpec) -> Result<Driven, String> {
    let url =
        |key: &str, url: &str| match url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) {
            Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => {
                Ok(Driven::At(url.to_owned()))
            }
            _ => Err(format!("{key}: {url:?} is no address: write http://HOST:PORT")),
        };
    if let Some(tests) = spec.workloads.iter().flat_map(|one| &one.tests).find(|tests| *tests != "*") {
        return Err(format!(
            "tests: {tests:?} can't be chosen: leave tests out, or write \"*\", and all recorded requests are sent"
        ));
    }
    if let Some(custom) = &spec.custom_url {
        return url("customURL", custom);
    }
    let named: Vec<_> = (0..)
        .zip(&spec.workloads)
        .filter(|(_, one)| one.custom_uri.is_some() || !one.tests.is_empty())
        .collect();
    match (named.as_slice(), spec.workloads.len()) {
        ([(number, one)], _) => match &one.custom_uri {
            Some(uri) => url("customURI", uri),
            None => Ok(Driven::ServiceOf(*number)),
        },
        ([], 1) => Ok(Driven::ServiceOf(0)),
        ([], 0) => Err("customURL: there is none, and no workload: say to whom requests are sent".to_owned()),
        _ => {
            Err("workloads: to one of them requests are sent: give that one tests: [\"*\"], or say customURL"
                .to_owned())
        }
    }
}

fn limit(key: &str, text: Option<&str>) -> Result<Option<Duration>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    match time::parse_duration(text) {
        Some(limit) if limit <= Duration::from_secs(30 * 24 * 3600) => Ok(Some(limit)),
        _ => Err(format!("{key}: {text:?} is no time up to 720h: write 30s, 10m or 1h30m")),
    }
}

fn ignored(spec: &TrafficReplaySpec) -> Vec<String> {
    let mut ignored = Vec::new();
    if let Some(other) = spec.test_config_id.as_deref().filter(|id| !["", "standard"].contains(id)) {
        ignored.push(format!(
            "testConfigID {other:?} isn't looked at: what is compared is in the snapshot's replay.yaml"
        ));
    }
    if spec.workloads.iter().any(|one| one.routing.is_some()) {
        ignored.push("routing isn't looked at: traffic stays on its way".to_owned());
    }
    ignored
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(spec: Value) -> Result<Replay, String> {
        Replay::read(&spec, "payments", Some("oci://registry.test/team"))
    }

    fn with(more: Value) -> Value {
        let mut spec = json!({ "snapshotID": "payment:1", "mode": "responder-only",
            "workloads": [{ "ref": { "name": "payment" }, "mocks": ["*"] }] });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    }

    #[test]
    fn a_snapshot_is_an_image() {
        let check = |id: &str, registry: Option<&str>, expect: Result<&str, &str>| match (
            Replay::read(&with(json!({ "snapshotID": id })), "n", registry),
            expect,
        ) {
            (Ok(replay), Ok(expect)) => assert_eq!(replay.image, expect),
            (Err(error), Err(expect)) => assert!(error.contains(expect), "{error}"),
            (other, _) => panic!("{id}: {other:?}"),
        };
        let team = Some("oci://registry.test/team/");
        check("payment:1", team, Ok("oci://registry.test/team/payment:1"));
        check("oci://other.test/a/b:1", team, Ok("oci://other.test/a/b:1"));
        check("payment:1", None, Err("no --registry"));
        check("https://registry.test/a", team, Err("isn't in a registry"));
        check("oci://", team, Err("is no image"));
        check("oci://registry.test", team, Err("is no image"));
        check("a b", team, Err("is no image"));
        check("", team, Err("is no image"));
    }

    #[test]
    fn what_makes_no_sense_says_so() {
        let check = |more: Value, expect: &str| {
            let error = read(with(more.clone())).unwrap_err();
            assert!(error.contains(expect), "{more}: {error}");
        };
        check(json!({ "mode": "respond" }), "unknown variant `respond`");
        check(json!({ "snapshotID": 5 }), "expected a string");
        check(json!({ "workloads": [] }), "workloads: there is none");
        check(json!({ "workloads": [{ "ref": { "name": "a", "kind": "Pod" } }] }), "apps/v1 Pod isn't known");
        check(
            json!({ "workloads": [{ "ref": { "name": "a", "apiVersion": "v1" } }] }),
            "v1 Deployment isn't known",
        );
        check(json!({ "workloads": [{ "ref": { "name": "" } }] }), "has no name");
        check(json!({ "workloads": [{ "ref": { "name": "a" }, "mocks": [" "] }] }), "an entry is empty");
        let twice = json!([{ "ref": { "name": "a" } }, { "ref": { "name": "a", "namespace": "payments" } }]);
        check(json!({ "workloads": twice }), "Deployment payments/a is there twice");
        check(json!({ "timeout": "soon" }), "timeout: \"soon\" is no time");
        check(json!({ "ttlAfterReady": "9999h" }), "no time up to 720h");
        check(json!({ "mode": "generator-only", "workloads": [] }), "say to whom requests are sent");
        check(json!({ "mode": "full-replay", "customURL": "payment:80" }), "is no address");
        let two = json!([{ "ref": { "name": "a" } }, { "ref": { "name": "b" } }]);
        check(json!({ "mode": "full-replay", "workloads": two }), "to one of them requests are sent");
        let tests = json!([{ "ref": { "name": "a" }, "tests": ["GET /"] }]);
        check(json!({ "mode": "full-replay", "workloads": tests }), "can't be chosen");
        let error = read(json!("no")).unwrap_err();
        assert!(error.starts_with("spec: "), "{error}");
    }

    #[test]
    fn nothing_is_mocked_that_nobody_named() {
        let mocks = |mocks: Value| {
            let replay =
                read(with(json!({ "workloads": [{ "ref": { "name": "a" }, "mocks": mocks }] }))).unwrap();
            (replay.workloads[0].mocks.clone(), replay.mocked().count())
        };
        assert_eq!(mocks(json!([])), (Mocks::Nothing, 0));
        assert_eq!(mocks(json!(["*", "a"])), (Mocks::All, 1));
        assert_eq!(mocks(json!(["b", "a", "b"])), (Mocks::Some(vec!["a".into(), "b".into()]), 1));
        let only_sent = read(with(json!({ "mode": "generator-only" }))).unwrap();
        assert_eq!(only_sent.mocked().count(), 0);
    }

    #[test]
    fn requests_go_to_one() {
        let driven = |more: Value| read(with(more)).unwrap().driven;
        assert_eq!(driven(json!({})), None);
        assert_eq!(driven(json!({ "mode": "full-replay" })), Some(Driven::ServiceOf(0)));
        let at = || Some(Driven::At("http://a:80".to_owned()));
        assert_eq!(driven(json!({ "mode": "full-replay", "customURL": "http://a:80" })), at());
        let two = json!([{ "ref": { "name": "a" } }, { "ref": { "name": "b" }, "customURI": "http://a:80" }]);
        assert_eq!(driven(json!({ "mode": "generator-only", "workloads": two })), at());
        let tests = json!([{ "ref": { "name": "a" } }, { "ref": { "name": "b" }, "tests": ["*"] }]);
        assert_eq!(driven(json!({ "mode": "full-replay", "workloads": tests })), Some(Driven::ServiceOf(1)));
    }

    #[test]
    fn the_contracts_other_fields_are_taken() {
        let replay = read(with(
            json!({ "testConfigID": "regression", "buildTag": "v1", "needsReport": true, "cleanup": "all",
            "timeout": "10m", "ttlAfterReady": "1h30m", "secretRefs": [{ "name": "tokens" }] }),
        ))
        .unwrap();
        assert_eq!((replay.cleanup, replay.timeout.as_secs()), (Cleanup::All, 600));
        assert_eq!((replay.ttl.unwrap().as_secs(), replay.secrets), (5400, vec!["tokens".to_owned()]));
        assert!(replay.ignored[0].contains("regression"), "{:?}", replay.ignored);
    }
}
