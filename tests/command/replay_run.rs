//! Tests of a replay's course: carried values, services that aren't ready, signals, bad arguments,
//! and the formats of the report.

use crate::call::{Call, Done};
use crate::scene::{Scene, python, script, shell};
use rustix::process::Signal;
use serde_json::Value;
use understudy_testkit::ports;

/// Records shop.py and shopper.py into `s`, and returns the port of the shop.
async fn shopped(scene: &Scene) -> u16 {
    let [listen, app] = ports();
    let (python, shop, shopper) = (python(), script("shop.py"), script("shopper.py"));
    let cmd =
        shell(&format!("'{python}' '{shop}' {app} & '{python}' '{shopper}' 127.0.0.1:{listen}; kill $!"));
    let args = ["record", "-o", "s", "--inbound", &format!("{listen}={app}"), "--"].map(str::to_owned);
    scene.understudy(args.into_iter().chain(cmd)).run().await.expect(0);
    app
}

fn replay(scene: &Scene, args: &[&str], port: u16, what: &str) -> Call {
    let before = ["replay", "s", "--speed", "max", "--report", "r.json"].map(str::to_owned);
    let args = args.iter().map(|arg| (*arg).to_owned());
    let cmd = ["--".to_owned(), python(), script("shop.py"), port.to_string(), what.to_owned()];
    scene.understudy(before.into_iter().chain(args).chain(cmd))
}

fn report(scene: &Scene) -> Value {
    serde_json::from_str(&scene.read("r.json")).expect("a report")
}

#[tokio::test]
async fn issued_values_are_carried_and_noise_is_ignored() {
    let scene = Scene::new().await;
    let port = shopped(&scene).await;
    let done = replay(&scene, &["--verbose"], port, "late").run().await.expect(0);
    let done = done.says(&[" header.x-shop-ticket", "body/asked", "PASSED: "]);
    assert!(!done.err.contains("never sent"), "{done}");
    let report = report(&scene);
    let carried = report["carried"].as_array().expect("a list");
    let to = |at: &str| carried.iter().any(|one| one["to"].to_string().contains(at));
    assert!(to("header.x-shop-ticket") && to("path.2") && to("body/form"), "{carried:?}");
    assert!(
        carried.iter().any(|one| one["from_at"].as_str().expect("text").contains("name=\\\"form\\\"")),
        "{carried:?}"
    );
    let ignored = report["ignored"].to_string();
    assert!(
        ignored.contains("body/trace") && ignored.contains("neither a client nor a backend"),
        "{ignored}"
    );

    // Without what is learnt nobody gets in.
    scene.file("replay.yaml", "version: 1\ncarry: {learn: false}\n");
    let done = replay(&scene, &["--config", "replay.yaml"], port, "").run().await.expect(1);
    done.says(&["status: recorded 201, now 401"]);
    scene.all_gone().await;
}

