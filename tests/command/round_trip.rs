//! Tests that recorded exchanges are served again, and that CMD behaves as without Understudy.

use crate::call::Done;
use crate::scene::{HOLD, Scene, client, shell, shell_client, until};
use understudy_testkit::H2;

/// The answers that are recorded first; the backend would count on.
const REQUESTS: [&str; 3] =
    ["GET http://api.test/a", "POST http://api.test/b {\"x\":1}", "GET http://api.test/a"];
const ANSWERS: &str = "200 answer 1 to GET /a\n200 answer 2 to POST /b\n200 answer 3 to GET /a\n";

#[tokio::test]
async fn recorded_answers_are_served_each_time() {
    let scene = Scene::new().await;
    let done = scene.record(&[], &client(&REQUESTS)).run().await.expect(0);
    assert_eq!(done.out, ANSWERS, "CMD's stdout is its own");
    done.says(&["s: 3 exchanges with 1 backend recorded", "3  http://api.test"]);
    assert_eq!(scene.names(), ["s"], "and no capture folder");
    for _ in 0..2 {
        let done = scene.respond(&["--report", "report.json"], &client(&REQUESTS)).run().await.expect(0);
        assert_eq!(done.out, ANSWERS);
        done.says(&["responder rate 100.0 % (3 of 3 requests answered from s)"]);
        let report: serde_json::Value = serde_json::from_str(&scene.read("report.json")).expect("JSON");
        assert_eq!((&report["type"], &report["v"]), (&"report".into(), &1.into()));
        assert_eq!(report["requests"].as_array().map(Vec::len), Some(3));
        assert_eq!(report["summary"]["complete"], true);
    }
    assert_eq!(scene.upstream.seen().len(), 3, "answering asks nobody");
    scene.all_gone().await;
}

#[tokio::test]
async fn a_miss_is_refused_named_and_counted() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let cmd = client(&["GET http://api.test/a", "GET http://api.test/other"]);
    let done = scene.respond(&["--json"], &cmd).run().await.expect(1);
    let summary = done.json();
    assert_eq!((&summary["matches"], &summary["misses"]), (&1.into(), &1.into()));
    assert_eq!(summary["responder_rate"], 50.0);
    let done = done.says(&[
        "404 {",
        "GET http://api.test/other",
        "nearest: #1 GET /a",
        "path.1: recorded a, asked other",
    ]);
    assert!(!done.out.contains("200 answer"), "with --json CMD's stdout goes to stderr: {done}");
    assert_eq!(scene.upstream.seen().len(), 1, "a miss asks nobody");
}

#[tokio::test]
async fn a_miss_may_pass_or_be_captured() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let map = format!("api.test=http://{}", scene.upstream.address());
    let cmd = client(&["GET http://api.test/a", "GET http://api.test/more"]);
    let pass = ["--map", &map, "--on-miss", "passthrough"];
    let done = scene.respond(&pass, &cmd).run().await.expect(0);
    assert_eq!(done.out, "200 answer 1 to GET /a\n200 answer 2 to GET /more\n");
    done.says(&["       1        0            1  http://api.test"]);
    assert_eq!(scene.names(), ["s"]);

    let capture = ["--map", &map, "--on-miss", "capture", "-o", "missed"];
    let done = scene.respond(&capture, &cmd).run().await.expect(0);
    assert_eq!(done.out, "200 answer 1 to GET /a\n200 answer 3 to GET /more\n");
    done.says(&["the misses were recorded to missed"]);
    assert_eq!(scene.names(), ["missed", "s"]);
    assert_eq!(scene.read("missed/exchanges.ndjson").lines().count(), 1);
    let args = ["respond", "missed", "--"]
        .map(str::to_owned)
        .into_iter()
        .chain(client(&["GET http://api.test/more"]));
    let done = scene.understudy(args).run().await.expect(0);
    assert_eq!(done.out, "200 answer 3 to GET /more\n", "what was captured answers");
    scene.respond(&["--on-miss", "capture"], &cmd).run().await.expect(2).says(&["--output"]);
}

