//! Validates a resource's specification. The definition's schema refuses some mistakes earlier, but
//! not every cluster checks its rules.

use crate::resource::{Cleanup, Mode, TargetRef, TrafficReplaySpec, WorkloadSpec};
use crate::time;
use serde_json::Value;
use std::time::Duration;
use understudy_istio::Module;

/// Kinds of workloads that a resource can name.
pub(crate) const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];
/// Time limit of a replay without `timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

/// A valid specification.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValidSpec {
    pub(crate) mode: Mode,
    /// Image of the snapshot: `oci://…`.
    pub(crate) image: String,
    pub(crate) build_tag: Option<String>,
    pub(crate) cleanup: Cleanup,
    pub(crate) timeout: Duration,
    pub(crate) ttl: Option<Duration>,
    pub(crate) secrets: Vec<String>,
    pub(crate) workloads: Vec<WorkloadMocks>,
    /// Destination of the requests, if any are sent.
    pub(crate) destination: Option<Destination>,
    /// Settings that have no effect, each with the reason.
    pub(crate) ignored: Vec<String>,
}

/// A workload and its mocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkloadMocks {
    pub(crate) target: WorkloadRef,
    pub(crate) mocks: MockedBackends,
}

/// Reference to a workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkloadRef {
    pub(crate) namespace: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// The mocked backends of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MockedBackends {
    /// No backend.
    None,
    /// All backends of the snapshot.
    All,
    /// The backends that these texts name.
    Named(Vec<String>),
}

/// Destination of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To this URL.
    Url(String),
    /// To the Service of the workload with this index.
    ServiceOf(usize),
}

impl std::fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl ValidSpec {
    /// Validates the specification of a resource in this namespace. `registry` is for snapshots
    /// without a registry in their name.
    ///
    /// # Errors
    /// The mistake, and what to do about it.
    pub(crate) fn read(spec: &Value, namespace: &str, registry: Option<&str>) -> Result<Self, String> {
        let spec: TrafficReplaySpec =
            serde_json::from_value(spec.clone()).map_err(|error| format!("spec: {error}"))?;
        let mode = spec.mode.unwrap_or_default();
        let workloads: Vec<_> =
            spec.workloads.iter().map(|one| workload(one, namespace)).collect::<Result<_, _>>()?;
        for (index, one) in workloads.iter().enumerate() {
            if workloads[..index].iter().any(|other| other.target == one.target) {
                return Err(format!(
                    "workloads: {} is listed twice: write its mocks into one entry",
                    one.target
                ));
            }
        }
        if mode != Mode::GeneratorOnly && workloads.is_empty() {
            return Err("workloads: the list is empty: name the workload".to_owned());
        }
        let destination = if mode == Mode::ResponderOnly { None } else { Some(destination(&spec)?) };
        Ok(Self {
            mode,
            image: image(&spec.snapshot_id, registry)?,
            cleanup: spec.cleanup.unwrap_or_default(),
            timeout: limit("timeout", spec.timeout.as_deref())?.unwrap_or(DEFAULT_TIMEOUT),
            ttl: limit("ttlAfterReady", spec.ttl_after_ready.as_deref())?,
            secrets: spec.secret_refs.iter().map(|secret| secret.name.clone()).collect(),
            ignored: ignored(&spec),
            build_tag: spec.build_tag.filter(|tag| !tag.is_empty()),
            workloads,
            destination,
        })
    }

    /// Returns whether the resource is a replay, which ends by itself.
    pub(crate) fn ends(&self) -> bool {
        self.mode != Mode::ResponderOnly
    }

    /// Workloads whose backends are mocked.
    pub(crate) fn mocked(&self) -> impl Iterator<Item = &WorkloadMocks> {
        let wanted = self.mode != Mode::GeneratorOnly;
        self.workloads.iter().filter(move |one| wanted && one.mocks != MockedBackends::None)
    }
}

