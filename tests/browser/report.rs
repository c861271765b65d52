//! Tests of the page that `understudy report --html` writes, as a file in the browser.

use crate::payloads::PAYLOADS;
use crate::reports::GOLDEN;
use crate::scene::{Scene, root};
use crate::site::scenario;

/// Makes the page of a report, of a run that failed.
async fn page(scene: &Scene, report: &str) -> String {
    scene.file("report.json", report);
    scene.understudy(["report", "report.json", "--html", "report.html"]).run().await.expect(1);
    format!("file://{}/", scene.path("").display())
}

#[tokio::test]
async fn report_page_is_accessible() {
    let scene = Scene::new().await;
    let url = page(&scene, GOLDEN).await;
    for (scheme, width) in [("light", "1280"), ("light", "360"), ("dark", "1280"), ("dark", "360")] {
        let call = scenario(&scene, "barriers", &url).env("PATHS", "report.html");
        call.env("SCHEME", scheme).env("WIDTH", width).run().await.expect(0);
    }
    let blessed = root().join("docs/images").canonicalize().expect("the folder");
    let folder = if std::env::var_os("BLESS").is_some() { blessed.clone() } else { scene.path("tmp") };
    let call = scenario(&scene, "report", &url).env("FILE", "report.html").env("PICTURES", &folder);
    call.env("SAYS", "body/total").run().await.expect(0);
    assert!(blessed.join("replay-report.png").exists(), "run this test with BLESS=1");
}

#[tokio::test]
async fn recorded_content_in_a_report_never_runs() {
    let scene = Scene::new().await;
    let payload = PAYLOADS.concat();
    let quoted = serde_json::to_string(&payload).expect("JSON");
    // Replaces each value that is a path, a name or a text of the service.
    let hostile = GOLDEN.replace("\"/orders/1\"", &quoted).replace("\"shop\"", &quoted);
    assert_ne!(hostile, GOLDEN);
    let url = page(&scene, &hostile).await;
    let call = scenario(&scene, "report", &url).env("FILE", "report.html");
    call.env("SAYS", "<script>window.ran=1</script>").run().await.expect(0);
}
