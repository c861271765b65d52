//! `understudy istio`: what it prints is in `envoy/istio`, each file with the command that made it;
//! and what it refuses.

use crate::scene::{Scene, root};

#[tokio::test]
async fn each_file_says_how_it_was_made() {
    let scene = Scene::new().await;
    for name in [
        "tap",
        "tap-simple",
        "tap-simple-1.30",
        "respond",
        "respond-opt-in",
        "remove",
        "https/pod-patch",
        "https/tap",
        "https/respond",
    ] {
        let path = root().join(format!("envoy/istio/{name}.yaml"));
        let text = std::fs::read_to_string(&path).expect("a manifest");
        let (first, rest) = text.split_once('\n').expect("a first line");
        let args = first.strip_prefix("# understudy ").expect("a command").split(' ').collect::<Vec<_>>();
        let done = scene.understudy(&args).run().await.expect(0);
        assert_eq!(done.out, rest, "{name}");
    }
}

#[tokio::test]
async fn arguments_for_invalid_resources_are_refused() {
    let scene = Scene::new().await;
    let module = ["--module", "oci://registry.test/m:1"];
    for (args, says) in [
        (vec!["tap"], "--module"),
        (vec!["tap", "--module", "oci://r/m"], "--namespace"),
        (vec!["tap", "-n", "a", "--mesh", "--module", "oci://r/m"], "cannot be used with"),
        (vec!["tap", "-n", "Payments", module[0], module[1]], "\"Payments\" is no name in Kubernetes"),
        (vec!["tap", "-n", "a", "-l", "app", module[0], module[1]], "\"app\" is no label: write KEY=VALUE"),
        (vec!["tap", "-n", "a", "--module", "registry.test/m:1"], "is no module: give oci://"),
        (vec!["tap", "-n", "a", "--simple", "--module", "/m.wasm"], "leave out --simple"),
        (vec!["tap", "-n", "a", "--collector", "c", module[0], module[1]], "\"c\" is no collector"),
        (
            vec!["tap", "-n", "a", "--simple", "--https", "a.test", module[0], module[1]],
            "leave out --simple or --https",
        ),
        (vec!["tap", "-n", "a", "--https", "*.test", module[0], module[1]], "\"*.test\" is no host"),
        (vec!["tap", "--mesh", "--https", "a.test", module[0], module[1]], "cannot be used with"),
        (
            vec!["respond", "-n", "a", "--opt-in", "--https", "a.test", module[0], module[1]],
            "cannot be used with",
        ),
        (vec!["respond", "-n", "a", "--https-port", "8443", module[0], module[1]], "--https"),
        (vec!["certificates", "-n", "a", "--https", "10.0.0.1"], "\"10.0.0.1\" is no host"),
        (vec!["certificates", "-n", "a", "--https", "a.test", "--days", "398"], "398"),
        (vec!["respond", "-n", "a", "--on-miss", "capture", module[0], module[1]], "needs --collector"),
        (vec!["respond", "-n", "a", "--sha256", "ab", module[0], module[1]], "\"ab\" is no SHA-256"),
    ] {
        let done = scene.understudy([vec!["istio"], args.clone()].concat()).run().await.expect(2);
        assert!(done.err.contains(says), "{args:?}: {done}");
        assert_eq!(done.out, "", "{args:?}");
    }
}

#[tokio::test]
async fn certificates_are_signed_by_the_users_authority_without_its_key() {
    let scene = Scene::new().await;
    let hosts = "api.stripe.com,api.hubapi.com";
    let args =
        ["istio", "certificates", "-n", "payments", "--service", "payment", "--https", hosts, "--json"];
    let list = scene.understudy(args).run().await.expect(0).json();
    let [secret, trust] = [0, 1].map(|number| &list["items"][number]);
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    assert_eq!((text(&secret["kind"]), text(&trust["kind"])), ("Secret".to_owned(), "ConfigMap".to_owned()));
    let patch =
        ["istio", "pod-patch", "-n", "payments", "--service", "payment", "--container", "app", "--json"];
    let patch = scene.understudy(patch).run().await.expect(0).json()["spec"]["template"].clone();
    let annotation = text(&patch["metadata"]["annotations"]["sidecar.istio.io/userVolume"]);
    assert!(annotation.contains(&text(&secret["metadata"]["name"])), "{annotation}");
    assert_eq!(patch["spec"]["volumes"][0]["configMap"]["name"], trust["metadata"]["name"]);

    scene.file("leaf.pem", text(&secret["stringData"]["tls.crt"]));
    scene.file("bundle.pem", text(&trust["data"]["bundle.pem"]));
    for host in hosts.split(',') {
        let verify = ["verify", "-CAfile", "bundle.pem", "-verify_hostname", host, "leaf.pem"];
        scene.program("openssl", verify).run().await.expect(0);
    }
    let days = scene.program("openssl", ["x509", "-in", "leaf.pem", "-noout", "-checkend", "31000000"]);
    days.run().await.expect(0);
    let authority = scene.read("config/authority.pem");
    let (_, key) = authority.split_once("PRIVATE KEY-----\n").expect("a key");
    let key = key.lines().next().expect("its first line");
    assert!(!list.to_string().contains(key), "the authority's key is nobody else's");
    assert_eq!(text(&trust["data"]["extra.pem"]), scene.read("config/ca.pem"));
}
