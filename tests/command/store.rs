//! Snapshots of what a collector has stored, made while it runs; and the house-keeping among them.

use crate::call::Done;
use crate::scene::{Scene, python, script};
use std::os::unix::fs::symlink;
use std::time::Duration;
use understudy_collector::{Batch, Store, StoreConfig};
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::v1;
use understudy_testkit::{Recorded, recorded};

/// 2026-11-21T08:00:00Z, in microseconds.
const EIGHT: u64 = 1_795_248_000_000_000;

/// An exchange of a VM, this number of minutes after eight o'clock.
pub(crate) fn exchange(id: &str, minute: u64, what: Recorded) -> Exchange {
    Exchange { id: id.to_owned(), time: EIGHT + minute * 60_000_000, ..what.exchange(1) }
}

/// A batch as the filter sends it.
fn batch(vm: &str, seq: u64, service: Option<&str>, exchanges: &[Exchange]) -> Batch {
    let mut body = Vec::new();
    v1::write_batch(vm, seq, 0, service, &mut body);
    exchanges.iter().for_each(|exchange| v1::write_record(exchange, None, &mut body));
    Batch::parse(body.into()).expect("a batch")
}

fn get(backend: &str, path: &str) -> Recorded {
    recorded("GET", backend, path)
}

/// A collector's store in the scene, with a running writer: `payment` has called Stripe and
/// DynamoDB, `other` Stripe.
async fn stored(scene: &Scene) -> Store {
    let store = Store::open(StoreConfig::folder(scene.path("store"))).await.expect("a store");
    let (stripe, dynamodb) = ("https://api.stripe.com", "https://dynamodb.us-east-1.amazonaws.com");
    let payment = [
        exchange("aa-1", 0, get(stripe, "/v1/one")),
        exchange("aa-2", 10, get(dynamodb, "/two")),
        exchange("aa-3", 20, get(stripe, "/v1/three")),
    ];
    for batch in [
        batch("aa", 1, Some("payment"), &payment[..2]),
        batch("bb", 1, Some("other"), &[exchange("bb-1", 5, get(stripe, "/v1/other"))]),
        // Sent again by a VM that was forgotten, and what is new.
        batch("cc", 1, Some("payment"), &payment[1..]),
    ] {
        store.append(batch).await.expect("to store");
    }
    store
}

/// `understudy snapshot create NAME --store store ARGS`.
async fn create(scene: &Scene, name: &str, args: &[&str]) -> Done {
    let before = ["snapshot", "create", name, "--store", "store"];
    scene.understudy(before.iter().chain(args)).run().await
}

/// The paths that a snapshot's requests have.
fn paths(scene: &Scene, name: &str) -> Vec<String> {
    let lines = scene.read(&format!("{name}/exchanges.ndjson"));
    let path = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line["request"]["path"].as_str().expect("a path").to_owned()
    };
    lines.lines().map(path).collect()
}

#[tokio::test]
async fn store_in_use_gives_a_snapshot() {
    let scene = Scene::new().await;
    let store = stored(&scene).await;
    let done = create(&scene, "payment", &["--service", "payment"]).await.expect(0);
    done.says(&[
        "payment: 3 exchanges with 2 backends taken from store",
        "2  https://api.stripe.com",
        "1 exchange sent more than once, and used once",
    ]);
    assert_eq!(paths(&scene, "snapshots/payment"), ["/v1/one", "/two", "/v1/three"]);
    let header = scene.read("snapshots/payment/snapshot.yaml");
    for line in ["name: payment", "service: payment", "recorded: \"2026-11-21T08:20:00.000000Z\""] {
        assert!(header.contains(line), "{line}: {header}");
    }
    let before = scene.read("snapshots/payment/exchanges.ndjson");
    create(&scene, "payment", &["--service", "payment"])
        .await
        .refused(&["there is a snapshot at", "--force"]);
    create(&scene, "payment", &["--service", "payment", "--force"]).await.expect(0);
    assert_eq!(scene.read("snapshots/payment/exchanges.ndjson"), before, "the same gives the same");
    scene.understudy(["match", "snapshots/payment", "snapshots/payment"]).run().await.expect(0);

    let mut called = exchange("aa-5", 40, get("http://127.0.0.1:8080", "/v1/five"));
    called.direction = Direction::Inbound;
    let more = [exchange("aa-4", 30, get("https://api.stripe.com", "/v1/four")), called];
    store.append(batch("aa", 2, Some("payment"), &more)).await.expect("to store");
    let done =
        create(&scene, "payment", &["--service", "payment", "--force", "--json"]).await.expect(0).json();
    assert_eq!((&done["repeated"], &done["backends"][0]["exchanges"]), (&1.into(), &3.into()));
    // Sealed, as it is after a while.
    assert_eq!(store.close(Duration::from_secs(20)).await, 0);
    let done =
        create(&scene, "closed", &["--service", "payment", "-o", "elsewhere", "--backend", "api.stripe.com"])
            .await;
    done.expect(0).says(&["1 inbound request and 3 exchanges with 1 backend taken"]);
    assert_eq!(paths(&scene, "elsewhere"), ["/v1/one", "/v1/three", "/v1/four", "/v1/five"]);
}

