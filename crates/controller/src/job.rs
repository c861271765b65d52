//! The job that sends a replay's requests. Its pod runs `understudy replay`, and leaves a summary
//! of the result in its termination message.

use crate::filters::ReplayId;
use crate::spec::ValidSpec;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Path of the termination message in the container (the default of `terminationMessagePath`).
pub(crate) const TERMINATION_MESSAGE: &str = "/dev/termination-log";
/// Seconds that a job may take besides the replay itself: scheduling, fetching the image and the
/// snapshot.
const MARGIN_S: u64 = 300;
/// Folder of the registry's credentials in the container.
const CREDENTIALS: &str = "/docker";
/// Characters that are kept of a termination message that is no summary.
const MESSAGE_MAX: usize = 400;

/// Settings of all jobs of a controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobSettings {
    /// Image with the `understudy` command; without one, no replay runs.
    pub image: Option<String>,
    /// Secret (`kubernetes.io/dockerconfigjson`) with the registry's credentials, in the namespace
    /// of the replay.
    pub registry_secret: Option<String>,
    /// True if jobs use HTTP without TLS to the registry.
    pub plain_http: bool,
    /// True if the job's pod gets a sidecar, which a mesh with strict mutual TLS requires.
    pub sidecar: bool,
}

/// Result of a replay, as `understudy replay --summary` writes it into the pod's termination
/// message. The command may be older or newer than the controller: fields that it leaves out have
/// defaults, and fields that it adds are ignored. `crates/cli/src/cmd/replay/summary.rs` writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct ReplaySummary {
    /// True if all goals were reached.
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

/// Progress of a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JobProgress {
    Running,
    /// The job has ended. `reason`: Kubernetes' reason for a failure, with the end of the pod's log
    /// if there is no summary.
    Ended {
        completed: bool,
        reason: String,
        summary: Option<ReplaySummary>,
    },
}

impl std::fmt::Display for ReplaySummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} requests answered as recorded", self.succeeded, self.requests)?;
        if !self.missed.is_empty() {
            write!(f, "; missed: {}", self.missed.join(", "))?;
        }
        self.problem.as_ref().map_or(Ok(()), |problem| write!(f, "; {problem}"))
    }
}

/// Name of the job. Each generation of the resource has a job of its own.
pub(crate) fn name(id: &ReplayId) -> String {
    id.name_for(&format!("job {}", id.generation))
}

