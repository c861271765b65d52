//! `replay`: a service is driven with its own recorded requests, and what it does otherwise is named. The sample's service, whole and broken.

use crate::call::{Call, Done};
use crate::scene::{Scene, python, root, until};
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// Nobody's real keys.
const CREDENTIALS: [(&str, &str); 8] = [
    ("AWS_ACCESS_KEY_ID", "SAMPLEKEYID"),
    ("AWS_SECRET_ACCESS_KEY", "sample-secret"),
    ("AWS_CONFIG_FILE", "/dev/null"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ("STRIPE_API_KEY", "sk_test_sample"),
    ("HUBSPOT_ACCESS_TOKEN", "sample-token"),
    ("PLAID_CLIENT_ID", "sample-client"),
    ("PLAID_SECRET", "sample-secret"),
];

/// Ports where nobody listens.
pub(crate) fn ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

/// Records the sample's service with its five backends, and who calls it.
async fn record_payment(to: &Path, quick: bool) {
    let scene = Scene::new().await;
    let ports_file = scene.path("ports.json");
    let backends = "examples/payment/backends/backends.py";
    let file = ports_file.to_str().expect("text");
    let running = scene.program(&python(), [backends, "--ports-file", file]).folder(root()).start();
    until("no backends", || ports_file.exists().then_some(())).await;
    let maps =
        scene.program(&python(), [backends, "--print-maps", file]).folder(root()).run().await.expect(0);
    let [listen, app] = ports();
    let (inbound, port, through) =
        (format!("{listen}={app}"), app.to_string(), format!("127.0.0.1:{listen}"));
    let to = to.to_str().expect("text");
    let mut args = vec!["record", "--force", "-o", to, "--inbound", &inbound];
    args.extend(maps.out.split_whitespace());
    let python = python();
    args.extend(["--", &python, "examples/payment/run.py", "--port", &port, "--through", &through]);
    args.extend(quick.then_some("--quick"));
    scene.understudy(args).folder(root()).run().await.expect(0);
    running.signal(rustix::process::Signal::TERM);
    running.end().await.expect(0);
}

/// Ten requests to the sample's service, recorded once for all tests.
async fn ten() -> &'static Path {
    static TEN: OnceCell<PathBuf> = OnceCell::const_new();
    TEN.get_or_init(|| async {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay-ten");
        record_payment(&path, true).await;
        path
    })
    .await
}

/// `understudy replay SNAPSHOT ARGS -- python SERVICE --port N`, and its report.
async fn replay_payment(scene: &Scene, snapshot: &Path, args: &[&str], service: &[&str]) -> (Done, Value) {
    let [port] = ports();
    let (target, port) = (format!("http://127.0.0.1:{port}"), port.to_string());
    let report = scene.path("report.json");
    let (snapshot, file) = (snapshot.to_str().expect("text"), report.to_str().expect("text"));
    let before = ["replay", snapshot, "--target", &target, "--speed", "max", "--report", file, "--verbose"];
    let python = python();
    let all = [&before, args, &["--", &python], service, &["--port", &port]].concat();
    let done = with_credentials(scene.understudy(all).folder(root())).run().await;
    let report = serde_json::from_str(&scene.read("report.json")).expect("a report");
    (done, report)
}

fn with_credentials(call: Call) -> Call {
    CREDENTIALS.iter().fold(call, |call, (name, value)| call.env(name, value))
}

const BROKEN: &str = "tests/command/broken_payment.py";

#[tokio::test]
async fn the_sample_is_replayed_in_full() {
    let scene = Scene::new().await;
    let snapshot = scene.path("payment");
    record_payment(&snapshot, false).await;
    // As the driver did when it was recorded: the service counts what it is asked, and says so.
    let ready = ["--ready", "/healthz"];
    let (done, report) = replay_payment(&scene, &snapshot, &ready, &["examples/payment/payment.py"]).await;
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
    let (done, _) = replay_payment(&scene, ten().await, &[], &[BROKEN, "field"]).await;
    done.expect(1).says(&[
        "different  200 → 200  GET /customers/ada",
        "body/email: recorded \"ada@example.com\", now nothing",
        "body/mail: recorded nothing, now \"ada@example.com\"",
        "FAILED: 8 of 10 requests answered as recorded (80.0 %); responder rate 100.0 % (24 of 24)",
    ]);
    scene.all_gone().await;
}

#[tokio::test]
async fn a_new_call_is_named() {
    let scene = Scene::new().await;
    let (done, report) = replay_payment(&scene, ten().await, &[], &[BROKEN, "new-call"]).await;
    done.expect(1).says(&["miss       GET https://api.stripe.com/v1/balance", "MISSED   responder >= 100%"]);
    assert_eq!(report["success"]["rate"], 100.0);
    scene.all_gone().await;
}

#[tokio::test]
async fn a_call_that_is_not_made_any_more_is_named() {
    let scene = Scene::new().await;
    let (done, report) = replay_payment(&scene, ten().await, &[], &[BROKEN, "dropped-call"]).await;
    done.expect(1).says(&[
        "dropped    https://api.stripe.com GET /v1/payment_intents/",
        "recorded 1 times, made 0 times",
        "MISSED   dropped-calls <= 0: 1",
    ]);
    assert_eq!((&report["success"]["rate"], &report["responder"]["rate"]), (&100.0.into(), &100.0.into()));
    scene.all_gone().await;
}

#[tokio::test]
async fn a_slower_handler_is_named_where_a_goal_says_so() {
    let scene = Scene::new().await;
    let slow = ["--fail-if", "p50 > 400ms"];
    let (done, _) = replay_payment(&scene, ten().await, &slow, &[BROKEN, "slow"]).await;
    done.expect(1).says(&["MISSED   fail if p50 > 400ms: ", "10 of 10 requests answered as recorded"]);
    scene.all_gone().await;
}

#[tokio::test]
async fn a_crash_ends_the_run_and_is_named() {
    let scene = Scene::new().await;
    let (done, report) = replay_payment(&scene, ten().await, &[], &[BROKEN, "crash"]).await;
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
    let (done, report) = replay_payment(&scene, ten().await, &args, &[BROKEN, "hang"]).await;
    done.expect(1).says(&["no answer  201 → –  POST /payments", "no answer within 1 s"]);
    assert_eq!(report["passed"], false);
    scene.all_gone().await;
}
