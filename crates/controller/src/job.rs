//! The job that sends a replay's requests: `understudy replay` in a pod of its own, which leaves a short result in its termination message.

use crate::filters::Id;
use crate::spec::Replay;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where a container leaves its last words (the default of `terminationMessagePath`).
pub(crate) const LAST_WORDS: &str = "/dev/termination-log";
/// What a job may take beyond the replay itself: to be scheduled, to fetch its image and the snapshot.
const MARGIN_S: u64 = 300;
/// Where the credentials for the registry are in the container.
const CREDENTIALS: &str = "/docker";

/// What all jobs of a controller have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobSettings {
    /// The image with the `understudy` command; without one there are no replays.
    pub image: Option<String>,
    /// The secret (`kubernetes.io/dockerconfigjson`) in the replay's namespace with the credentials for the registry.
    pub registry_secret: Option<String>,
    /// Whether the registry speaks HTTP without TLS.
    pub plain_http: bool,
    /// Whether the job's pod gets a sidecar of the mesh, which it needs where the mesh wants mutual TLS.
    pub sidecar: bool,
}

/// Result of a replay, as `understudy replay --summary` writes it into the pod's termination
/// message. The command may be older or newer than the controller: fields that it leaves out have
/// defaults, and fields that it adds are ignored. `crates/cli/src/cmd/replay/summary.rs` writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Summary {
    /// Whether all goals were reached.
    pub(crate) passed: bool,
    /// Number of requests that were answered as recorded.
    #[serde(default)]
    pub(crate) succeeded: u64,
    /// Number of requests in the plan.
    #[serde(default)]
    pub(crate) requests: u64,
    /// Goals that were missed, as text.
    #[serde(default)]
    pub(crate) missed: Vec<String>,
    /// Reason why the replay could not run, or ended early.
    #[serde(default)]
    pub(crate) problem: Option<String>,
}

/// How a job is getting on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    Running,
    /// It has ended: well or not, and what it left.
    Ended {
        completed: bool,
        why: String,
        summary: Option<Summary>,
    },
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} requests answered as recorded", self.succeeded, self.requests)?;
        if !self.missed.is_empty() {
            write!(f, "; missed: {}", self.missed.join(", "))?;
        }
        self.problem.as_ref().map_or(Ok(()), |problem| write!(f, "; {problem}"))
    }
}

/// What a job is called. A new generation of the resource is a new job.
pub(crate) fn name(id: &Id) -> String {
    id.name_for(&format!("job {}", id.generation))
}

/// The job that sends the requests to this address.
pub(crate) fn job(id: &Id, replay: &Replay, url: &str, image: &str, settings: &JobSettings) -> Value {
    let name = name(id);
    let mut job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": name, "namespace": id.namespace },
        "spec": {
            // A second try would send everything again.
            "backoffLimit": 0,
            "activeDeadlineSeconds": replay.timeout.as_secs() + MARGIN_S,
            "template": {
                "metadata": { "labels": {
                    "app.kubernetes.io/name": "understudy-replay",
                    "sidecar.istio.io/inject": settings.sidecar.to_string(),
                } },
                "spec": pod(replay, url, image, settings),
            },
        },
    });
    id.mark(&mut job);
    job
}

fn pod(replay: &Replay, url: &str, image: &str, settings: &JobSettings) -> Value {
    let mut args = vec![
        "replay".to_owned(),
        replay.image.clone(),
        "--mode=generator-only".to_owned(),
        format!("--target={url}"),
        format!("--timeout={}ms", replay.timeout.as_millis()),
        format!("--summary={LAST_WORDS}"),
    ];
    args.extend(replay.build_tag.as_ref().map(|tag| format!("--build-tag={tag}")));
    args.extend(settings.plain_http.then(|| "--plain-http".to_owned()));
    let secrets: Vec<_> =
        replay.secrets.iter().map(|name| json!({ "secretRef": { "name": name } })).collect();
    let mut mounts = vec![json!({ "name": "tmp", "mountPath": "/tmp" })];
    let mut volumes = vec![json!({ "name": "tmp", "emptyDir": {} })];
    let mut env = vec![];
    if let Some(secret) = &settings.registry_secret {
        let items = json!([{ "key": ".dockerconfigjson", "path": "config.json" }]);
        volumes.push(json!({ "name": "registry", "secret": { "secretName": secret, "items": items } }));
        mounts.push(json!({ "name": "registry", "mountPath": CREDENTIALS, "readOnly": true }));
        env.push(json!({ "name": "DOCKER_CONFIG", "value": CREDENTIALS }));
    }
    let mut pod = json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": "replay",
            "image": image,
            "args": args,
            "env": env,
            "envFrom": secrets,
            "terminationMessagePath": LAST_WORDS,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
            },
            "resources": { "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "1Gi" } },
            "volumeMounts": mounts,
        }],
        "volumes": volumes,
    });
    if let Some(secret) = &settings.registry_secret {
        pod["imagePullSecrets"] = json!([{ "name": secret }]);
    }
    pod
}