#[tokio::test]
async fn times_and_backends_select_exchanges() {
    let scene = Scene::new().await;
    let _store = stored(&scene).await;
    let check = async |args: &[&str], expect: &[&str]| {
        let args = [&["--service", "payment", "-o", "s", "--force"], args].concat();
        create(&scene, "s", &args).await.expect(0);
        assert_eq!(paths(&scene, "s"), expect, "{args:?}");
    };
    check(&["--from", "2026-11-21T08:10:00Z"], &["/two", "/v1/three"]).await;
    check(&["--to", "2026-11-21T09:20:00+01:00"], &["/v1/one", "/two"]).await;
    check(&["--backend", "api.stripe.com"], &["/v1/one", "/v1/three"]).await;
    check(&["--backend", "dynamodb.*", "--backend", "https://nobody"], &["/two"]).await;
    let nothing = create(&scene, "n", &["--service", "payment", "--to", "9000d ago"]).await;
    nothing.refused(&["no exchange in store was selected (3 exchanges read)", "snapshot list --store store"]);
    let backwards = create(&scene, "n", &["--from", "1h", "--to", "2h"]).await;
    backwards.refused(&["--from", "isn't before --to"]);
    create(&scene, "n", &["--from", "yesterday"])
        .await
        .expect(2)
        .says(&["is no time: write 2026-11-21T08:00:00Z"]);
    let written = std::fs::read_dir(scene.path("snapshots")).expect("a folder").count();
    assert_eq!(written, 0, "nothing is half written");
}

#[tokio::test]
async fn a_snapshot_is_of_one_service() {
    let scene = Scene::new().await;
    let store = stored(&scene).await;
    create(&scene, "s", &[]).await.refused(&["more than one service (other, payment, …)", "--service"]);
    create(&scene, "s", &["--service", "nobody"]).await.refused(&["no exchange in store was selected"]);
    store.append(batch("dd", 1, None, &[exchange("dd-1", 9, get("http://h", "/"))])).await.expect("to store");
    create(&scene, "s", &["--from", "2026-11-21T08:09:00Z", "--to", "2026-11-21T08:10:00Z"]).await.expect(0);
    assert!(!scene.read("snapshots/s/snapshot.yaml").contains("service:"));
}

#[tokio::test]
async fn folder_that_is_no_store_is_refused() {
    let scene = Scene::new().await;
    scene.file("folder/notes.txt", "mine");
    let check = async |store: &str, says: &[&str]| {
        for args in [&["create", "s"][..], &["list"]] {
            let all = [&["snapshot"], args, &["--store", store]].concat();
            scene.understudy(all).run().await.expect(2).says(says);
        }
    };
    check("gs://bucket/prefix", &["gs://bucket/prefix", "unknown here", "name a folder"]).await;
    check("file://elsewhere/x", &["another machine"]).await;
    check("nowhere", &["cannot read nowhere"]).await;
    check("folder", &["folder is no capture store", "understudy collect --store"]).await;
    assert_eq!(scene.names(), ["folder"]);
}