#[tokio::test]
async fn several_users_play_the_recording_each_with_its_own_values() {
    let scene = Scene::new().await;
    let port = shopped(&scene).await;
    let done = replay(&scene, &["--vus", "5", "--times", "3"], port, "").run().await.expect(0);
    done.says(&["dropped and extra calls weren't counted: the recording was played more than once"]);
    let report = report(&scene);
    let steps = report["pairs"].as_array().expect("pairs").len();
    assert_eq!(report["success"]["same"], 15 * steps);
    scene.all_gone().await;
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_named_within_the_time() {
    let scene = Scene::new().await;
    let port = shopped(&scene).await;
    let check = async |args: &[&str], what: &str, says: &[&str]| {
        let args = [&["--ready-timeout", "2s", "--grace", "1"], args].concat();
        replay(&scene, &args, port, what).run().await.expect(1).says(says);
        assert_eq!(report(&scene)["end"]["how"], "never-ready");
        scene.all_gone().await;
    };
    check(&[], "never", &["FAILED: nothing was sent", "the service never was ready: within 2 s"]).await;
    check(&[], "ends", &["the service never was ready: it gave the status 7 before it was ready"]).await;
    assert!(report(&scene)["logs"]["text"].as_str().expect("text").contains("no database"));
    check(&["--ready", "/ready"], "unready", &["/ready is answered with 503"]).await;
}

#[tokio::test]
async fn ctrl_c_ends_the_replay_with_a_report() {
    let scene = Scene::new().await;
    let port = shopped(&scene).await;
    let running = replay(&scene, &["--times", "100000"], port, "").start();
    running.says("somebody entered\nsomebody entered").await;
    running.signal(Signal::INT);
    running.end().await.expect(1).says(&["it was interrupted", "report written to r.json"]);
    let report = report(&scene);
    assert_eq!(report["end"]["how"], "interrupted");
    assert!(report["success"]["sent"].as_u64().expect("a number") > 0, "{report}");
    scene.all_gone().await;
}

#[tokio::test]
async fn two_runs_of_one_build_are_a_baseline() {
    let scene = Scene::new().await;
    let port = shopped(&scene).await;
    scene.file("strict.yaml", "version: 1\ncompare: {learn: false}\n");
    let strict = ["--config", "strict.yaml"];
    replay(&scene, &strict, port, "").run().await.expect(1).says(&["body/asked", "body/trace"]);
    std::fs::rename(scene.path("r.json"), scene.path("first.json")).expect("a report");
    let args = [&strict[..], &["--baseline", "first.json"]].concat();
    replay(&scene, &args, port, "").run().await.expect(0);
    assert!(report(&scene)["ignored"].to_string().contains("it differed in the baseline too"));
    let done = scene.understudy(["report", "--compare", "first.json", "r.json"]).run().await.expect(0);
    assert!(done.out.contains("works again: GET /orders/"), "{done}");
    scene.understudy(["report", "--compare", "r.json", "first.json"]).run().await.expect(1);
    scene.all_gone().await;
}

#[tokio::test]
async fn the_report_is_also_a_page_and_xml_that_parse() {
    let scene = Scene::new().await;
    let port = shopped(&scene).await;
    scene.file("replay.yaml", "version: 1\ncompare: {learn: false}\n");
    let args =
        ["--config", "replay.yaml", "--json", "--html", "r.html", "--junit", "r.xml", "--markdown", "r.md"];
    let args = [&args[..], &["--build-tag", "<b>&\"1\""]].concat();
    let done: Done = replay(&scene, &args, port, "").run().await.expect(1);
    assert_eq!(done.json()["success"]["different"], 2, "{done}");
    let parse = "import sys, xml.etree.ElementTree as e; r = e.parse('r.xml').getroot(); \
        print(len(r.findall('.//testcase/failure')), r.get('failures'))";
    let parsed = scene.program(&python(), ["-c", parse]).run().await.expect(0);
    assert_eq!(parsed.out.trim(), "3 3", "two requests and a goal");
    let page = scene.read("r.html");
    assert!(page.contains("&#60;b&#62;&#38;&#34;1&#34;") && !page.contains("<b>"), "{page}");
    assert!(scene.read("r.md").contains("failed"));
    let done = scene.understudy(["report", "r.json", "--html", "again.html"]).run().await.expect(1);
    assert!(done.out.contains("FAILED: "), "{done}");
    assert_eq!(scene.read("again.html"), page, "it is made of the file alone");
}

#[tokio::test]
async fn contradictory_arguments_are_refused_before_anything_runs() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let check = async |args: &[&str], says: &[&str]| {
        let args = [&["replay", "s"], args].concat();
        let done = scene.understudy(args).run().await;
        done.expect(2).says(says);
        assert!(!scene.path("ran").exists());
    };
    let cmd = ["--", "touch", "ran"];
    let with = |args: &[&'static str]| [args, &cmd].concat();
    check(&with(&["--target", "http://127.0.0.1:1"]), &["has no inbound requests", "--inbound LISTEN=APP"])
        .await;
    check(&[], &["write the service's command after `--`"]).await;
    check(&["--mode", "generator-only"], &["needs --target"]).await;
    check(&with(&["--mode", "generator-only", "--target", "http://x"]), &["starts no service"]).await;
    check(&with(&["--fail-if", "fast"]), &["METRIC OP VALUE"]).await;
    check(&with(&["--speed", "fast"]), &["write max, 1x"]).await;
    check(&with(&["--for", "10"]), &["write 500ms, 30s"]).await;
    check(&with(&["--ready", "ready"]), &["--ready /PATH"]).await;
    check(&with(&["--report", "none/r.json"]), &["can't write none/r.json"]).await;
    check(&with(&["--config", "none.yaml"]), &["can't read none.yaml"]).await;
    check(&with(&["--baseline", "none.json"]), &["none.json"]).await;
}

#[tokio::test]
async fn port_of_another_program_is_not_driven() {
    let scene = Scene::new().await;
    let port = shopped(&scene).await;
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port");
    let done = replay(&scene, &[], port, "").run().await;
    done.expect(2).says(&["something listens at", "already"]);
}

#[tokio::test]
async fn backends_alone_are_mocked_until_cmd_ends() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let ask = |path: &str| crate::scene::client(&[&format!("GET http://api.test{path}")]);
    let run = async |path: &str| {
        let before = ["replay", "s", "--mode", "responder-only", "--"].map(str::to_owned);
        scene.understudy(before.into_iter().chain(ask(path))).run().await
    };
    run("/a").await.expect(0).says(&["PASSED: no requests were to be sent; responder rate 100.0 % (1 of 1)"]);
    run("/b").await.expect(1).says(&["miss ", "MISSED   responder >= 100%: 0.0 %"]);
    scene.all_gone().await;
}
