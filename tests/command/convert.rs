//! `import` and `export`: recordings of other tools, there and back.

use crate::scene::{Scene, root};

/// A file of the converters' own tests.
fn fixture(name: &str) -> String {
    root().join("crates/convert/tests/fixtures").join(name).to_string_lossy().into_owned()
}

#[tokio::test]
async fn exported_and_imported_sample_answers_itself() {
    let scene = Scene::new().await;
    let sample = root().join("snapshots/payment").to_string_lossy().into_owned();
    // Inbound exchanges are exported if the format has a place for them.
    for (format, number) in [("rrpair-jsonl", 477), ("rrpair-md", 477), ("har", 285), ("hoverfly", 285)] {
        let done =
            scene.understudy(["export", &sample, "-o", format, "--format", format]).run().await.expect(0);
        done.says(&[&format!(": {number} exchanges exported from ")]);
        let into = format!("{format}-back");
        let done = scene.understudy(["import", format, "-o", &into]).run().await.expect(0);
        done.says(&[&format!(": {number} exchanges with 5 backends imported from ")]);
        for (from, asked) in [(&into, &into), (&into, &sample), (&sample, &into)] {
            let done =
                scene.understudy(["match", from.as_str(), asked.as_str(), "--json"]).run().await.expect(0);
            assert_eq!(done.json()["responder_rate"], 100.0, "{format}: {from} for {asked}");
        }
    }
    scene.understudy(["export", &sample, "-o", "wiremock", "--format", "wiremock"]).run().await.expect(0);
    let host = "wiremock/https-dynamodb.us-east-1.amazonaws.com";
    let backend = "https://dynamodb.us-east-1.amazonaws.com";
    let done = scene.understudy(["import", host, "-o", "back", "--backend", backend]).run().await.expect(0);
    done.says(&["back: 147 exchanges with 1 backend imported"]);
    scene.understudy(["match", "back", "back"]).run().await.expect(0);
}

#[tokio::test]
async fn omissions_are_reported_as_text_and_json() {
    let scene = Scene::new().await;
    let done = scene.understudy(["import", &fixture("shop.har"), "-o", "s", "--json"]).run().await.expect(0);
    let summary = done.json();
    assert_eq!((&summary["format"], &summary["exchanges"]), (&"har".into(), &2.into()));
    assert_eq!(summary["backends"][0]["backend"], "http://shop.test:8080");
    let notes = summary["notes"].as_array().expect("notes");
    assert_eq!(notes.len(), 5, "{done}");
    assert_eq!(notes[1]["what"], "left-out");
    assert_eq!(notes[1]["item"], "entry 3 (GET https://ads.test/)");
    done.says(&[
        "warning: left out: wss: isn't HTTP: entry 5 (GET wss://shop.test/live)\n",
        "warning: changed: the body is kept decoded",
        "s: 2 exchanges with 2 backends imported",
    ]);
    let wiremock = fixture("wiremock");
    let args = ["import", &wiremock, "-o", "w", "--backend", "http://API.test:80/"];
    scene.understudy(args).run().await.expect(0).says(&["`request.urlPattern` is no exact match"]);
    let header = scene.read("w/snapshot.yaml");
    assert!(
        header.contains("http://api.test\":\n    mode: mock\n    exchanges: 9\n    sequence: stick-last"),
        "{header}"
    );
    let done = scene.understudy(["import", &fixture("rrpair"), "-o", "r"]).run().await.expect(0);
    done.says(&["left out: mysql isn't HTTP", "4 exchanges with 3 backends"]);
    let exchanges = scene.read("r/exchanges.ndjson");
    assert!(exchanges.contains("\"id\":\"00112233-4455-6677-8899-aabbccddeeff\""), "{exchanges}");
    assert!(scene.read("r/snapshot.yaml").contains("service: web"));
}

