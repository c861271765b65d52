//! Tests of the output of `inspect`, `lint`, `bundle` and `match`, as text and as JSON.

use crate::scene::{Scene, client};

/// Three exchanges with one backend, two of them to one request with different answers.
async fn scene() -> Scene {
    let scene = Scene::new().await;
    let requests = ["GET http://api.test/a", "GET http://api.test/a", "POST http://api.test/b x"];
    scene.record(&[], &client(&requests)).run().await.expect(0);
    scene
}

#[tokio::test]
async fn inspect_summarises_a_snapshot() {
    let scene = scene().await;
    let done = scene.understudy(["inspect", "s", "--verbose"]).run().await.expect(0);
    let row: Vec<_> = done.out.lines().filter(|line| line.starts_with("☑ mock")).collect();
    let cells: Vec<_> = row.first().expect("a row").split_whitespace().collect();
    assert_eq!(
        cells[2..8],
        ["outbound", "HTTP/1.1", "api.test", "80", "3", "2"],
        "the last are requests and signatures: {done}"
    );
    assert!(done.out.starts_with("s: s, 3 exchanges with 1 backend, recorded 2"), "{done}");
    for text in
        ["on a miss: fail", "http://api.test (200×3), 1 B sent", " 2 GET /a\n", " 1 POST /b\n", "p50", "p95"]
    {
        assert!(done.out.contains(text), "{text:?}: {done}");
    }
    let done = scene.understudy(["inspect", "s", "--json"]).run().await.expect(0).json();
    let backend = &done["backends"][0];
    assert_eq!((&done["type"], &done["exchanges"]), (&"snapshot".into(), &3.into()));
    assert_eq!((&backend["name"], &backend["mode"]), (&"http://api.test".into(), &"mock".into()));
    assert_eq!((&backend["signatures"], &backend["statuses"]["200"]), (&2.into(), &3.into()));
    assert!(backend["p50_us"].as_u64() <= backend["p95_us"].as_u64() && backend["p95_us"].as_u64() > Some(0));
}

#[tokio::test]
async fn inspect_summarises_a_module() {
    let scene = scene().await;
    scene
        .understudy(["bundle", "--plain", "-o", "plain.wasm"])
        .run()
        .await
        .expect(0)
        .says(&["the plain filter"]);
    let bundled = scene.understudy(["bundle", "s", "-o", "s.wasm", "--json"]).run().await.expect(0).json();
    let done = scene.understudy(["inspect", "plain.wasm"]).run().await.expect(0);
    assert!(
        done.out.contains("the plain filter, without a table") && done.out.contains("verified"),
        "{done}"
    );
    let done = scene.understudy(["inspect", "plain.wasm", "--json"]).run().await.expect(0).json();
    assert_eq!(
        (&done["type"], &done["plain"], &done["verified"]),
        (&"module".into(), &true.into(), &true.into())
    );

    let digest = bundled["table"].as_str().expect("a digest");
    let done = scene.understudy(["inspect", "s.wasm"]).run().await.expect(0);
    for text in
        ["the snapshot s,", digest, "verified: 2 signatures from 3 exchanges", "mock  http://api.test"]
    {
        assert!(done.out.contains(text), "{text:?}: {done}");
    }
    let done = scene.understudy(["inspect", "s.wasm", "--json"]).run().await.expect(0).json();
    assert_eq!(
        (&done["plain"], &done["verified"], &done["snapshot"]),
        (&false.into(), &true.into(), &"s".into())
    );
    assert_eq!((&done["table"]["digest"], &done["bytes"]), (&digest.into(), &bundled["bytes"]));
    assert_eq!(done["backends"][0]["name"], "http://api.test");
}

#[tokio::test]
async fn lint_fails_on_errors_and_with_strict_on_warnings() {
    let scene = scene().await;
    let done = scene.understudy(["lint", "s", "--strict"]).run().await.expect(0);
    assert_eq!(done.out, "s: 0 errors, 0 warnings, 1 note (--verbose lists them)\n");
    let done = scene.understudy(["lint", "s", "--verbose"]).run().await.expect(0);
    assert!(
        done.out.starts_with("note: sequence, exchanges.ndjson:1, http://api.test, 2 times\n    GET /a"),
        "{done}"
    );

    let lines = scene.read("s/exchanges.ndjson");
    let unanswered = lines.lines().map(|line| line.split(",\"response\":").next().expect("text"));
    let unanswered: String = unanswered.map(|line| format!("{line},\"end\":\"no-response\"}}\n")).collect();
    scene.file("s/exchanges.ndjson", unanswered);
    let done = scene.understudy(["lint", "s"]).run().await.expect(0);
    assert!(
        done.out.contains("warning: no-response, exchanges.ndjson:1, http://api.test, 3 times"),
        "{done}"
    );
    scene.understudy(["lint", "s", "--strict"]).run().await.expect(1);
    let done = scene.understudy(["lint", "s", "--json"]).run().await.expect(0).json();
    assert_eq!((&done["errors"], &done["warnings"]), (&0.into(), &1.into()));
    let finding = &done["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["line"], &finding["count"]),
        (&"no-response".into(), &1.into(), &3.into())
    );
    // The others say that something is left out, and where to look.
    let done = scene.understudy(["bundle", "s", "-o", "s.wasm"]).run().await.expect(0);
    done.says(&["warning: 3 recorded exchanges can't be answered", "see `understudy lint`", "0 signatures"]);
    let done = scene.understudy(["inspect", "s"]).run().await.expect(0);
    assert!(done.out.contains("`understudy lint` lists them with reasons"), "{done}");
    let row = done.out.lines().find(|line| line.starts_with("☑ mock")).expect("a row");
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[6..9], ["3", "0", "2"], "requests, answerable, signatures: {done}");
}