#[tokio::test]
async fn the_status_of_cmd_is_passed_on() {
    let scene = Scene::new().await;
    let call = shell_client("'GET http://api.test/a'");
    for (end, code) in [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 128 + 9), ("kill -15 $$", 128 + 15)] {
        let cmd = shell(&format!("{call}; {end}"));
        let done = scene.record(&["--force", "--json"], &cmd).run().await.expect(code);
        let summary = done.json();
        assert_eq!(summary["status"], code);
        assert_eq!((&summary["complete"], &summary["snapshot"]), (&true.into(), &"s".into()));
        assert_eq!(summary["backends"][0]["exchanges"], 1);
        scene.respond(&[], &cmd).run().await.expect(code);
    }
    let cmd = shell(&format!("{}; exit 7", shell_client("'GET http://api.test/missing'")));
    scene.respond(&[], &cmd).run().await.expect(7).says(&["responder rate 0.0 %"]);
    scene.all_gone().await;
}

#[tokio::test]
async fn client_that_bypasses_the_proxy_is_reported() {
    async fn variable(scene: &Scene, args: &[&str], theirs: &str) -> String {
        let cmd = shell("echo \"$NO_PROXY|$no_proxy|${ALL_PROXY-none}\"");
        let call = scene.respond(args, &cmd).env("no_proxy", theirs).env("ALL_PROXY", "http://127.0.0.1:1");
        call.run().await.expect(0).out.trim().to_owned()
    }
    let scene = Scene::new().await;
    scene.recorded().await;
    let both = |hosts: &str| format!("{hosts}|{hosts}|none");
    assert_eq!(variable(&scene, &[], "a.test").await, both("a.test,localhost,127.0.0.1,::1"));
    assert_eq!(variable(&scene, &["--include-localhost"], "a.test,localhost").await, both("a.test"));
}

#[tokio::test]
async fn calls_to_this_machine_are_recorded_on_request() {
    let scene = Scene::new().await;
    let url = format!("GET http://{}/a", scene.upstream.address());
    let cmd = client(&[&url]);
    let done = scene.record(&[], &cmd).run().await.expect(2);
    assert_eq!(done.out, "200 answer 1 to GET /a\n");
    done.says(&["nothing was recorded", "HTTPS_PROXY"]);
    assert!(scene.names().is_empty(), "{:?}", scene.names());
    scene.record(&["--include-localhost"], &cmd).run().await.expect(0);
    let done = scene.respond(&["--include-localhost"], &cmd).run().await.expect(0);
    assert_eq!(done.out, "200 answer 2 to GET /a\n");
}

#[tokio::test]
async fn snapshot_is_replaced_only_on_request() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let before = scene.read("s/exchanges.ndjson");
    scene.file("s/notes.txt", "mine");
    let cmd = client(&["GET http://api.test/new"]);
    scene.record(&[], &cmd).run().await.refused(&["there is a snapshot at", "--force"]);
    assert_eq!(scene.read("s/exchanges.ndjson"), before);
    assert_eq!(scene.upstream.seen().len(), 1, "CMD wasn't run");
    scene.record(&["--force"], &cmd).run().await.expect(0);
    assert!(scene.read("s/exchanges.ndjson").contains("/new"));
    assert_eq!((scene.read("s/notes.txt").as_str(), scene.names()), ("mine", vec!["s".to_owned()]));
}

#[tokio::test]
async fn two_workers_answer_http2() {
    async fn ask(scene: &Scene, call: crate::call::Call) -> (Vec<String>, Done) {
        let running = call.start();
        let proxy = until("no proxy", || std::fs::read_to_string(scene.path("proxy")).ok()).await;
        let client = H2::open(proxy.trim().parse().expect("an address")).await;
        let mut answers = Vec::new();
        for path in ["/a", "/b"] {
            let url = format!("http://api.test{path}");
            let answer = client.request("GET", &url, &[], None, None).await.expect("an answer");
            answers.push(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)));
        }
        drop(client);
        std::fs::remove_file(scene.path("proxy")).expect("the file");
        (answers, running.end().await.expect(0))
    }
    let scene = Scene::new().await;
    scene
        .record(&["--workers", "2"], &client(&["GET http://api.test/a", "GET http://api.test/b"]))
        .run()
        .await
        .expect(0);
    let (answers, done) = ask(&scene, scene.respond(&["--workers", "2"], &shell(HOLD))).await;
    assert_eq!(answers, ["200 answer 1 to GET /a", "200 answer 2 to GET /b"]);
    done.says(&["(2 of 2 requests"]);
}