#[tokio::test]
async fn impossible_conversion_is_refused_and_leaves_nothing() {
    let scene = Scene::new().await;
    let import = |args: &[&str]| scene.understudy([&["import", "-o", "s"], args].concat());
    import(&["nothing"]).run().await.refused(&["there is nothing at nothing"]);
    scene.file("odd.json", "[1]");
    import(&["odd.json"]).run().await.refused(&["can't tell what odd.json is", "--format"]);
    import(&["odd.json", "--format", "har"]).run().await.refused(&["odd.json:1: not a HAR"]);
    import(&[&fixture("wiremock")]).run().await.refused(&["--backend scheme://host[:port]"]);
    import(&[&fixture("wiremock"), "--backend", "api.test"])
        .run()
        .await
        .refused(&["write scheme://host[:port]"]);
    scene.file("empty.har", r#"{"log":{"version":"1.2","entries":[]}}"#);
    import(&["empty.har"]).run().await.refused(&["nothing in empty.har can be imported"]);
    scene.file("cut.jsonl", "{\"msgType\":\"rrpair\",\"http\":{\"req\":{\"host\":\"h\"}}}\n{\"msgType\":");
    import(&["cut.jsonl"]).run().await.refused(&["cut.jsonl:2: not an RRPair"]);
    assert_eq!(scene.names(), ["cut.jsonl", "empty.har", "odd.json"], "nothing half-written");

    import(&[&fixture("shop.har")]).run().await.expect(0);
    import(&[&fixture("shop.har")]).run().await.refused(&["there is a snapshot at", "--force"]);
    import(&[&fixture("shop.har"), "--force"]).run().await.expect(0);
    let again = ["import", "s", "-o", "t"];
    scene.understudy(again).run().await.refused(&["it is a snapshot already"]);
    let export = |args: &[&str]| scene.understudy([&["export", "s"], args].concat());
    scene.file("full/x", "");
    export(&["-o", "full", "--format", "wiremock"]).run().await.refused(&["name a new folder"]);
    export(&["-o", "full", "--format", "har"]).run().await.refused(&["it is a folder"]);
    export(&["-o", "x.har", "--format", "tar"]).run().await.expect(2).says(&["possible values"]);
    assert!(!scene.path("x.har").exists());
}

#[tokio::test]
async fn rules_are_learned_from_recordings_and_not_from_stubs() {
    let scene = Scene::new().await;
    let url = "http://shop.test/a?nonce=6f1d6f4c-3c1f-4f0e-8f5e-000000000001";
    let request = format!(r#"{{"method":"GET","url":"{url}","httpVersion":"HTTP/1.1","headers":[]}}"#);
    let response = r#"{"status":200,"httpVersion":"HTTP/1.1","headers":[],"content":{"mimeType":"text/plain","text":"x"}}"#;
    let entry = format!(
        r#"{{"startedDateTime":"2026-11-21T08:00:00Z","time":1,"request":{request},"response":{response}}}"#
    );
    scene.file("a.har", format!(r#"{{"log":{{"version":"1.2","entries":[{entry}]}}}}"#));
    let done = scene.understudy(["import", "a.har", "-o", "s", "--json"]).run().await.expect(0);
    assert_eq!(done.json()["rules"][0]["mask"][0], "query.nonce");
    done.says(&["1 rule added", "understudy tune s"]);
    scene.file("other/exchanges.ndjson", scene.read("s/exchanges.ndjson").replace("8f5e", "9f5e"));
    scene.file("other/snapshot.yaml", scene.read("s/snapshot.yaml"));
    scene.understudy(["match", "s", "other"]).run().await.expect(0);

    let stub = r#"{"request":{"method":"GET","url":"/a?nonce=6f1d6f4c-3c1f-4f0e-8f5e-000000000001"},"response":{"status":200}}"#;
    scene.file("stubs/mappings/a.json", stub);
    let args = ["import", "stubs", "-o", "w", "--backend", "http://shop.test"];
    scene.understudy(args).run().await.expect(0);
    let header = scene.read("w/snapshot.yaml");
    assert!(header.contains("ignore:\n  - header.*") && !header.contains("query.nonce"), "{header}");
}
