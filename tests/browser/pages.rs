//! A snapshot in the browser: chosen, searched, copied, saved.

use crate::scene::{Scene, client, root};
use crate::site::{REQUESTS, Site, recorded};

#[tokio::test]
async fn unchecked_backend_passes_and_others_are_mocked() {
    let scene = Scene::new().await;
    let maps = recorded(&scene).await;
    let respond = async |expect: &str| {
        let args = ["respond", "snapshots/s", "--map", &maps[0], "--map", &maps[1], "--"].map(str::to_owned);
        let done = scene.understudy(args.into_iter().chain(client(&REQUESTS))).run().await.expect(0);
        assert_eq!(done.out, expect);
    };
    respond("200 answer 1 to GET /v1/charges\n200 answer 2 to GET /items\n").await;
    let site = Site::start(&scene, &[]).await;
    site.sees("choose").await;
    site.stop().await;
    respond("200 answer 3 to GET /v1/charges\n200 answer 2 to GET /items\n").await;
    assert_eq!(scene.upstream.seen().len(), 3, "Stripe alone was asked");
    scene.all_gone().await;
}

#[tokio::test]
async fn pages_work_without_javascript() {
    let scene = Scene::new().await;
    recorded(&scene).await;
    Site::start(&scene, &["snapshots"]).await.sees("plain").await;
    assert!(scene.read("snapshots/s/snapshot.yaml").contains("mode: off"));
}

#[tokio::test]
async fn pages_work_with_the_keyboard_alone() {
    let scene = Scene::new().await;
    recorded(&scene).await;
    Site::start(&scene, &["snapshots"]).await.sees("keyboard").await;
    assert!(scene.read("snapshots/s/snapshot.yaml").contains("mode: off"));
}

#[tokio::test]
async fn changes_in_two_windows_are_not_lost() {
    let scene = Scene::new().await;
    recorded(&scene).await;
    Site::start(&scene, &["snapshots/s"]).await.sees("conflict").await;
    assert_eq!(scene.read("snapshots/s/snapshot.yaml").matches("mode: off").count(), 2);
}

#[tokio::test]
async fn the_command_that_is_copied_makes_the_request_again() {
    let scene = Scene::new().await;
    let to = scene.upstream.address();
    let body = "body=it's $(not) `run` \"twice\"";
    let requests = [
        format!("GET http://{to}/a"),
        format!("GET http://{to}/b"),
        format!("POST http://{to}/c?d=[e] {body}"),
    ];
    let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
    scene.record(&["--include-localhost"], &client(&requests)).run().await.expect(0);
    let copied = Site::start(&scene, &["s"]).await.sees("traffic").await.out;
    let done = scene.program("sh", ["-c", &copied]).run().await.expect(0);
    assert!(done.out.ends_with("answer 4 to POST /c?d=[e]"), "{copied}\n{done}");
    let seen = scene.upstream.seen();
    assert_eq!(String::from_utf8_lossy(&seen[3].body), body, "{copied}");
}

#[tokio::test]
async fn pages_are_accessible_in_each_theme_and_width() {
    let scene = Scene::new().await;
    let copy = |from: &str, to: &str| {
        for file in ["snapshot.yaml", "exchanges.ndjson"] {
            let content = std::fs::read(root().join(from).join(file)).expect("the sample's snapshot");
            scene.file(&format!("snapshots/{to}/{file}"), content);
        }
    };
    copy("snapshots/payment", "payment");
    copy("snapshots/payment", "broken");
    scene.file("snapshots/broken/snapshot.yaml", "version: 1\nname: broken\nnonsense: true\n");
    let unruled = scene.read("snapshots/payment/snapshot.yaml");
    copy("snapshots/payment", "unruled");
    scene.file("snapshots/unruled/snapshot.yaml", unruled.split("rules:\n").next().expect("a part"));
    let site = Site::start(&scene, &["snapshots"]).await;
    let paths = "/ /s/payment /s/payment/traffic /s/payment/traffic?text=nothing-like-it /s/payment/traffic/1 /s/payment/traffic/5 /s/payment/rules \
                 /s/unruled/rules /s/payment/lint /s/broken /nowhere";
    // Each by itself: no call may take longer than a minute.
    for (scheme, width) in [("light", "1280"), ("light", "360"), ("dark", "1280"), ("dark", "360")] {
        let call = site.scenario("barriers").env("PATHS", paths);
        call.env("SCHEME", scheme).env("WIDTH", width).run().await.expect(0);
    }
}

#[tokio::test]
async fn pictures_of_the_guide_are_taken() {
    let scene = Scene::new().await;
    let sample = root().join("snapshots").canonicalize().expect("the sample's snapshots");
    let site = Site::start(&scene, &[&sample.to_string_lossy()]).await;
    let blessed = root().join("docs/images").canonicalize().expect("the folder");
    let folder = if std::env::var_os("BLESS").is_some() { blessed.clone() } else { scene.path("tmp") };
    site.scenario("pictures").env("PICTURES", &folder).run().await.expect(0);
    for name in ["ui-summary.png", "ui-traffic.png", "ui-exchange.png", "ui-narrow.png"] {
        let size = std::fs::metadata(folder.join(name)).expect("a picture").len();
        assert!((5_000..150_000).contains(&size), "{name}: {size} bytes");
        assert!(blessed.join(name).exists(), "{name}: run this test with BLESS=1");
    }
}
