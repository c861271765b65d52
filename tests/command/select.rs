//! Tests that `inspect` shows a snapshot, `select` changes modes, and `respond` follows them.

use crate::call::Call;
use crate::scene::{Scene, client, python, root, script};

/// A snapshot `s` of two backends, `one.test` and `two.test`, with a call to each; and how to reach
/// them.
async fn scene() -> (Scene, [String; 4]) {
    let scene = Scene::new().await;
    let map = |name: &str| format!("{name}.test=http://{}", scene.upstream.address());
    let maps = ["--map".to_owned(), map("one"), "--map".to_owned(), map("two")];
    let cmd = client(&["GET http://one.test/a", "GET http://two.test/b"]);
    record(&scene, &maps, &cmd).run().await.expect(0);
    (scene, maps)
}

fn record(scene: &Scene, maps: &[String], cmd: &[String]) -> Call {
    let args = ["record", "-o", "s"].map(str::to_owned);
    scene.understudy(args.iter().chain(maps).chain(&["--".to_owned()]).chain(cmd))
}

fn respond(scene: &Scene, maps: &[String], cmd: &[String]) -> Call {
    let args = ["respond", "s"].map(str::to_owned);
    scene.understudy(args.iter().chain(maps).chain(&["--".to_owned()]).chain(cmd))
}

#[tokio::test]
async fn unmocked_backend_is_called_and_others_are_answered() {
    let (scene, maps) = scene().await;
    let asked = || scene.upstream.seen().len();
    let cmd = client(&["GET http://one.test/a", "GET http://two.test/b"]);
    let done = respond(&scene, &maps, &cmd).run().await.expect(0);
    assert_eq!((done.out.as_str(), asked()), ("200 answer 1 to GET /a\n200 answer 2 to GET /b\n", 2));

    let before = scene.read("s/snapshot.yaml");
    let done = scene.understudy(["select", "s", "--no-mock", "two.*"]).run().await.expect(0);
    assert!(done.out.contains("☐ mock → off   http://two.test\n"), "{done}");
    assert!(done.out.ends_with("s: 1 of 2 backends mocked; 1 mode changed in snapshot.yaml\n"), "{done}");
    let after = scene.read("s/snapshot.yaml");
    let differing = before.lines().zip(after.lines()).filter(|(old, new)| old != new);
    assert_eq!(differing.collect::<Vec<_>>(), [("    mode: mock", "    mode: off")]);
    assert_eq!(before.lines().count(), after.lines().count());

    // A backend that isn't mocked also gets requests that were never recorded.
    let cmd = client(&["GET http://one.test/a", "GET http://two.test/b", "GET http://two.test/new"]);
    let done = respond(&scene, &maps, &cmd).run().await.expect(0);
    let expect = "200 answer 1 to GET /a\n200 answer 3 to GET /b\n200 answer 4 to GET /new\n";
    assert_eq!((done.out.as_str(), asked()), (expect, 4), "{done}");

    scene.understudy(["select", "s", "--mock", "*"]).run().await.expect(0);
    assert_eq!(scene.read("s/snapshot.yaml"), before, "back as it was");
    let cmd = client(&["GET http://two.test/b"]);
    let done = respond(&scene, &maps, &cmd).run().await.expect(0);
    assert_eq!((done.out.as_str(), asked()), ("200 answer 2 to GET /b\n", 4));
    scene.all_gone().await;
}

#[tokio::test]
async fn dry_run_reports_changes_and_impossible_ones_are_refused() {
    let (scene, _) = scene().await;
    let before = scene.read("s/snapshot.yaml");
    let args = [
        "select",
        "s",
        "--no-mock",
        "*",
        "--mock",
        "one.test:80",
        "--tap",
        "http://two.*",
        "--json",
        "--dry-run",
    ];
    let done = scene.understudy(args).run().await.expect(0).json();
    let change = serde_json::json!({ "backend": "http://two.test", "from": "mock", "to": "tap" });
    assert_eq!(done["changes"], serde_json::json!([change]), "the later choices count");
    assert_eq!(done["backends"], serde_json::json!({ "http://one.test": "mock", "http://two.test": "tap" }));
    let done = scene.understudy(["select", "s", "--mock", "*"]).run().await.expect(0);
    assert!(done.out.ends_with("2 of 2 backends mocked; nothing changes\n"), "{done}");
    let refused = |args: &[&str]| scene.understudy([&["select", "s"], args].concat()).run();
    let done = refused(&["--no-mock", "*", "--mock", "three.*"]).await.expect(2);
    done.says(&[
        "no backend of s is named by \"three.*\"; there are:\n  http://one.test\n  http://two.test\n",
    ]);
    refused(&[]).await.expect(2).says(&["--no-mock <PATTERN>"]);
    refused(&["--mock", "http://one.test/path"]).await.expect(2).says(&["is not a pattern for backends"]);
    assert_eq!(scene.read("s/snapshot.yaml"), before, "nothing is written");
}