/// The job that sends a replay's requests to a URL.
pub(crate) fn job(
    id: &ReplayId,
    replay: &ValidSpec,
    url: &str,
    image: &str,
    settings: &JobSettings,
) -> Value {
    let name = name(id);
    let mut job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": name, "namespace": id.namespace },
        "spec": {
            // A second attempt would send all requests again.
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

fn pod(replay: &ValidSpec, url: &str, image: &str, settings: &JobSettings) -> Value {
    let mut args = vec![
        "replay".to_owned(),
        replay.image.clone(),
        "--mode=generator-only".to_owned(),
        format!("--target={url}"),
        format!("--timeout={}ms", replay.timeout.as_millis()),
        format!("--summary={TERMINATION_MESSAGE}"),
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
            "terminationMessagePath": TERMINATION_MESSAGE,
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

/// Progress of a job, by its own status and that of its pods.
pub(crate) fn progress(job: &Value, pods: &[Value]) -> JobProgress {
    let holds = |condition: &str| {
        let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().find(|known| known["type"] == condition && known["status"] == "True")
    };
    let (completed, reason) = match (holds("Complete"), holds("Failed")) {
        (Some(_), _) => (true, String::new()),
        (None, Some(failed)) => {
            let text = |key: &str| failed[key].as_str().unwrap_or_default();
            (false, format!("{} {}", text("reason"), text("message")).trim().to_owned())
        }
        (None, None) => return JobProgress::Running,
    };
    let messages: Vec<_> = pods.iter().filter_map(termination_message).collect();
    let summary = messages.iter().rev().find_map(|message| serde_json::from_str(message).ok());
    let reason = match (&summary, messages.last()) {
        (None, Some(message)) => {
            let start: String = message.chars().take(MESSAGE_MAX).collect();
            format!("{reason}: {}", start.trim())
        }
        _ => reason,
    };
    JobProgress::Ended { completed, reason, summary }
}

fn termination_message(pod: &Value) -> Option<String> {
    let containers = pod["status"]["containerStatuses"].as_array()?;
    let ours = containers.iter().find(|container| container["name"] == "replay")?;
    let message = ours["state"]["terminated"]["message"].as_str()?;
    (!message.trim().is_empty()).then(|| message.to_owned())
}

/// URL of the only Service port that leads to pods with these labels:
/// `http://NAME.NAMESPACE.svc:PORT`.
///
/// # Errors
/// The reason why no URL is found, and what to do.
pub(crate) fn service_url(
    services: &[Value],
    labels: &BTreeMap<String, String>,
    target: &crate::spec::WorkloadRef,
) -> Result<String, String> {
    let selects = |service: &&Value| {
        let selector = service["spec"]["selector"].as_object();
        selector.is_some_and(|selector| {
            !selector.is_empty()
                && selector.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
        })
    };
    let addresses: Vec<_> = services
        .iter()
        .filter(selects)
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
        [] => Err(format!("no Service selects the pods of {target}: create one, or set customURI")),
        several => Err(format!(
            "several Service ports lead to the pods of {target} ({}): set customURI to one of them",
            several.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::tests::id;
    use crate::spec::WorkloadRef;

    fn replay(more: &Value) -> ValidSpec {
        let mut spec = json!({ "snapshotID": "oci://registry.example/payment-mocks:1", "customURL": "http://payment:8080",
            "mode": "generator-only" });
        more.as_object().unwrap().iter().for_each(|(key, value)| spec[key] = value.clone());
        ValidSpec::read(&spec, "payments", None).unwrap()
    }

    #[test]
    fn job_runs_the_command_with_few_rights() {
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
    fn each_generation_has_a_job_of_its_own() {
        let first = id("friday");
        let second = ReplayId { generation: 2, ..first.clone() };
        assert_ne!(name(&first), name(&second));
        assert_eq!(name(&first), name(&first.clone()));
    }

    #[test]
    fn ended_job_has_a_reason_and_a_summary() {
        let ended = |condition: &str| {
            json!({ "status": { "conditions": [
            { "type": condition, "status": "True", "reason": "BackoffLimitExceeded", "message": "it has failed" }] } })
        };
        let pod = |message: &str| json!({ "status": { "containerStatuses": [{ "name": "replay", "state": { "terminated": { "message": message } } }] } });
        assert_eq!(progress(&json!({}), &[]), JobProgress::Running);
        let reported = ReplaySummary {
            passed: false,
            succeeded: 1,
            requests: 2,
            missed: vec!["success >= 100%: 50.0 %".into()],
            problem: Some("stopped: --timeout".into()),
        };
        let with_summary = pod(include_str!("../tests/replay-summary.json"));
        let JobProgress::Ended { completed, summary, .. } = progress(&ended("Failed"), &[with_summary])
        else {
            panic!()
        };
        assert_eq!(
            summary.as_ref().map(ToString::to_string).as_deref(),
            Some("1 of 2 requests answered as recorded; missed: success >= 100%: 50.0 %; stopped: --timeout")
        );
        assert_eq!((completed, summary), (false, Some(reported)));
        let JobProgress::Ended { reason, summary, .. } = progress(&ended("Failed"), &[pod("no such host")])
        else {
            panic!()
        };
        assert_eq!((reason.as_str(), summary), ("BackoffLimitExceeded it has failed: no such host", None));
        assert!(matches!(progress(&ended("Complete"), &[]), JobProgress::Ended { completed: true, .. }));
    }

    #[test]
    fn service_is_found_by_its_selector() {
        let target =
            WorkloadRef { namespace: "payments".into(), kind: "Deployment".into(), name: "payment".into() };
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
                .contains("no Service selects the pods of Deployment payments/payment")
        );
        let two = service("payment-b", json!({ "v": "1" }), json!([{ "port": 9000 }]));
        assert!(
            url(&[&ours, &two]).unwrap_err().contains("http://payment-b.payments.svc:9000): set customURI")
        );
    }
}
