//! Tests of `replay`: a service is driven with its own recorded requests, and differences are
//! named. The service is the sample's, intact and broken.

use crate::call::Done;
use crate::scene::{Scene, python, root};
use serde_json::Value;
use understudy_testkit::ports;

/// `understudy replay snapshots/payment ARGS -- python SERVICE --port N`, and its report.
async fn replay_payment(scene: &Scene, args: &[&str], service: &[&str]) -> (Done, Value) {
    let [port] = ports();
    let (target, port) = (format!("http://127.0.0.1:{port}"), port.to_string());
    let report = scene.path("report.json");
    let file = report.to_str().expect("text");
    // Repeats the driver's earlier requests, since the service counts requests and reports the
    // number.
    let before = [
        "replay",
        "snapshots/payment",
        "--target",
        &target,
        "--speed",
        "max",
        "--ready",
        "/healthz",
        "--report",
        file,
        // The sample's folder stays as it is.
        "--keep-reports",
        "0",
    ];
    let python = python();
    let all =
        [&before, args, &["--", &python], service, &["--made-up-credentials", "--port", &port]].concat();
    let done = scene.understudy(all).folder(root()).run().await;
    let report = serde_json::from_str(&scene.read("report.json")).expect("a report");
    (done, report)
}

const BROKEN: &str = "tests/command/broken_payment.py";

#[tokio::test]
async fn the_sample_is_replayed_in_full() {
    let scene = Scene::new().await;
    let (done, report) = replay_payment(&scene, &[], &["examples/payment/payment.py"]).await;
    done.expect(0).says(&[
        "PASSED: 192 of 192 requests answered as recorded (100.0 %); responder rate 100.0 % (285 of 285)",
    ]);
    assert_eq!(report["responder"]["calls"]["dropped"], 0);
    assert!(report["logs"]["text"].as_str().expect("text").contains("listening on http://127.0.0.1:"));
    scene.all_gone().await;
}

#[tokio::test]
async fn a_changed_field_is_named() {
    let scene = Scene::new().await;
    let (done, _) = replay_payment(&scene, &[], &[BROKEN, "field"]).await;
    done.expect(1).says(&[
        "different  200 → 200  GET /customers/ada",
        "body/email: recorded \"ada@example.com\", now nothing",
        "body/mail: recorded nothing, now \"ada@example.com\"",
        "responder rate 100.0 % (285 of 285)",
    ]);
    scene.all_gone().await;
}

#[tokio::test]
async fn a_new_call_is_named() {
    let scene = Scene::new().await;
    let (done, report) = replay_payment(&scene, &[], &[BROKEN, "new-call"]).await;
    done.expect(1).says(&["miss       GET https://api.stripe.com/v1/payouts", "MISSED   responder >= 100%"]);
    assert_eq!(report["success"]["rate"], 100.0);
    scene.all_gone().await;
}

#[tokio::test]
async fn a_call_that_is_not_made_any_more_is_named() {
    let scene = Scene::new().await;
    let (done, report) = replay_payment(&scene, &[], &[BROKEN, "dropped-call"]).await;
    done.expect(1).says(&[
        "dropped    https://api.hubapi.com PUT /crm/v4/objects/deals/",
        "recorded 1 times, made 0 times",
        "MISSED   dropped-calls <= 0: 2",
    ]);
    assert_eq!((&report["success"]["rate"], &report["responder"]["rate"]), (&100.0.into(), &100.0.into()));
    scene.all_gone().await;
}

#[tokio::test]
async fn slower_handler_misses_its_goal() {
    let scene = Scene::new().await;
    let slow = ["--fail-if", "p95 > 380ms"];
    let (done, _) = replay_payment(&scene, &slow, &[BROKEN, "slow"]).await;
    done.expect(1).says(&["MISSED   fail if p95 > 380ms: ", "192 of 192 requests answered as recorded"]);
    scene.all_gone().await;
}

#[tokio::test]
async fn a_crash_ends_the_run_and_is_named() {
    let scene = Scene::new().await;
    let (done, report) = replay_payment(&scene, &[], &[BROKEN, "crash"]).await;
    done.expect(1).says(&[
        "no answer  201 → –  POST /payments",
        "the service ended while it was driven: it gave the status 3",
    ]);
    assert_eq!(report["end"]["how"], "service-ended");
    assert!(report["success"]["not_sent"].as_u64().expect("a number") > 0, "{report}");
    assert!(report["logs"]["text"].as_str().expect("text").contains("out of luck"));
    scene.all_gone().await;
}

#[tokio::test]
async fn a_hanging_service_is_named_within_the_time() {
    let scene = Scene::new().await;
    let args = ["--request-timeout", "1s", "--timeout", "4s", "--grace", "1"];
    let (done, report) = replay_payment(&scene, &args, &[BROKEN, "hang"]).await;
    done.expect(1).says(&["no answer  201 → –  POST /payments", "no answer within 1 s"]);
    assert_eq!(report["passed"], false);
    scene.all_gone().await;
}