#[tokio::test]
async fn match_gives_the_verdicts_of_respond() {
    let scene = scene().await;
    let done = scene.understudy(["match", "s", "s", "--verbose"]).run().await.expect(0);
    for text in [
        "match       200  GET http://api.test/a  #1 (1 of 2)",
        "#2 (2 of 2)",
        "responder rate 100.0 % (3 of 3",
    ] {
        assert!(done.out.contains(text), "{text:?}: {done}");
    }
    let cmd = client(&["GET http://api.test/other", "GET http://api.test/a"]);
    scene.respond(&["--report", "report.json"], &cmd).run().await.expect(1);
    let done =
        scene.understudy(["match", "s", "report.json", "--report", "again.json"]).run().await.expect(1);
    assert!(done.out.contains("nearest: #1 GET /a") && done.out.contains("(1 of 2 requests"), "{done}");
    let verdicts = |name: &str| {
        let report: serde_json::Value = serde_json::from_str(&scene.read(name)).expect("JSON");
        let requests = report["requests"].as_array().expect("requests").clone();
        requests.into_iter().map(|r| (r["verdict"].clone(), r["nearest"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(verdicts("report.json"), verdicts("again.json"));
    // Once it is recorded, the same report says that nothing is missing any more.
    let more = client(&["GET http://api.test/other", "GET http://api.test/a"]);
    scene.record(&["--force"], &more).run().await.expect(0);
    let done = scene.understudy(["match", "s", "report.json"]).run().await.expect(0);
    assert!(
        done.out.contains("missed then, match now: 1; matched then, miss now: 0; as before: 1"),
        "{done}"
    );
    assert!(
        done.out.contains("http://api.test/other  #1  (then: miss)"),
        "what a change brings is named: {done}"
    );
}

#[tokio::test]
async fn match_shows_the_effect_of_a_rule() {
    let scene = Scene::new().await;
    let ask = |page: u8| format!("GET http://api.test/a?page={page}&size=10");
    scene.record(&[], &client(&[&ask(1)])).run().await.expect(0);
    scene.respond(&["--report", "r.json"], &client(&[&ask(1), &ask(2)])).run().await.expect(1);
    let done = scene.understudy(["match", "s", "r.json"]).run().await.expect(1);
    for text in [
        "matched then, miss now: 0; as before: 2",
        "no recorded request has this signature",
        "nearest: #1 GET /a, 75 % the same",
        "query.page: recorded 1, asked 2",
    ] {
        assert!(done.out.contains(text), "{text:?}: {done}");
    }
    let header = scene.read("s/snapshot.yaml");
    scene.file("s/snapshot.yaml", format!("{header}rules:\n- path: /a\n  mask: [query.page]\n"));
    let done =
        scene.understudy(["match", "s", "r.json", "--verbose", "--report", "now.json"]).run().await.expect(0);
    for text in ["missed then, match now: 1", "?page=2&size=10  #1  other in query.page  (then: miss)"] {
        assert!(done.out.contains(text), "{text:?}: {done}");
    }
    scene.file("s/snapshot.yaml", header);
    let done = scene.understudy(["match", "s", "now.json", "--json"]).run().await.expect(1).json();
    let changes = &done["changes"];
    assert_eq!(changes["matched_then_misses_now"], 1, "{done}");
    assert_eq!((&changes["missed_then_matches_now"], &changes["unchanged"]), (&0.into(), &1.into()));
    let done = scene.understudy(["match", "s", "s", "--json"]).run().await.expect(0).json();
    assert!(done.get("changes").is_none(), "a recording has no verdicts: {done}");
}

#[tokio::test]
async fn several_snapshots_make_one_module() {
    let scene = scene().await;
    std::fs::create_dir(scene.path("t")).expect("a folder");
    scene.file("t/exchanges.ndjson", scene.read("s/exchanges.ndjson"));
    let bundle = || scene.understudy(["bundle", "s", "t", "-o", "both.wasm"]).run();
    let name = |name: &str| {
        let text = scene.read("s/snapshot.yaml");
        let named = text.lines().map(|line| if line.starts_with("name: ") { name } else { line });
        scene.file("t/snapshot.yaml", named.collect::<Vec<_>>().join("\n") + "\n");
    };
    name("name: s");
    bundle().await.expect(2).says(&["two of the snapshots are called `s`: change `name`"]);
    assert!(!scene.path("both.wasm").exists(), "nothing half-made is left");
    name("name: t");
    bundle().await.expect(0).says(&["4 signatures"]);
    let done = scene.understudy(["inspect", "both.wasm"]).run().await.expect(0);
    assert!(done.out.contains("the snapshot s, t,") && done.out.contains("verified"), "{done}");
}
