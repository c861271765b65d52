//! The replay that a job of the controller runs: a snapshot from a real registry, and the summary
//! that the controller reads.

use crate::registry::{Pulled, Registry, Wanted, push};
use crate::replay_wire::{get, hello, snapshot};
use crate::scene::Scene;
use serde_json::{Value, json};
use understudy_testkit::Upstream;

#[tokio::test]
async fn a_snapshot_goes_through_a_registry_and_is_replayed_from_there() {
    let scene = Scene::new().await;
    let service = Upstream::start(|_| hello()).await;
    snapshot(&scene, "HTTP/1.1", vec![get("/a"), get("/b")]);
    let registry = Registry::start(&scene, Wanted::default()).await;
    let first =
        push(&scene, &registry, "a:1", &["--plain-http", "--json", "--with-snapshot"]).await.expect(0).json();
    let again =
        push(&scene, &registry, "a:2", &["--plain-http", "--json", "--with-snapshot"]).await.expect(0).json();
    assert_eq!(first["digest"], again["digest"], "the same snapshot is the same image");
    // Istio's agent finds the module as before.
    let from = format!("docker://{}/a:1", registry.name);
    let pulled = Pulled::get(&scene, &from, &["--src-tls-verify=false"], "image").await;
    scene.understudy(["bundle", "s", "-o", "s.wasm"]).run().await.expect(0);
    assert!(pulled.module(&scene).await == std::fs::read(scene.path("s.wasm")).expect("the module"));

    let source = format!("oci://{}", first["reference"].as_str().expect("a reference"));
    scene
        .understudy(["pull", &source, "copies/s", "--plain-http"])
        .run()
        .await
        .expect(0)
        .says(&["pulled s into copies/s"]);
    for file in ["snapshot.yaml", "exchanges.ndjson"] {
        assert_eq!(scene.read(&format!("copies/s/{file}")), scene.read(&format!("s/{file}")));
    }
    scene
        .understudy(["pull", &source, "copies/s", "--plain-http"])
        .run()
        .await
        .expect(2)
        .says(&["exists already"]);

    // As a job runs it.
    let target = format!("--target=http://{}", service.address());
    let args = [
        "replay",
        &source,
        "--mode=generator-only",
        &target,
        "--timeout=60000ms",
        "--summary=words",
        "--plain-http",
    ];
    scene.understudy(args).run().await.expect(0);
    assert_eq!(
        summary(&scene),
        json!({ "passed": true, "succeeded": 2, "requests": 2, "missed": [], "problem": null })
    );

    // Without the snapshot in it.
    push(&scene, &registry, "b:1", &["--plain-http"]).await.expect(0);
    let source = format!("oci://{}/b:1", registry.name);
    let args = ["replay", &source, "--mode=generator-only", &target, "--summary=words", "--plain-http"];
    scene.understudy(args).run().await.expect(2).says(&["contains only the module, and no snapshot"]);
    let failed = summary(&scene);
    assert_eq!(failed["passed"], false);
    assert!(
        failed["problem"].as_str().is_some_and(|problem| problem.contains("--with-snapshot")),
        "{failed}"
    );
    registry.stop().await;
}

/// The content of the file that `--summary=words` has written.
fn summary(scene: &Scene) -> Value {
    serde_json::from_str(&scene.read("words")).expect("a summary")
}