#[tokio::test]
async fn backend_only_in_the_exchanges_can_be_selected() {
    let (scene, _) = scene().await;
    let lines = scene.read("s/exchanges.ndjson").replace("http://two.test", "http://three.test");
    scene.file("s/exchanges.ndjson", lines);
    let done = scene.understudy(["select", "s", "--no-mock", "three.test"]).run().await.expect(0);
    assert!(done.out.contains("☐ mock → off   http://three.test\n"), "{done}");
    assert!(scene.read("s/snapshot.yaml").contains("  \"http://three.test\":\n    mode: off\n"));
    let done = scene.understudy(["inspect", "s", "--json"]).run().await.expect(0).json();
    let modes: Vec<_> =
        done["backends"].as_array().expect("a list").iter().map(|b| (&b["host"], &b["mode"])).collect();
    assert!(modes.contains(&(&"three.test".into(), &"off".into())), "{modes:?}");
}

#[tokio::test]
async fn inspect_shows_technologies_and_the_map() {
    let scene = Scene::new().await;
    let here = |args: &[&str]| scene.understudy(args).folder(root()).run();
    let svg = scene.path("map.svg");
    let svg_name = svg.to_str().expect("text");
    let done = here(&["inspect", "snapshots/payment", "--svg", svg_name]).await.expect(0);
    for text in [
        "*:8080 (192) ─▶ payment\n",
        "─▶ ☑ DynamoDB  dynamodb.us-east-1.amazonaws.com:443 tls  147   51 %",
        "DynamoDB, HTTP, HTTP Auth, HTTP Auth AWS, JSON, TLS, AWS\n",
        "HTTP, HTTP Auth, JSON, Stripe, TLS, Bearer\n",
        "HTTP, HTTP Auth, Hubspot, JSON, TLS, Bearer\n",
        "HTTP, JSON, Plaid, TLS\n",
        "GCP, HTTP, JSON, TLS\n",
    ] {
        assert!(done.out.contains(text), "{text:?}: {done}");
    }
    assert!(done.out.contains("*:8080 (192) ─▶ payment"), "{done}");
    assert!(!done.out.contains("can't be served as answers"), "inbound exchanges aren't to be: {done}");
    let drawn = std::fs::read_to_string(&svg).expect("a map");
    assert!(drawn.starts_with("<svg xmlns=") && drawn.contains("147 requests · 51 %"), "{drawn}");
    let done = here(&["inspect", "snapshots/payment", "--json"]).await.expect(0).json();
    let backends = done["backends"].as_array().expect("a list");
    let stripe = backends.iter().find(|backend| backend["name"] == "https://api.stripe.com").expect("Stripe");
    assert_eq!(
        (&stripe["host"], &stripe["port"], &stripe["tls"]),
        (&"api.stripe.com".into(), &443.into(), &true.into())
    );
    let bearer =
        serde_json::json!({ "name": "Bearer", "kind": "scheme", "evidence": ["authorization: Bearer"] });
    assert!(stripe["technologies"].as_array().expect("a list").contains(&bearer), "{stripe}");
    here(&["inspect", "snapshots/payment", "--svg", "/"]).await.expect(2).says(&["can't write"]);
}

#[tokio::test]
async fn inspect_fits_the_terminal() {
    let (scene, _) = scene().await;
    for columns in [40, 80, 200] {
        let command = format!("stty cols {columns}; {} inspect s", env!("CARGO_BIN_EXE_understudy"));
        let script = script("pty_run.py");
        let done =
            scene.program(&python(), [script.as_str(), "--", "sh", "-c", &command]).run().await.expect(0);
        let table = done.out.split("one.test").nth(1).expect("a map");
        let longest = table.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(columns), "{columns}: {done}");
        assert!(table.contains("two.test"), "{done}");
    }
}
