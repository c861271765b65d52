//! Tests that telemetry isn't recorded, and is forwarded when CMD's backends are mocked.

use crate::scene::{Scene, client};

const SPANS: &str = r#"POST http://zipkin.test/api/v2/spans [{"id":"1"}]"#;
const OTHERS: &str = r#"POST http://zipkin.test/api/v2/spans [{"id":"2"}]"#;

#[tokio::test]
async fn telemetry_is_left_out_and_let_through_by_default() {
    let scene = Scene::new().await;
    let address = scene.upstream.address();
    let zipkin = format!("zipkin.test=http://{address}");
    let cmd = client(&["GET http://api.test/a", SPANS, SPANS]);
    let done = scene.record(&["--map", &zipkin, "--json"], &cmd).run().await.expect(0);
    let summary = done.json();
    assert_eq!(summary["backends"], serde_json::json!([{ "backend": "http://api.test", "exchanges": 1 }]));
    done.says(&[
        "s: 1 exchange with 1 backend recorded",
        "2 exchanges with http://zipkin.test left out as telemetry: it is let through",
    ]);
    assert_eq!(scene.read("s/exchanges.ndjson").lines().count(), 1);
    assert!(
        scene
            .read("s/snapshot.yaml")
            .contains("\"http://zipkin.test\":\n    mode: \"off\"\n    exchanges: 0\n")
    );

    let api = format!("api.test=http://{address}");
    let cmd = client(&["GET http://api.test/a", OTHERS]);
    let done = scene.respond(&["--map", &zipkin, "--map", &api], &cmd).run().await.expect(0);
    assert_eq!(done.out, "200 answer 1 to GET /a\n200 answer 4 to POST /api/v2/spans\n", "{done}");
    done.says(&["1 of 1 request answered from s"]);
    scene
        .record(&["--map", &zipkin, "--keep-telemetry", "--force"], &cmd)
        .run()
        .await
        .expect(0)
        .says(&["2 backends"]);
    assert_eq!(scene.read("s/exchanges.ndjson").lines().count(), 2);
    scene.all_gone().await;
}