/// How the job is getting on, by itself and its pods.
pub(crate) fn progress(job: &Value, pods: &[Value]) -> Progress {
    let holds = |what: &str| {
        let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().find(|known| known["type"] == what && known["status"] == "True")
    };
    let (completed, why) = match (holds("Complete"), holds("Failed")) {
        (Some(_), _) => (true, String::new()),
        (None, Some(failed)) => {
            let text = |key: &str| failed[key].as_str().unwrap_or_default();
            (false, format!("{} {}", text("reason"), text("message")).trim().to_owned())
        }
        (None, None) => return Progress::Running,
    };
    let words: Vec<_> = pods.iter().filter_map(last_words).collect();
    let summary = words.iter().rev().find_map(|words| serde_json::from_str(words).ok());
    let said = words.last().map(|words| words.chars().take(400).collect::<String>());
    let why = if summary.is_none() {
        said.map_or(why.clone(), |said| format!("{why}: {}", said.trim()))
    } else {
        why
    };
    Progress::Ended { completed, why, summary }
}

fn last_words(pod: &Value) -> Option<String> {
    let containers = pod["status"]["containerStatuses"].as_array()?;
    let ours = containers.iter().find(|container| container["name"] == "replay")?;
    let words = ours["state"]["terminated"]["message"].as_str()?;
    (!words.trim().is_empty()).then(|| words.to_owned())
}

