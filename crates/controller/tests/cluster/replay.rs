//! Replays: jobs that succeed, fail or don't end, and the objects that stay afterwards.

use crate::scene::{Scene, condition, settings};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use understudy_controller::Settings;

fn full(more: Value) -> Value {
    let mut spec = json!({ "mode": "full-replay", "timeout": "10m" });
    more.as_object().unwrap().iter().for_each(|(key, value)| spec[key] = value.clone());
    spec
}

impl Scene {
    fn jobs(&self) -> Vec<Value> {
        self.server.objects("jobs.batch")
    }

    pub(crate) async fn job(&self) -> String {
        self.until("the job is there", || !self.jobs().is_empty()).await;
        self.jobs()[0]["metadata"]["name"].as_str().unwrap().to_owned()
    }

    /// Writes what the job controller and a kubelet write when a job ends with this condition and
    /// this termination message.
    pub(crate) async fn end_job(&self, job: &str, how: &str, message: &str) {
        let metadata =
            json!({ "name": format!("{job}-x"), "namespace": "payments", "labels": { "job-name": job } });
        self.create(
            "",
            "v1",
            "Pod",
            &json!({ "metadata": metadata, "spec": { "containers": [{ "name": "replay", "image": "a" }] } }),
        )
        .await;
        let state = json!({ "terminated": { "message": message, "exitCode": 1 } });
        let pod = json!({ "status": { "containerStatuses": [{ "name": "replay", "state": state }] } });
        let patch = async |group: &str, version: &str, kind: &str, name: &str, status: &Value| {
            let api = self.api(group, version, kind, "payments");
            api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
        };
        patch("", "v1", "Pod", &format!("{job}-x"), &pod).await;
        let condition = json!({ "type": how, "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the limit" });
        patch("batch", "v1", "Job", job, &json!({ "status": { "conditions": [condition] } })).await;
    }
}

#[tokio::test]
async fn successful_replay_reports_and_removes_its_mocks() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", full(json!({ "cleanup": "none" }))).await;
    let job = scene.job().await;
    assert_eq!(scene.filters().len(), 1, "mocks are there before requests are sent");
    let args = scene.jobs()[0]["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(
        args.contains("--target=http://payment.payments.svc:8080") && args.contains("--timeout=600000ms"),
        "{args}"
    );
    scene.condition_is("friday", "Ready", "Running").await;
    scene.end_job(&job, "Complete", r#"{"passed":true,"succeeded":192,"requests":192}"#).await;
    let message = scene.condition_is("friday", "Ready", "TestSucceeded").await;
    assert_eq!(message, "192 of 192 requests answered as recorded");
    let stored = scene.stored("friday");
    assert_eq!((&stored["status"]["active"], &stored["status"]["reportID"]), (&json!(false), &json!(job)));
    assert!(stored["status"]["finishedTime"].is_string());
    assert_eq!(condition(&stored, "Finished").unwrap()["status"], "True");
    scene.until("the mocks are gone", || scene.filters().is_empty()).await;
    // `cleanup: none` keeps the job, and a restart doesn't repeat the replay.
    running.stop().await;
    let again = scene.start(settings());
    scene.workload("payments", "orders", json!({})).await;
    scene.replay("second", json!({ "workloads": [{ "ref": { "name": "orders" }, "mocks": ["*"] }] })).await;
    scene.condition_is("second", "Ready", "Responding").await;
    assert_eq!((scene.jobs().len(), scene.filters().len()), (1, 1));
    assert_eq!(scene.stored("friday")["status"], stored["status"]);
    again.stop().await;
}

#[tokio::test]
async fn failed_replay_reports_missed_goals() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", full(json!({}))).await;
    let job = scene.job().await;
    let summary = r#"{"passed":false,"succeeded":191,"requests":192,"missed":["success >= 100%: 99.5 %"]}"#;
    scene.end_job(&job, "Failed", summary).await;
    let message = scene.condition_is("friday", "Ready", "TestFailed").await;
    assert!(
        message.starts_with("191 of 192 requests answered as recorded; missed: success >= 100%: 99.5 %"),
        "{message}"
    );
    assert_eq!(condition(&scene.stored("friday"), "Ready").unwrap()["status"], "False");
    // The default is `cleanup: inventory`.
    scene
        .until("the job and the mocks are gone", || scene.jobs().is_empty() && scene.filters().is_empty())
        .await;
    assert!(scene.stored("friday")["status"]["finishedTime"].is_string());
    // A new generation is a new replay.
    scene.merge(&scene.replays(), "friday", json!({ "spec": { "buildTag": "v2" } })).await;
    let next = scene.job().await;
    assert_ne!(next, job);
    scene.condition_is("friday", "Ready", "Running").await;
    assert_eq!(scene.stored("friday")["status"]["finishedTime"], Value::Null);
    running.stop().await;
}

#[tokio::test]
async fn replay_that_cannot_run_reports_the_log() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", full(json!({ "cleanup": "all" }))).await;
    let job = scene.job().await;
    assert_eq!(scene.jobs()[0]["spec"]["activeDeadlineSeconds"], 900);
    scene.end_job(&job, "Failed", "understudy: registry.test: no such host").await;
    // The resource may be removed before anyone reads its status; the events stay.
    scene
        .until("everything is gone", || {
            scene.stored("friday") == Value::Null && scene.jobs().is_empty() && scene.filters().is_empty()
        })
        .await;
    let events = scene.server.objects("events.events.k8s.io");
    let event = events.iter().find(|event| event["reason"] == "TestFailed").expect("an event");
    assert!(event["note"].as_str().unwrap().contains("no such host"), "{event}");
    running.stop().await;
}

#[tokio::test]
async fn deleted_job_is_a_failed_replay() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", full(json!({}))).await;
    let job = scene.job().await;
    scene.condition_is("friday", "Ready", "Running").await;
    scene
        .until("the status names the job", || scene.stored("friday")["status"]["reportID"] == json!(job))
        .await;
    scene.api("batch", "v1", "Job", "payments").delete(&job, &DeleteParams::background()).await.unwrap();
    let message = scene.condition_is("friday", "Ready", "TestFailed").await;
    assert!(message.contains("is gone: something has deleted it"), "{message}");
    assert!(scene.filters().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn generator_only_mocks_nothing() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    let spec = json!({ "mode": "generator-only", "customURL": "http://staging.test:80", "workloads": [] });
    scene.replay("friday", spec).await;
    scene.job().await;
    assert!(scene.jobs()[0].to_string().contains("--target=http://staging.test:80"));
    assert!(scene.filters().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn replay_without_a_service_sends_nothing() {
    let scene = Scene::new().await;
    scene.workload("payments", "worker", json!({})).await;
    let running = scene.start(settings());
    let workloads = json!([{ "ref": { "name": "worker" }, "mocks": ["*"] }]);
    scene.replay("friday", full(json!({ "workloads": workloads }))).await;
    let why = scene.condition_is("friday", "Ready", "NoAddress").await;
    assert!(why.contains("no Service selects the pods of Deployment payments/worker"), "{why}");
    assert!(scene.jobs().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn requests_wait_for_the_mocks_to_settle() {
    let scene = Scene::new().await;
    let running = scene.start(Settings { settle: std::time::Duration::from_secs(2), ..settings() });
    scene.replay("friday", full(json!({}))).await;
    scene.condition_is("friday", "Ready", "Settling").await;
    assert!(scene.jobs().is_empty() && scene.filters().len() == 1);
    scene.job().await;
    running.stop().await;
}
