//! The ends of the scale: nothing asked, a lot answered, and misses with nowhere to go.

use crate::scene::{Scene, client, shell};
use understudy_testkit::Upstream;

#[tokio::test]
async fn run_without_requests_has_no_rate() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let done = scene.respond(&["--json"], &shell("true")).run().await.expect(0);
    assert_eq!(done.json()["responder_rate"], serde_json::Value::Null);
    done.says(&["no responder rate", "does CMD's HTTP client honour HTTPS_PROXY?"]);
}

#[tokio::test]
async fn capture_without_an_output_is_refused() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let yaml = scene.read("s/snapshot.yaml").replace("on_miss: fail", "on_miss: capture");
    scene.file("s/snapshot.yaml", yaml);
    let done = scene.respond(&[], &client(&["GET http://api.test/other"])).run().await.expect(2);
    done.says(&["says `on_miss: capture`: say with `-o SNAPSHOT` where to"]);
    assert_eq!(scene.upstream.seen().len(), 1, "CMD has not run");
}

#[tokio::test]
async fn answer_of_fifteen_megabytes_is_recorded_and_served() {
    let scene = Scene::new().await;
    // The worst of bodies: as JSON it takes six times the room.
    let body = vec![1u8; 15_000_000];
    let answer =
        [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes(), body].concat();
    let big = Upstream::start(move |_| Some(answer.clone())).await;
    let map = format!("big.test=http://{}", big.address());
    let cmd = client(&["GET http://big.test/"]);
    let recorded = scene.record(&["--map", &map, "--json"], &cmd).run().await.expect(0);
    assert_eq!(recorded.json()["complete"], true);
    let responded = scene.respond(&["--json"], &cmd).run().await.expect(0);
    assert_eq!(responded.json()["matches"], 1);
    assert!(responded.err.matches('\u{1}').count() == 15_000_000, "CMD saw every byte");
}
