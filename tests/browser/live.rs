//! Tests of the pages of a recording in progress, in a browser.

use crate::scene::{HOLD, Scene, client, shell, until};
use crate::site::Site;

#[tokio::test]
async fn recorded_exchange_appears_automatically() {
    let scene = Scene::new().await;
    // CMD keeps the recording open. Another client sends the requests, one of them when the browser
    // has asked for it.
    let recording = scene.record(&[], &shell(HOLD)).start();
    let proxy = until("no proxy", || std::fs::read_to_string(scene.path("proxy")).ok()).await;
    until("no store", || scene.path("s.capture").is_dir().then_some(())).await;
    std::fs::create_dir(scene.path("steps")).expect("a folder");
    let site = Site::start(&scene, &["--store", "s.capture"]).await;
    let browser = site.scenario("live").env("STEPS", scene.path("steps")).start();
    for step in ["first", "second"] {
        until("the browser doesn't get there", || scene.path("steps").join(step).exists().then_some(()))
            .await;
        let [program, args @ ..] = &client(&[&format!("GET http://api.test/{step}")])[..] else {
            panic!("no command")
        };
        let call = scene.program(program, args).env("HTTP_PROXY", format!("http://{}", proxy.trim()));
        call.env("http_proxy", format!("http://{}", proxy.trim())).run().await.expect(0);
    }
    browser.end().await.expect(0);
    drop(site);
    recording.end().await.expect(0);
}