fn workload(one: &WorkloadSpec, namespace: &str) -> Result<WorkloadMocks, String> {
    let TargetRef { api_version, kind, name, namespace: theirs } = &one.target;
    let kind = kind.as_deref().unwrap_or(KINDS[0]);
    let supported =
        KINDS.contains(&kind) && api_version.as_deref().is_none_or(|version| version == "apps/v1");
    if !supported {
        let version = api_version.as_deref().unwrap_or("apps/v1");
        return Err(format!(
            "workloads: {version} {kind} isn't supported: use {} of apps/v1",
            KINDS.join(", ")
        ));
    }
    if name.is_empty() {
        return Err("workloads: a ref has no name".to_owned());
    }
    let namespace = theirs.as_deref().filter(|theirs| !theirs.is_empty()).unwrap_or(namespace);
    let target = WorkloadRef { namespace: namespace.to_owned(), kind: kind.to_owned(), name: name.clone() };
    let mut mocks: Vec<String> = one.mocks.iter().map(|mock| mock.trim().to_owned()).collect();
    mocks.sort();
    mocks.dedup();
    if mocks.iter().any(String::is_empty) {
        return Err(format!(
            "mocks of {target}: an entry is empty: write service:host:port, a part of it, or *"
        ));
    }
    let mocks = match mocks.as_slice() {
        [] => MockedBackends::None,
        all if all.iter().any(|one| one == "*") => MockedBackends::All,
        _ => MockedBackends::Named(mocks),
    };
    Ok(WorkloadMocks { target, mocks })
}

