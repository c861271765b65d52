//! Replays: a job that ends well, ends badly, or doesn't end; and what is left of it.

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

    /// What the job's controller and a kubelet would write.
    pub(crate) async fn ends(&self, job: &str, how: &str, words: &str) {
        let metadata =
            json!({ "name": format!("{job}-x"), "namespace": "payments", "labels": { "job-name": job } });
        self.create(
            "",
            "v1",
            "Pod",
            &json!({ "metadata": metadata, "spec": { "containers": [{ "name": "replay", "image": "a" }] } }),
        )
        .await;
        let state = json!({ "terminated": { "message": words, "exitCode": 1 } });
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
async fn a_replay_that_succeeds() {
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
    scene.said("friday", "Ready", "Running").await;
    scene.ends(&job, "Complete", r#"{"passed":true,"succeeded":192,"requests":192}"#).await;
    let message = scene.said("friday", "Ready", "TestSucceeded").await;
    assert_eq!(message, "192 of 192 requests answered as recorded");
    let stored = scene.stored("friday");
    assert_eq!((&stored["status"]["active"], &stored["status"]["reportID"]), (&json!(false), &json!(job)));
    assert!(stored["status"]["finishedTime"].is_string());
    assert_eq!(condition(&stored, "Finished").unwrap()["status"], "True");
    scene.until("the mocks are gone", || scene.filters().is_empty()).await;
    // `cleanup: none` keeps the job, and a restart doesn't begin anew.
    running.stop().await;
    let again = scene.start(settings());
    scene.workload("payments", "orders", json!({})).await;
    scene.replay("second", json!({ "workloads": [{ "ref": { "name": "orders" }, "mocks": ["*"] }] })).await;
    scene.said("second", "Ready", "Responding").await;
    assert_eq!((scene.jobs().len(), scene.filters().len()), (1, 1));
    assert_eq!(scene.stored("friday")["status"], stored["status"]);
    again.stop().await;
}

#[tokio::test]
async fn a_replay_that_fails_says_what_was_missed() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", full(json!({}))).await;
    let job = scene.job().await;
    let words = r#"{"passed":false,"succeeded":191,"requests":192,"missed":["success >= 100%: 99.5 %"]}"#;
    scene.ends(&job, "Failed", words).await;
    let message = scene.said("friday", "Ready", "TestFailed").await;
    assert!(
        message.starts_with("191 of 192 requests answered as recorded; missed: success >= 100%: 99.5 %"),
        "{message}"
    );
    assert_eq!(condition(&scene.stored("friday"), "Ready").unwrap()["status"], "False");
    // `cleanup: inventory`, which is the default.
    scene
        .until("the job and the mocks are gone", || scene.jobs().is_empty() && scene.filters().is_empty())
        .await;
    assert!(scene.stored("friday")["status"]["finishedTime"].is_string());
    // Another generation is another replay.
    scene.merge(&scene.replays(), "friday", json!({ "spec": { "buildTag": "v2" } })).await;
    let next = scene.job().await;
    assert_ne!(next, job);
    scene.said("friday", "Ready", "Running").await;
    assert_eq!(scene.stored("friday")["status"]["finishedTime"], Value::Null);
    running.stop().await;
}

#[tokio::test]
async fn a_replay_that_takes_too_long_or_cannot_run() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", full(json!({ "cleanup": "all" }))).await;
    let job = scene.job().await;
    assert_eq!(scene.jobs()[0]["spec"]["activeDeadlineSeconds"], 900);
    scene.ends(&job, "Failed", "understudy: registry.test: no such host").await;
    // Nobody may read the status before it is removed, but events tell.
    scene
        .until("all is gone", || {
            scene.stored("friday") == Value::Null && scene.jobs().is_empty() && scene.filters().is_empty()
        })
        .await;
    let events = scene.server.objects("events.events.k8s.io");
    let told = events.iter().find(|event| event["reason"] == "TestFailed").expect("an event");
    assert!(told["note"].as_str().unwrap().contains("no such host"), "{told}");
    running.stop().await;
}

#[tokio::test]
async fn a_job_that_somebody_deletes_is_a_failure() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", full(json!({}))).await;
    let job = scene.job().await;
    scene.said("friday", "Ready", "Running").await;
    scene
        .until("the status names the job", || scene.stored("friday")["status"]["reportID"] == json!(job))
        .await;
    scene.api("batch", "v1", "Job", "payments").delete(&job, &DeleteParams::background()).await.unwrap();
    let message = scene.said("friday", "Ready", "TestFailed").await;
    assert!(message.contains("is gone: somebody has deleted it"), "{message}");
    assert!(scene.filters().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_generator_alone_mocks_nothing() {
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
async fn without_an_address_nothing_is_sent() {
    let scene = Scene::new().await;
    scene.workload("payments", "worker", json!({})).await;
    let running = scene.start(settings());
    let workloads = json!([{ "ref": { "name": "worker" }, "mocks": ["*"] }]);
    scene.replay("friday", full(json!({ "workloads": workloads }))).await;
    let why = scene.said("friday", "Ready", "NoAddress").await;
    assert!(why.contains("no Service is for the pods of Deployment payments/worker"), "{why}");
    assert!(scene.jobs().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn requests_wait_for_the_mocks_to_settle() {
    let scene = Scene::new().await;
    let running = scene.start(Settings { settle: std::time::Duration::from_secs(2), ..settings() });
    scene.replay("friday", full(json!({}))).await;
    scene.said("friday", "Ready", "Settling").await;
    assert!(scene.jobs().is_empty() && scene.filters().len() == 1);
    scene.job().await;
    running.stop().await;
}
