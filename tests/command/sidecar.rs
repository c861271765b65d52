//! The Envoy bootstraps in envoy/, run as they stand: what they tap is collected, and what is
//! bundled answers.
//!
//! Their ports are fixed (15000, 15001, 4440): one test, which waits for them to be free.

use crate::call::Running;
use crate::scene::{Scene, client, root, until};
use rustix::process::Signal;
use std::net::{TcpListener, TcpStream};
use understudy_testkit::{Connection, Nobody};

const PROXY: &str = "127.0.0.1:15001";
const INBOUND: &str = "127.0.0.1:15003";
const APP: &str = "127.0.0.1:8080";

#[tokio::test]
async fn sidecar_taps_and_answers_from_the_bundle() {
    let scene = Scene::new().await;
    for address in ["127.0.0.1:15000", PROXY, INBOUND, APP, "127.0.0.1:4440"] {
        until("a port of envoy/*.yaml is in use", || TcpListener::bind(address).ok().map(drop)).await;
    }
    let url = format!("GET http://{}/a", scene.upstream.address());
    std::fs::create_dir(scene.path("target")).expect("a folder");
    scene.understudy(["bundle", "--plain", "-o", "target/filter.wasm"]).run().await.expect(0);
    let collect = scene.understudy(["collect", "--store", "s.capture"]).start();
    collect.says("collecting on 127.0.0.1:4440 into s.capture").await;
    let envoy = start(&scene, "envoy.yaml").await;
    assert_eq!(ask(&scene, &url).await, "200 answer 1 to GET /a\n");
    // The service, which listens on the address of the file.
    let app = Nobody::at(APP.parse().expect("an address")).listen(|mut wire| async move {
        while wire.request().await.is_some() {
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nthe app").await;
        }
    });
    let mut caller = Connection::open(INBOUND.parse().expect("an address")).await;
    assert_eq!(caller.exchange("GET /in HTTP/1.1\r\nhost: shop.test\r\n\r\n", false).await.body, b"the app");
    assert_eq!(app.seen().len(), 1);
    until("not all is collected", || {
        let stored = scene.read_capture();
        let inbound = format!("\"backend\":\"http://{INBOUND}\"");
        (stored.contains("answer 1 to") && stored.contains(&inbound)).then_some(())
    })
    .await;
    stop(envoy).await;
    stop(collect).await;

    // A collector's folder, used like an interrupted recording.
    scene
        .understudy(["record", "-o", "s", "--recover"])
        .run()
        .await
        .expect(0)
        .says(&["1 exchange with 1 backend"]);
    scene.understudy(["bundle", "s", "-o", "target/filter.wasm"]).run().await.expect(0);
    let envoy = start(&scene, "responder.yaml").await;
    assert_eq!(ask(&scene, &url).await, "200 answer 1 to GET /a\n");
    assert!(ask(&scene, &url.replace("/a", "/b")).await.starts_with("404 "), "what wasn't recorded misses");
    stop(envoy).await;
    assert_eq!(scene.upstream.seen().len(), 1, "the responder asks nobody");
    scene.all_gone().await;
}

/// `envoy -c envoy/NAME`, where `target/filter.wasm` is the scene's.
async fn start(scene: &Scene, name: &str) -> Running {
    let config = root().join("envoy").join(name);
    // Another Envoy on this machine may have the shared memory that is for hot restarts.
    let args = ["-c", config.to_str().expect("text"), "--disable-hot-restart", "--concurrency", "1"];
    let running = scene.program(&Scene::envoy(), args).start();
    until("Envoy doesn't listen", || TcpStream::connect(PROXY).ok().map(drop)).await;
    running
}

async fn stop(running: Running) {
    running.signal(Signal::TERM);
    running.end().await.expect(0);
}

/// The app's response through the proxy.
async fn ask(scene: &Scene, request: &str) -> String {
    let cmd = client(&[request]);
    let call = scene.program(&cmd[0], &cmd[1..]).env("http_proxy", format!("http://{PROXY}"));
    call.run().await.expect(0).out
}