#[tokio::test]
async fn a_damaged_segment_is_named_and_nothing_is_written() {
    let scene = Scene::new().await;
    let store = stored(&scene).await;
    assert_eq!(store.close(Duration::from_secs(20)).await, 0);
    create(&scene, "s", &["--service", "payment"]).await.expect(0);
    let before = scene.read("snapshots/s/exchanges.ndjson");
    let segment = scene.path("store/segments/0000000001.ndjson.zst");
    let whole = std::fs::read(&segment).expect("a segment");
    std::fs::write(&segment, &whole[..whole.len() / 2]).expect("to write");
    for name in ["s", "t"] {
        let done = create(&scene, name, &["--service", "payment", "--force"]).await;
        done.refused(&["0000000001.ndjson.zst is damaged at byte", "move it away"]);
    }
    assert_eq!(scene.read("snapshots/s/exchanges.ndjson"), before);
    let names: Vec<_> = std::fs::read_dir(scene.path("snapshots"))
        .expect("a folder")
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(names, ["s"], "no half snapshot");
    scene.understudy(["snapshot", "list", "--store", "store"]).run().await.refused(&["is damaged"]);
}

#[tokio::test]
async fn secrets_match_under_the_filters_key() {
    let scene = Scene::new().await;
    let store = Store::open(StoreConfig::folder(scene.path("store"))).await.expect("a store");
    let card = |number: &str| {
        recorded("POST", "http://h", "/pay")
            .with("content-type", "application/x-www-form-urlencoded")
            .sent(format!("card[number]={number}"))
    };
    let token = exchange("aa-1", 0, card("redacted-2f0c9a41d85e7b36"));
    store.append(batch("aa", 1, None, &[token])).await.expect("to store");
    create(&scene, "s", &[])
        .await
        .expect(0)
        .says(&["if the filter's `redaction` has a key, give it with --redaction"]);
    scene.file("redaction.json", r#"{"key":"of the filter"}"#);
    // A secret that the filter has kept.
    let kept = exchange("aa-2", 1, card("4242424242424242"));
    store.append(batch("aa", 2, None, &[kept])).await.expect("to store");
    let done = create(&scene, "s", &["--force", "--redaction", "redaction.json"]).await.expect(0);
    assert!(!done.err.contains("warning"), "{done}");
    let (header, lines) =
        (scene.read("snapshots/s/snapshot.yaml"), scene.read("snapshots/s/exchanges.ndjson"));
    assert!(
        header.contains("key: of the filter") && lines.contains("redacted-2f0c9a41d85e7b36"),
        "{header}{lines}"
    );
    assert!(!lines.contains("4242424242424242"), "{lines}");
    scene.file("bad.json", "[]");
    create(&scene, "t", &["--redaction", "bad.json"])
        .await
        .refused(&["can't read bad.json", "invalid type: sequence"]);
}

#[tokio::test]
async fn snapshots_and_stores_are_listed() {
    let scene = Scene::new().await;
    let list = |args: &[&str]| scene.understudy([&["snapshot", "list"], args].concat()).run();
    let done = list(&[]).await.expect(0);
    assert_eq!(done.out, "", "{done}");
    done.says(&["no snapshots in snapshots: `understudy record -o snapshots/NAME`"]);

    let _store = stored(&scene).await;
    let done = list(&["--store", "store"]).await.expect(0);
    let expect = "\
other: 1 exchange
  from 2026-11-21T08:05:00.000000Z
  to   2026-11-21T08:05:00.000000Z
         1  https://api.stripe.com
payment: 3 exchanges
  from 2026-11-21T08:00:00.000000Z
  to   2026-11-21T08:20:00.000000Z
         2  https://api.stripe.com
         1  https://dynamodb.us-east-1.amazonaws.com
";
    assert_eq!(done.out, expect);
    let services = list(&["--store", "store", "--json"]).await.expect(0).json();
    assert_eq!(services[1]["backends"]["https://api.stripe.com"], 2);

    create(&scene, "payment", &["--service", "payment"]).await.expect(0);
    scene.file("snapshots/broken/snapshot.yaml", "version: 1");
    scene.file("snapshots/folder/notes.txt", "mine");
    let done = list(&[]).await.expect(0);
    let lines: Vec<_> = done.out.lines().collect();
    assert_eq!(lines.len(), 3, "{done}");
    assert!(lines[1].starts_with("broken") && lines[1].contains("exchanges.ndjson is missing"), "{done}");
    let columns: Vec<_> = lines[2].split_whitespace().collect();
    assert_eq!(columns, ["payment", "2026-11-21T08:20:00Z", "3", "2", "payment"]);
    let all = list(&["--json"]).await.expect(0).json();
    assert_eq!((&all[0]["code"], &all[1]["exchanges"]), (&"snapshot-missing-file".into(), &3.into()));

    let done = scene.understudy(["snapshot", "show", "payment"]).run().await.expect(0);
    assert!(
        done.out.contains("2  https://api.stripe.com (mock)") && done.out.contains("understudy inspect"),
        "{done}"
    );
    scene.understudy(["snapshot", "show", "../store"]).run().await.refused(&["is no name of a snapshot"]);
}

#[tokio::test]
async fn a_snapshot_is_deleted_and_nothing_else() {
    let scene = Scene::new().await;
    let store = stored(&scene).await;
    let delete = |args: &[&str]| scene.understudy([&["snapshot", "delete"], args].concat()).run();
    for name in ["a", "b", "c"] {
        create(&scene, name, &["--service", "payment"]).await.expect(0);
    }
    drop(store);
    scene.file("snapshots/b/notes.txt", "mine");
    scene.file("snapshots/a/.reports/20261121T090000.000000Z.json", "{}");
    scene.file("snapshots/a/.reports/.gitignore", "*");
    delete(&["a"]).await.refused(&["add --yes"]);
    delete(&["a", "--yes"]).await.expect(0).says(&["snapshots/a is deleted"]);
    delete(&["a", "--yes"]).await.refused(&["there is no snapshot at snapshots/a"]);
    delete(&["b", "--yes"]).await.expect(0).says(&["other files in the folder stay"]);
    assert_eq!(scene.read("snapshots/b/notes.txt"), "mine");
    delete(&["b", "--yes"]).await.refused(&["is no snapshot; it isn't touched"]);

    symlink("c", scene.path("snapshots/link")).expect("a link");
    symlink(
        "../../c/exchanges.ndjson",
        scene.file("snapshots/inside/snapshot.yaml", "").with_file_name("exchanges.ndjson"),
    )
    .expect("a link");
    for (name, says) in [
        ("link", "is a link"),
        ("inside", "is a link"),
        ("..", "is no name"),
        ("../snapshots/c", "is no name"),
        ("c/", "is no name"),
        (".", "is no name"),
        ("", "is no name"),
    ] {
        delete(&[name, "--yes"]).await.refused(&[says]);
    }
    assert_eq!(paths(&scene, "snapshots/c").len(), 3);
    scene.understudy(["lint", "snapshots/c"]).run().await.expect(0);
}

#[tokio::test]
async fn delete_on_a_terminal_asks_first() {
    let scene = Scene::new().await;
    let store = stored(&scene).await;
    create(&scene, "a", &["--service", "payment"]).await.expect(0);
    drop(store);
    let answer = |keys: &str| {
        let keys = format!("[y/N]={keys}\\n");
        let command =
            [&script("pty_run.py"), &keys, "--", env!("CARGO_BIN_EXE_understudy"), "snapshot", "delete", "a"];
        scene.program(&python(), command.map(str::to_owned)).run()
    };
    let done = answer("no").await.expect(1);
    assert!(done.out.contains("delete snapshots/a, 3 exchanges with 2 backends?"), "{done}");
    assert_eq!(paths(&scene, "snapshots/a").len(), 3);
    answer("y").await.expect(0);
    assert_eq!(scene.names(), ["snapshots", "store"]);
    assert!(!scene.path("snapshots/a").exists());
}
