//! `merge`: what was recorded later is added, once; what can't be united is refused and changes
//! nothing.

use crate::call::Done;
use crate::scene::{Scene, client, root};

const A: &str = "GET http://api.test/a";
const OTHER_FILES: [&str; 2] = ["s/snapshot.yaml", "s/exchanges.ndjson"];

/// A request with a nonce that is new each time.
fn with_nonce(path: &str, number: u8) -> String {
    format!("GET http://api.test/{path}?nonce=6f1d6f4c-3c1f-4f0e-8f5e-0000000000{number:02}")
}

/// Runs requests with what misses captured into a snapshot.
async fn capture(scene: &Scene, into: &str, requests: &[&str]) -> Done {
    let map = format!("api.test=http://{}", scene.upstream.address());
    let args = ["--map", &map, "--on-miss", "capture", "-o", into];
    scene.respond(&args, &client(requests)).run().await.expect(0)
}

fn files(scene: &Scene) -> String {
    OTHER_FILES.map(|name| scene.read(name)).concat()
}

#[tokio::test]
async fn captured_miss_is_answered_after_a_merge() {
    let scene = Scene::new().await;
    scene.record(&[], &client(&[A, &with_nonce("b", 1)])).run().await.expect(0);
    capture(&scene, "missed", &[A, &with_nonce("new", 2), &with_nonce("b", 3)]).await;
    let remarked = scene.read("s/snapshot.yaml").replace("mode: mock", "mode: mock # mine");
    scene.file("s/snapshot.yaml", remarked);
    let done = scene.understudy(["merge", "s", "missed", "--json"]).run().await.expect(0);
    let done = done.says(&[
        "s: 1 exchange added from missed, 0 were there already",
        "1 rule added for values that change by themselves (`understudy tune s`",
    ]);
    let told = done.json();
    assert_eq!((&told["added"], &told["held"], &told["snapshot"]), (&1.into(), &0.into(), &"s".into()));
    assert_eq!(told["rules"][0]["path"], "/new");
    assert_eq!(scene.read("s/exchanges.ndjson").lines().count(), 3);
    let header = scene.read("s/snapshot.yaml");
    assert!(header.contains("mode: mock # mine\n    exchanges: 3\n"), "{header}");
    // The nonces are new again.
    let cmd = client(&[A, &with_nonce("new", 4), &with_nonce("b", 5)]);
    let done = scene.respond(&[], &cmd).run().await.expect(0);
    done.says(&["responder rate 100.0 % (3 of 3"]);
    // Once more, nothing is new, and nothing is touched.
    let before = files(&scene);
    let done = scene.understudy(["merge", "s", "missed", "s"]).run().await.expect(0);
    done.says(&[
        "s: 0 exchanges added from missed, 1 was there",
        "s: 0 exchanges added from s, 3 were there",
    ]);
    assert_eq!(files(&scene), before);
    assert_eq!(scene.names(), ["missed", "s"]);
}

#[tokio::test]
async fn merged_answer_to_the_same_request_comes_second() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let map = format!("api.test=http://{}", scene.upstream.address());
    let call = ["record", "-o", "t", "--map", &map, "--keep-secrets", "--"].map(str::to_owned);
    scene.understudy(call.into_iter().chain(client(&[A, A]))).run().await.expect(0);
    let before = files(&scene);
    scene
        .understudy(["merge", "s", "t", "-o", "both"])
        .run()
        .await
        .expect(0)
        .says(&["both: 2 exchanges added"]);
    assert_eq!(files(&scene), before, "with -o the snapshot stays");
    scene
        .understudy(["merge", "s", "t", "-o", "both"])
        .run()
        .await
        .refused(&["there is a snapshot at", "--force"]);
    scene.understudy(["merge", "s", "t", "-o", "both", "--force"]).run().await.expect(0);
    let args = ["respond", "both", "--"].map(str::to_owned);
    let done = scene.understudy(args.into_iter().chain(client(&[A, A, A]))).run().await.expect(0);
    assert_eq!(done.out, "200 answer 1 to GET /a\n200 answer 2 to GET /a\n200 answer 3 to GET /a\n");
    // With `fail`, the number of answers matters, so that equal ones are added, except for an
    // identical exchange.
    let fail =
        scene.read("s/snapshot.yaml").replace("    exchanges: 1", "    exchanges: 1\n    sequence: fail");
    scene.file("s/snapshot.yaml", fail);
    let line = scene.read("s/exchanges.ndjson");
    scene.file("later/snapshot.yaml", scene.read("s/snapshot.yaml"));
    scene.file("later/exchanges.ndjson", line.replacen("\"time\":\"20", "\"time\":\"21", 1));
    scene
        .understudy(["merge", "s", "later", "s"])
        .run()
        .await
        .expect(0)
        .says(&["1 exchange added", "0 exchanges added from s, 1"]);
}

