//! `understudy istio`: what it prints is in `envoy/istio`, each file with the command that made it; and what it refuses.

use crate::scene::{Scene, root};

#[tokio::test]
async fn each_file_says_how_it_was_made() {
    let scene = Scene::new().await;
    for name in ["tap", "tap-simple", "respond", "respond-opt-in", "remove"] {
        let path = root().join(format!("envoy/istio/{name}.yaml"));
        let text = std::fs::read_to_string(&path).expect("a manifest");
        let (first, rest) = text.split_once('\n').expect("a first line");
        let args = first.strip_prefix("# understudy ").expect("a command").split(' ').collect::<Vec<_>>();
        let done = scene.understudy(&args).run().await.expect(0);
        assert_eq!(done.out, rest, "{name}");
    }
}

#[tokio::test]
async fn what_no_cluster_would_take_is_refused() {
    let scene = Scene::new().await;
    let module = ["--module", "oci://registry.test/m:1"];
    for (args, says) in [
        (vec!["tap"], "--module"),
        (vec!["tap", "--module", "oci://r/m"], "--namespace"),
        (vec!["tap", "-n", "a", "--mesh", "--module", "oci://r/m"], "cannot be used with"),
        (vec!["tap", "-n", "Payments", module[0], module[1]], "\"Payments\" can't be a name"),
        (vec!["tap", "-n", "a", "-l", "app", module[0], module[1]], "\"app\" is no label: write KEY=VALUE"),
        (vec!["tap", "-n", "a", "--module", "registry.test/m:1"], "is no module: give oci://"),
        (vec!["tap", "-n", "a", "--simple", "--module", "/m.wasm"], "leave --simple out"),
        (vec!["tap", "-n", "a", "--collector", "c", module[0], module[1]], "\"c\" is no collector"),
        (vec!["respond", "-n", "a", "--on-miss", "capture", module[0], module[1]], "needs --collector"),
        (vec!["respond", "-n", "a", "--sha256", "ab", module[0], module[1]], "\"ab\" is no SHA-256"),
    ] {
        let done = scene.understudy([vec!["istio"], args.clone()].concat()).run().await.expect(2);
        assert!(done.err.contains(says), "{args:?}: {done}");
        assert_eq!(done.out, "", "{args:?}");
    }
}