/// The address of the Service that is for pods with these labels: `http://NAME.NAMESPACE:PORT`.
///
/// The error says why there is none, and what to do.
pub(crate) fn service_url(
    services: &[Value],
    labels: &BTreeMap<String, String>,
    target: &crate::spec::Target,
) -> Result<String, String> {
    let is_for = |service: &&Value| {
        let selector = service["spec"]["selector"].as_object();
        selector.is_some_and(|selector| {
            !selector.is_empty()
                && selector.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
        })
    };
    let addresses: Vec<_> = services
        .iter()
        .filter(is_for)
        .flat_map(|service| {
            let name = service["metadata"]["name"].as_str().unwrap_or_default();
            let ports = service["spec"]["ports"].as_array().into_iter().flatten();
            let tcp = ports.filter(|port| port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP"));
            tcp.filter_map(move |port| {
                Some(format!("http://{name}.{}.svc:{}", target.namespace, port["port"].as_u64()?))
            })
        })
        .collect();
    match addresses.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            Err(format!("no Service is for the pods of {target}: make one, or say its address in customURI"))
        }
        several => Err(format!(
            "the pods of {target} are served at {}: say in customURI which one is meant",
            several.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::tests::id;
    use crate::spec::Target;

    fn replay(more: &Value) -> Replay {
        let mut spec = json!({ "snapshotID": "oci://registry.example/payment-mocks:1", "customURL": "http://payment:8080",
            "mode": "generator-only" });
        more.as_object().unwrap().iter().for_each(|(key, value)| spec[key] = value.clone());
        Replay::read(&spec, "payments", None).unwrap()
    }

    #[test]
    fn a_job_runs_the_command_and_may_do_little() {
        let replay =
            replay(&json!({ "timeout": "10m", "buildTag": "-x y", "secretRefs": [{ "name": "tokens" }] }));
        let settings = JobSettings {
            registry_secret: Some("pull".to_owned()),
            plain_http: true,
            ..JobSettings::default()
        };
        let job =
            job(&id("friday"), &replay, "http://payment:8080", "registry.example/understudy:1", &settings);
        let pod = &job["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(
            container["args"],
            json!([
                "replay",
                "oci://registry.example/payment-mocks:1",
                "--mode=generator-only",
                "--target=http://payment:8080",
                "--timeout=600000ms",
                "--summary=/dev/termination-log",
                "--build-tag=-x y",
                "--plain-http"
            ])
        );
        assert_eq!(job["spec"]["activeDeadlineSeconds"], 900);
        assert_eq!(
            (&pod["automountServiceAccountToken"], &job["spec"]["backoffLimit"]),
            (&json!(false), &json!(0))
        );
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["envFrom"], json!([{ "secretRef": { "name": "tokens" } }]));
        assert_eq!(container["env"], json!([{ "name": "DOCKER_CONFIG", "value": "/docker" }]));
        assert_eq!(job["metadata"]["ownerReferences"][0]["kind"], "TrafficReplay");
    }

    #[test]
    fn a_new_generation_is_a_new_job() {
        let first = id("friday");
        let second = Id { generation: 2, ..first.clone() };
        assert_ne!(name(&first), name(&second));
        assert_eq!(name(&first), name(&first.clone()));
    }

    #[test]
    fn a_job_tells_how_it_ended() {
        let ended = |what: &str| {
            json!({ "status": { "conditions": [
            { "type": what, "status": "True", "reason": "BackoffLimitExceeded", "message": "it has failed" }] } })
        };
        let pod = |words: &str| json!({ "status": { "containerStatuses": [{ "name": "replay", "state": { "terminated": { "message": words } } }] } });
        assert_eq!(progress(&json!({}), &[]), Progress::Running);
        let reported = Summary {
            passed: false,
            succeeded: 1,
            requests: 2,
            missed: vec!["success >= 100%: 50.0 %".into()],
            problem: Some("stopped: --timeout".into()),
        };
        let words = pod(include_str!("../tests/replay-summary.json"));
        let Progress::Ended { completed, summary, .. } = progress(&ended("Failed"), &[words]) else {
            panic!()
        };
        assert_eq!(
            summary.as_ref().map(ToString::to_string).as_deref(),
            Some("1 of 2 requests answered as recorded; missed: success >= 100%: 50.0 %; stopped: --timeout")
        );
        assert_eq!((completed, summary), (false, Some(reported)));
        let Progress::Ended { why, summary, .. } = progress(&ended("Failed"), &[pod("no such host")]) else {
            panic!()
        };
        assert_eq!((why.as_str(), summary), ("BackoffLimitExceeded it has failed: no such host", None));
        assert!(matches!(progress(&ended("Complete"), &[]), Progress::Ended { completed: true, .. }));
    }

    #[test]
    fn a_service_is_found_by_what_it_selects() {
        let target =
            Target { namespace: "payments".into(), kind: "Deployment".into(), name: "payment".into() };
        let labels: BTreeMap<_, _> =
            [("app".to_owned(), "payment".to_owned()), ("v".to_owned(), "1".to_owned())].into();
        let service = |name: &str, selector: Value, ports: Value| json!({ "metadata": { "name": name }, "spec": { "selector": selector, "ports": ports } });
        let ours = service(
            "payment",
            json!({ "app": "payment" }),
            json!([{ "port": 80 }, { "port": 53, "protocol": "UDP" }]),
        );
        let other = service("orders", json!({ "app": "orders" }), json!([{ "port": 80 }]));
        let of_nobody = json!({ "metadata": { "name": "external" }, "spec": { "ports": [{ "port": 80 }] } });
        let url = |services: &[&Value]| {
            service_url(&services.iter().map(|one| (*one).clone()).collect::<Vec<_>>(), &labels, &target)
        };
        assert_eq!(url(&[&other, &ours, &of_nobody]).unwrap(), "http://payment.payments.svc:80");
        assert!(
            url(&[&other, &of_nobody])
                .unwrap_err()
                .contains("no Service is for the pods of Deployment payments/payment")
        );
        let two = service("payment-b", json!({ "v": "1" }), json!([{ "port": 9000 }]));
        assert!(
            url(&[&ours, &two]).unwrap_err().contains("http://payment-b.payments.svc:9000: say in customURI")
        );
    }
}
