//! Services that aren't ours, recorded and replayed: localstripe from PyPI, json-server from npm.

use crate::scene::{Scene, root, script, shell};
use understudy_testkit::ports;

fn program(path: &str) -> String {
    let path = root().join(path);
    assert!(path.exists(), "{} isn't there: run `make setup`", path.display());
    path.to_string_lossy().into_owned()
}

/// Records the service that `start` starts (`PORT` stands for its port), called by a script.
async fn record(scene: &Scene, start: &str, called_by: &str) -> u16 {
    let [listen, app] = ports();
    let start = start.replace("PORT", &app.to_string());
    let called_by = script(called_by);
    let cmd = shell(&format!("{start} & sh '{called_by}' 127.0.0.1:{listen} && kill $!"));
    let args = ["record", "-o", "s", "--inbound", &format!("{listen}={app}"), "--"].map(str::to_owned);
    scene.understudy(args.into_iter().chain(cmd)).run().await.expect(0);
    app
}

#[tokio::test]
async fn localstripe_is_replayed_with_the_identifiers_that_it_issues() {
    let scene = Scene::new().await;
    let start = format!("'{}' --from-scratch --port PORT", program(".venv/bin/localstripe"));
    let port = record(&scene, &start, "stripe_calls.sh").await;
    let replay = || {
        let cmd = shell(&format!("exec {}", start.replace("PORT", &port.to_string())));
        let before =
            ["replay", "s", "--speed", "max", "--verbose", "--report", "r.json", "--"].map(str::to_owned);
        scene.understudy(before.into_iter().chain(cmd)).env("STRIPE_KEY", "sk_test_12345").run()
    };
    // Credentials aren't in the recording, and without them nobody is let in.
    let done = replay().await.expect(1);
    done.says(&["requests send a placeholder at header.authorization", "status: recorded 200, now 401"]);
    let settings = r#"version: 1
set:
- {at: "* /v1/** header.authorization", value: "Bearer ${STRIPE_KEY}"}
- {at: "POST /v1/tokens body/card[number]", value: "4242424242424242"}
- {at: "POST /v1/tokens body/card[cvc]", value: "123"}
"#;
    scene.file("s/replay.yaml", settings);
    let done = replay().await.expect(0);
    done.says(&[" body/source\n", " path.3, ", "answered as recorded (100.0 %)"]);
    scene.all_gone().await;
}

#[tokio::test]
async fn json_server_is_replayed() {
    let scene = Scene::new().await;
    let fresh = r#"{"posts":[{"id":1,"title":"one"}],"comments":[]}"#;
    scene.file("db.json", fresh);
    let server = program("tests/sdk/node_modules/json-server/lib/cli/bin.js");
    let start = format!("node '{server}' --host 127.0.0.1 --quiet --port PORT db.json");
    let port = record(&scene, &start, "json_calls.sh").await;
    let replay = || {
        let cmd = shell(&format!("exec {}", start.replace("PORT", &port.to_string())));
        let before = ["replay", "s", "--speed", "max", "--"].map(str::to_owned);
        scene.understudy(before.into_iter().chain(cmd)).run()
    };
    scene.file("db.json", fresh);
    replay().await.expect(0).says(&["answered as recorded (100.0 %)"]);
    scene.file("db.json", fresh.replace("one", "other"));
    replay().await.expect(1).says(&["body/0/title: recorded \"one\", now \"other\""]);
    scene.all_gone().await;
}
