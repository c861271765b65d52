//! The reports of replays in the browser: from a miss to a rule, or to an answer in the snapshot,
//! and the next replay passes.

use crate::call::Call;
use crate::scene::{Scene, python, root, shell};
use crate::site::Site;
use understudy_testkit::ports;

pub(crate) const GOLDEN: &str = include_str!("../../crates/replay/tests/golden/v2/report.json");

fn till() -> String {
    root().join("tests/browser/till.py").to_string_lossy().into_owned()
}

/// Records a payment at till-7 into `snapshots/s`, and returns the port of the service.
async fn paid(scene: &Scene) -> u16 {
    let [listen, app] = ports();
    let (python, till) = (python(), till());
    let cmd =
        shell(&format!("'{python}' '{till}' {app} till-7 & '{python}' '{till}' call {listen}; kill $!"));
    let map = format!("stock.test=http://{}", scene.upstream.address());
    let way = format!("{listen}={app}");
    let args = ["record", "-o", "snapshots/s", "--map", &map, "--inbound", &way, "--"].map(str::to_owned);
    scene.understudy(args.into_iter().chain(cmd)).run().await.expect(0);
    app
}

fn replay(scene: &Scene, port: u16, args: &[&str], service: &[&str]) -> Call {
    let (python, till, port) = (python(), till(), port.to_string());
    let before = ["replay", "snapshots/s", "--speed", "max", "--build-tag", "v2"];
    scene.understudy([&before, args, &["--", &python, &till, &port], service].concat())
}

#[tokio::test]
async fn one_click_makes_a_rule_and_the_next_replay_passes() {
    let scene = Scene::new().await;
    let port = paid(&scene).await;
    replay(&scene, port, &[], &["till-8"]).run().await.expect(1).says(&["shows this report"]);
    let site = Site::start(&scene, &["snapshots"]).await;
    let blessed = root().join("docs/images").canonicalize().expect("the folder");
    let folder = if std::env::var_os("BLESS").is_some() { blessed.clone() } else { scene.path("tmp") };
    site.scenario("rule").env("PICTURES", &folder).run().await.expect(0);
    assert!(blessed.join("ui-miss.png").exists(), "run this test with BLESS=1");
    site.stop().await;
    std::fs::remove_file(scene.path("tmp/ui-miss.png")).ok();
    assert!(scene.read("snapshots/s/snapshot.yaml").contains("body/till"));
    replay(&scene, port, &[], &["till-8"]).run().await.expect(0).says(&["PASSED"]);
    let kept = std::fs::read_dir(scene.path("snapshots/s/.reports")).expect("reports").count();
    assert_eq!(kept, 3, "two reports, and what keeps them from Git");
    scene.all_gone().await;
}

#[tokio::test]
async fn an_answer_is_added_and_the_next_replay_passes() {
    let scene = Scene::new().await;
    let port = paid(&scene).await;
    let missed = replay(&scene, port, &["--keep-reports", "1"], &["till-7", "more"]).run().await.expect(1);
    missed.says(&["miss       GET http://stock.test/level"]);
    let site = Site::start(&scene, &["snapshots/s"]).await;
    site.sees("answer").await;
    site.stop().await;
    let passed = replay(&scene, port, &["--keep-reports", "1"], &["till-7", "more"]).run().await.expect(0);
    passed.says(&["PASSED", "responder rate 100.0 % (2 of 2)"]);
    assert_eq!(std::fs::read_dir(scene.path("snapshots/s/.reports")).expect("reports").count(), 2);
    scene.all_gone().await;
}

#[tokio::test]
async fn answer_of_the_real_backend_is_added() {
    let scene = Scene::new().await;
    let port = paid(&scene).await;
    let map = format!("stock.test=http://{}", scene.upstream.address());
    let args =
        ["--on-miss", "passthrough", "--map", &map, "--report", "reports/r.json", "--keep-reports", "0"];
    std::fs::create_dir(scene.path("reports")).expect("a folder");
    replay(&scene, port, &args, &["till-7", "more"]).run().await.expect(1).says(&["passthrough GET"]);
    assert!(!scene.path("snapshots/s/.reports").exists(), "nothing is kept where that is said");
    let site = Site::start(&scene, &["snapshots/s", "--reports", "reports"]).await;
    site.sees("given").await;
    site.stop().await;
    assert!(scene.read("snapshots/s/exchanges.ndjson").contains("answer 2 to GET /level"));
    replay(&scene, port, &["--keep-reports", "0"], &["till-7", "more"])
        .run()
        .await
        .expect(0)
        .says(&["PASSED"]);
    scene.all_gone().await;
}

#[tokio::test]
async fn report_pages_are_accessible_and_compared() {
    let scene = Scene::new().await;
    let shop = "version: 1\nname: shop\nrecorded: 2026-11-21T08:00:00Z\non_miss: fail\nbackends:\n  http://stock.test:\n    mode: mock\n";
    scene.file("snapshots/shop/snapshot.yaml", shop);
    let line = r#"{"type":"exchange","v":1,"id":"4","direction":"outbound","time":"2026-11-21T08:00:00.1Z","duration_us":0,"backend":"http://stock.test","protocol":"HTTP/1.1","request":{"method":"GET","path":"/levels?of=1"},"response":{"status":200,"body":"7"},"end":"complete"}"#;
    scene.file("snapshots/shop/exchanges.ndjson", format!("{line}\n"));
    scene.file("snapshots/shop/.reports/a.json", GOLDEN);
    let later = GOLDEN.replace("2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z").replace("v1.2", "v1.3");
    scene.file(
        "snapshots/shop/.reports/b.json",
        later.replacen("\"same\":0,\"different\":1", "\"same\":1,\"different\":0", 1),
    );
    scene.file("snapshots/shop/.reports/c.json", "{}");
    let site = Site::start(&scene, &["snapshots"]).await;
    let one = "/s/shop/reports/a.json";
    let paths = format!(
        "/s/shop/reports {one} {one}/success {one}/success/1 {one}/responder {one}/responder/0 {one}/responder/1 {one}/logs \
         /s/shop/compare?old=a.json&new=b.json /s/shop/reports/c.json"
    );
    for (scheme, width) in [("light", "1280"), ("light", "360"), ("dark", "1280"), ("dark", "360")] {
        let call = site.scenario("barriers").env("PATHS", &paths);
        call.env("SCHEME", scheme).env("WIDTH", width).run().await.expect(0);
    }
    site.sees("compare").await;
}
