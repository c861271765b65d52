//! The sample service on its five SDKs, and its committed snapshot.

use crate::call::{Call, Done};
use crate::scene::{Scene, python, root, script, until};

/// `understudy ARGS -- python SCRIPT ARGS`, at the top of the repository.
fn with_sample(scene: &Scene, args: &[&str], driver: &[&str]) -> Call {
    let python = python();
    let all = [args, &["--", &python], driver].concat();
    scene.understudy(all).folder(root())
}

const DRIVER: &str = "examples/payment/run.py";

#[tokio::test]
async fn the_committed_snapshot_answers_the_service_in_full() {
    let scene = Scene::new().await;
    let report = scene.path("report.json");
    let args = ["respond", "snapshots/payment", "--report", report.to_str().expect("text")];
    let done = with_sample(&scene, &args, &[DRIVER]).run().await.expect(0);
    assert!(done.out.lines().any(|line| line.split_whitespace().eq(["all", "192", "192"])), "{done}");
    done.says(&["responder rate 100.0 % (285 of 285 requests answered from payment)"]);
    let again =
        scene.understudy(["match", "snapshots/payment", report.to_str().expect("text")]).folder(root());
    let again = again.run().await.expect(0);
    assert!(again.out.contains("responder rate 100.0 % (285 of 285"), "{again}");
    scene.all_gone().await;
}

#[tokio::test]
async fn changed_amount_misses_and_names_the_recorded_payment() {
    let scene = Scene::new().await;
    let changed = script("changed_amount.py");
    let done = with_sample(&scene, &["respond", "snapshots/payment"], &[&changed]).run().await.expect(1);
    done.says(&[
        "miss        404  POST https://api.stripe.com/v1/payment_intents",
        "nearest: #69 POST /v1/payment_intents",
        "body/amount: recorded 1200, asked 1201",
    ]);
    scene.all_gone().await;
}

#[tokio::test]
async fn the_committed_snapshot_is_sound() {
    let scene = Scene::new().await;
    let here = |args: &[&str]| scene.understudy(args).folder(root()).run();
    let done = here(&["match", "snapshots/payment", "snapshots/payment", "--json"]).await.expect(0);
    assert_eq!((&done.json()["matches"], &done.json()["misses"]), (&285.into(), &0.into()));
    let done = here(&["lint", "snapshots/payment", "--json"]).await.expect(0);
    assert_eq!(done.json()["errors"], 0);
    let done = here(&["inspect", "snapshots/payment", "--json"]).await.expect(0).json();
    assert_eq!((&done["exchanges"], done["backends"].as_array().map(Vec::len)), (&477.into(), Some(6)));

    let (first, second) = (scene.path("first.wasm"), scene.path("second.wasm"));
    for module in [&first, &second] {
        here(&["bundle", "snapshots/payment", "-o", module.to_str().expect("text")]).await.expect(0);
    }
    let bytes = [first, second].map(|path| std::fs::read(path).expect("a module"));
    assert!(bytes[0] == bytes[1], "the same snapshot gives the same bytes");
}

#[tokio::test]
async fn sample_recorded_with_its_backends_is_answered_without_them() {
    let scene = Scene::new().await;
    let (ports, snapshot) = (scene.path("ports.json"), scene.path("s"));
    let (ports, snapshot) = (ports.to_str().expect("text"), snapshot.to_str().expect("text"));
    let backends = "examples/payment/backends/backends.py";
    let running = scene.program(&python(), [backends, "--ports-file", ports]).folder(root()).start();
    until("no backends", || scene.path("ports.json").exists().then_some(())).await;
    let maps =
        scene.program(&python(), [backends, "--print-maps", ports]).folder(root()).run().await.expect(0);
    let args: Vec<_> = ["record", "-o", snapshot].into_iter().chain(maps.out.split_whitespace()).collect();
    let recorded = with_sample(&scene, &args, &[DRIVER, "--quick"]).run().await.expect(0);
    running.signal(rustix::process::Signal::TERM);
    running.end().await.expect(0);

    let recorded = recorded.says(&["24 exchanges with 5 backends recorded"]);
    let answered: Done =
        with_sample(&scene, &["respond", snapshot], &[DRIVER, "--quick"]).run().await.expect(0);
    assert_eq!(answered.out, recorded.out, "the digest of all answers is in it");
    answered.says(&["responder rate 100.0 % (24 of 24"]);
    scene.all_gone().await;
}