#[tokio::test]
async fn settings_by_hand_take_precedence() {
    let scene = Scene::new().await;
    scene.recorded().await;
    capture(&scene, "missed", &[A, "GET http://api.test/new?page=1"]).await;
    let mine = "\nrules:\n- path: /new\n  ignore:\n  - query.page\n";
    scene.file("missed/snapshot.yaml", scene.read("missed/snapshot.yaml").replace("mock", "tap") + mine);
    scene
        .understudy(["merge", "s", "missed"])
        .run()
        .await
        .expect(0)
        .says(&["1 exchange added", "1 rule added"]);
    let header = scene.read("s/snapshot.yaml");
    assert!(header.contains("mode: mock") && !header.contains("mode: tap"), "{header}");
    assert!(header.contains("ignore:\n  - query.page"), "{header}");
    scene.respond(&[], &client(&["GET http://api.test/new?page=2"])).run().await.expect(0);
}

#[tokio::test]
async fn snapshots_with_two_keys_and_compared_tokens_are_refused() {
    let scene = Scene::new().await;
    let secret = "GET http://api.test/a?password=s3cr3t-of-mine-0001";
    scene.record(&[], &client(&[secret])).run().await.expect(0);
    let map = format!("api.test=http://{}", scene.upstream.address());
    let record = |name: &str, request: &str| {
        let call = ["record", "-o", name, "--map", &map, "--"].map(str::to_owned);
        scene.understudy(call.into_iter().chain(client(&[request])))
    };
    record("t", secret).run().await.expect(0);
    record("u", "GET http://api.test/u").run().await.expect(0);
    let before = files(&scene);
    let refused = scene.understudy(["merge", "s", "t"]).run().await;
    refused.refused(&["s and t were redacted with different keys", "line 1 of its", "--on-miss capture"]);
    assert_eq!(files(&scene), before);
    scene.understudy(["merge", "s", "u"]).run().await.expect(0).says(&["1 exchange added"]);
    // A capture of a run with a snapshot has the snapshot's key.
    capture(&scene, "missed", &["GET http://api.test/b?password=s3cr3t-of-mine-0001"]).await;
    scene.understudy(["merge", "s", "missed"]).run().await.expect(0);
    let cmd = client(&[secret, "GET http://api.test/b?password=s3cr3t-of-mine-0001"]);
    scene.respond(&[], &cmd).run().await.expect(0);
    // A snapshot without a key takes one over, and has its own secrets replaced with it.
    let call = ["record", "-o", "plain", "--map", &map, "--keep-secrets", "--"].map(str::to_owned);
    scene.understudy(call.into_iter().chain(client(&[secret]))).run().await.expect(0);
    let done = scene.understudy(["merge", "plain", "t"]).run().await.expect(0);
    done.says(&["with the key of t"]);
    let paths = scene.read("plain/exchanges.ndjson").matches("\"path\":\"/a?password=redacted-").count();
    assert_eq!(paths, 2, "its own too");
    let args = ["respond", "plain", "--"].map(str::to_owned);
    scene.understudy(args.into_iter().chain(client(&[secret, secret]))).run().await.expect(0);
}

#[tokio::test]
async fn failed_merge_changes_nothing() {
    let scene = Scene::new().await;
    scene.recorded().await;
    scene.file("junk/snapshot.yaml", scene.read("s/snapshot.yaml"));
    scene.file("junk/exchanges.ndjson", scene.read("s/exchanges.ndjson") + "not json\n");
    let before = files(&scene);
    for (other, expect) in [
        ("nowhere", &["there is no snapshot at nowhere"][..]),
        ("junk", &["exchanges.ndjson:2", "mend the line"]),
    ] {
        scene.understudy(["merge", "s", other]).run().await.refused(expect);
    }
    scene.understudy(["merge", "s"]).run().await.expect(2).says(&["<OTHER>"]);
    scene.understudy(["merge", "s", "junk", "--force"]).run().await.expect(2).says(&["--output"]);
    assert_eq!(files(&scene), before);
    assert_eq!(scene.names(), ["junk", "s"], "nothing half-written");
}

#[tokio::test]
async fn names_of_exchanges_stay() {
    let scene = Scene::new().await;
    let fixture = root().join("crates/convert/tests/fixtures/rrpair").to_string_lossy().into_owned();
    scene.understudy(["import", &fixture, "-o", "s"]).run().await.expect(0);
    let map = format!("api.test=http://{}", scene.upstream.address());
    let call = ["record", "-o", "t", "--map", &map, "--"].map(str::to_owned);
    scene.understudy(call.into_iter().chain(client(&[A]))).run().await.expect(0);
    scene.understudy(["merge", "s", "t"]).run().await.expect(0);
    let exchanges = scene.read("s/exchanges.ndjson");
    assert!(
        exchanges.contains("\"id\":\"00112233-4455-6677-8899-aabbccddeeff\"")
            && exchanges.contains("\"id\":\"1\"")
    );
    scene.understudy(["match", "s", "s"]).run().await.expect(0);
}