/// The image of a snapshot, with its registry.
fn image(id: &str, registry: Option<&str>) -> Result<String, String> {
    let image = match (id.split_once("://"), registry) {
        (Some(("oci", _)), _) => id.to_owned(),
        (Some(_), _) => {
            return Err(format!("snapshotID: {id:?} isn't in a registry: write oci://REGISTRY/NAME:TAG"));
        }
        (None, Some(registry)) => format!("{}/{id}", registry.trim_end_matches('/')),
        (None, None) => {
            return Err(format!(
                "snapshotID: {id:?} names no registry, and the controller has no --registry: write oci://REGISTRY/NAME:TAG"
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

/// Destination of the requests: the named URL or workload, or the only workload.
fn destination(spec: &TrafficReplaySpec) -> Result<Destination, String> {
    let url =
        |key: &str, url: &str| match url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) {
            Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => {
                Ok(Destination::Url(url.to_owned()))
            }
            _ => Err(format!("{key}: {url:?} is no URL: write http://HOST:PORT")),
        };
    if let Some(tests) = spec.workloads.iter().flat_map(|one| &one.tests).find(|tests| *tests != "*") {
        return Err(format!(
            "tests: {tests:?} can't be chosen: leave tests out, or write \"*\" for all recorded requests"
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
        ([(index, one)], _) => match &one.custom_uri {
            Some(uri) => url("customURI", uri),
            None => Ok(Destination::ServiceOf(*index)),
        },
        ([], 1) => Ok(Destination::ServiceOf(0)),
        ([], 0) => {
            Err("customURL: there is none, and no workload either: name where requests are sent".to_owned())
        }
        _ => Err(
            "workloads: requests are sent to one of several: give that one tests: [\"*\"], or set customURL"
                .to_owned(),
        ),
    }
}

fn limit(key: &str, text: Option<&str>) -> Result<Option<Duration>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    match time::parse_duration(text) {
        Some(limit) if limit <= Duration::from_secs(30 * 24 * 3600) => Ok(Some(limit)),
        _ => Err(format!("{key}: {text:?} is no duration up to 720h: write 30s, 10m or 1h30m")),
    }
}

fn ignored(spec: &TrafficReplaySpec) -> Vec<String> {
    let mut ignored = Vec::new();
    if let Some(other) = spec.test_config_id.as_deref().filter(|id| !["", "standard"].contains(id)) {
        ignored.push(format!(
            "testConfigID {other:?} is ignored: the comparison is set in the snapshot's replay.yaml"
        ));
    }
    if spec.workloads.iter().any(|one| one.routing.is_some()) {
        ignored.push("routing is ignored: traffic isn't routed elsewhere".to_owned());
    }
    ignored
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(spec: Value) -> Result<ValidSpec, String> {
        ValidSpec::read(&spec, "payments", Some("oci://registry.test/team"))
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
    fn snapshot_is_an_image_of_a_registry() {
        let check = |id: &str, registry: Option<&str>, expect: Result<&str, &str>| match (
            ValidSpec::read(&with(json!({ "snapshotID": id })), "n", registry),
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
    fn invalid_specification_says_why() {
        let check = |more: Value, expect: &str| {
            let error = read(with(more.clone())).unwrap_err();
            assert!(error.contains(expect), "{more}: {error}");
        };
        check(json!({ "mode": "respond" }), "unknown variant `respond`");
        check(json!({ "snapshotID": 5 }), "expected a string");
        check(json!({ "workloads": [] }), "workloads: the list is empty");
        check(
            json!({ "workloads": [{ "ref": { "name": "a", "kind": "Pod" } }] }),
            "apps/v1 Pod isn't supported",
        );
        check(
            json!({ "workloads": [{ "ref": { "name": "a", "apiVersion": "v1" } }] }),
            "v1 Deployment isn't supported",
        );
        check(json!({ "workloads": [{ "ref": { "name": "" } }] }), "has no name");
        check(json!({ "workloads": [{ "ref": { "name": "a" }, "mocks": [" "] }] }), "an entry is empty");
        let twice = json!([{ "ref": { "name": "a" } }, { "ref": { "name": "a", "namespace": "payments" } }]);
        check(json!({ "workloads": twice }), "Deployment payments/a is listed twice");
        check(json!({ "timeout": "soon" }), "timeout: \"soon\" is no duration");
        check(json!({ "ttlAfterReady": "9999h" }), "no duration up to 720h");
        check(json!({ "mode": "generator-only", "workloads": [] }), "name where requests are sent");
        check(json!({ "mode": "full-replay", "customURL": "payment:80" }), "is no URL");
        let two = json!([{ "ref": { "name": "a" } }, { "ref": { "name": "b" } }]);
        check(json!({ "mode": "full-replay", "workloads": two }), "requests are sent to one of several");
        let tests = json!([{ "ref": { "name": "a" }, "tests": ["GET /"] }]);
        check(json!({ "mode": "full-replay", "workloads": tests }), "can't be chosen");
        let error = read(json!("no")).unwrap_err();
        assert!(error.starts_with("spec: "), "{error}");
    }

    #[test]
    fn only_named_backends_are_mocked() {
        let mocks = |mocks: Value| {
            let replay =
                read(with(json!({ "workloads": [{ "ref": { "name": "a" }, "mocks": mocks }] }))).unwrap();
            (replay.workloads[0].mocks.clone(), replay.mocked().count())
        };
        assert_eq!(mocks(json!([])), (MockedBackends::None, 0));
        assert_eq!(mocks(json!(["*", "a"])), (MockedBackends::All, 1));
        assert_eq!(mocks(json!(["b", "a", "b"])), (MockedBackends::Named(vec!["a".into(), "b".into()]), 1));
        let only_sent = read(with(json!({ "mode": "generator-only" }))).unwrap();
        assert_eq!(only_sent.mocked().count(), 0);
    }

    #[test]
    fn requests_have_one_destination() {
        let destination = |more: Value| read(with(more)).unwrap().destination;
        assert_eq!(destination(json!({})), None);
        assert_eq!(destination(json!({ "mode": "full-replay" })), Some(Destination::ServiceOf(0)));
        let at = || Some(Destination::Url("http://a:80".to_owned()));
        assert_eq!(destination(json!({ "mode": "full-replay", "customURL": "http://a:80" })), at());
        let two = json!([{ "ref": { "name": "a" } }, { "ref": { "name": "b" }, "customURI": "http://a:80" }]);
        assert_eq!(destination(json!({ "mode": "generator-only", "workloads": two })), at());
        let tests = json!([{ "ref": { "name": "a" } }, { "ref": { "name": "b" }, "tests": ["*"] }]);
        assert_eq!(
            destination(json!({ "mode": "full-replay", "workloads": tests })),
            Some(Destination::ServiceOf(1))
        );
    }

    #[test]
    fn other_fields_of_the_contract_are_accepted() {
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
