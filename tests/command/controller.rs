//! What a cluster runs: the controller as a command, and what its jobs run, with a real registry.

use crate::registry::{Pulled, Registry, Wanted, push};
use crate::replay_wire::{get, hello, snapshot};
use crate::scene::{Scene, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use understudy_controller::Summary;
use understudy_testkit::ApiServer;
use understudy_testkit::Upstream;

const DEFINITIONS: &str = include_str!("../../envoy/istio/controller/base/definition.yaml");

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
        .says(&["is there already"]);

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
    let words: Summary = serde_json::from_str(&scene.read("words")).expect("a summary");
    assert_eq!((words.passed, words.succeeded, words.requests), (true, 2, 2));
    assert_eq!(words.to_string(), "2 of 2 requests answered as recorded");

    // Without the snapshot in it.
    push(&scene, &registry, "b:1", &["--plain-http"]).await.expect(0);
    let source = format!("oci://{}/b:1", registry.name);
    let args = ["replay", &source, "--mode=generator-only", &target, "--summary=words", "--plain-http"];
    scene.understudy(args).run().await.expect(2).says(&["has no snapshot in it"]);
    let words: Summary = serde_json::from_str(&scene.read("words")).expect("a summary");
    assert!(!words.passed && words.problem.is_some_and(|problem| problem.contains("--with-snapshot")));
    registry.stop().await;
}

#[tokio::test]
async fn the_controller_works_and_ends_when_asked() {
    let scene = Scene::new().await;
    let server = ApiServer::start().await;
    server.define(&definition());
    server.namespace("payments");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": { "server": server.url() } }],
        "users": [{ "name": "test", "user": {} }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
    });
    let config = scene.file("kubeconfig", config.to_string());
    let args =
        ["controller", "--leader-election", "--lease-namespace", "payments", "--metrics", "127.0.0.1:0"];
    let running = scene.understudy(args).env("KUBECONFIG", config).env("POD_NAME", "first").start();
    let holder = || {
        let lease = server.object("leases.coordination.k8s.io", "payments", "understudy-controller");
        lease.map(|lease| lease["spec"]["holderIdentity"].clone())
    };
    until("it holds the lease", || (holder() == Some(json!("first"))).then_some(())).await;
    running.signal(Signal::TERM);
    running.end().await.expect(0).says(&["metrics and probes at 127.0.0.1:"]);
    assert_eq!(holder(), Some(Value::Null), "the lease is released");
}

#[tokio::test]
async fn the_definition_is_printed_and_mistakes_are_told() {
    let scene = Scene::new().await;
    let done = scene.understudy(["controller", "--definition"]).run().await.expect(0);
    assert_eq!(format!("# understudy controller --definition\n{}", done.out), DEFINITIONS);
    let check = async |args: &[&str], says: &str| {
        let args = [&["controller"], args].concat();
        let call = scene.understudy(args).env("KUBECONFIG", scene.path("none")).env("HOME", scene.path(""));
        call.run().await.expect(2).says(&[says]);
    };
    check(&["--registry", "registry.test/team"], "write oci://REGISTRY/TEAM").await;
    check(&[], "set KUBECONFIG").await;
}

fn definition() -> Value {
    serde_json::to_value(understudy_controller::Group::Own.definition()).expect("JSON")
}
