//! Recorded content that would run if it could.

use crate::reports::GOLDEN;
use crate::scene::Scene;
use crate::site::Site;
use understudy_core::exchange::{Body, Exchange, Response};
use understudy_core::headers::Headers;
use understudy_core::v1;

pub(crate) const PAYLOADS: [&str; 8] = [
    "<script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    "\"><svg onload=window.ran=1>",
    "'><iframe srcdoc='<script>parent.ran=1</script>'>",
    "</textarea></title></style></script><script>window.ran=1</script>",
    "<a href=\"javascript:window.ran=1\" autofocus onfocus=window.ran=1>x</a>",
    "<base href=//evil.test/><meta http-equiv=refresh content=0;url=//evil.test>",
    "<svg><style>@import'//evil.test'</style><use href='data:image/svg+xml,<svg onload=window.ran=1>'/>",
];

fn snapshot(scene: &Scene, payload: &str) {
    let mut hostile =
        Exchange { id: "1".into(), backend: format!("https://{payload}"), ..Exchange::default() };
    let pairs = || Headers::from_pairs([(payload, payload), ("content-type", "text/html")]);
    (hostile.protocol, hostile.request.method, hostile.request.path) =
        (payload.into(), payload.into(), payload.into());
    (hostile.request.headers, hostile.request.trailers) = (pairs(), pairs());
    hostile.request.body.bytes = payload.into();
    let body = Body { bytes: payload.into(), truncated: None };
    hostile.response = Some(Response { status: 200, headers: pairs(), body, trailers: pairs() });
    let mut json = Exchange { id: "2".into(), time: 1, ..hostile.clone() };
    json.request.body.bytes = serde_json::json!({ payload: [payload] }).to_string().into();
    let mut lines = Vec::new();
    [&hostile, &json].into_iter().for_each(|exchange| v1::write_record(exchange, None, &mut lines));
    let name = serde_json::to_string(payload).expect("JSON");
    // A folder's name can hold anything but a slash.
    let folder = format!("snapshots/{}", payload.replace('/', "∕"));
    scene.file(&format!("{folder}/exchanges.ndjson"), lines);
    let header = format!(
        "version: 1\nname: {name}\nservice: {name}\nrecorded: 2026-11-21T08:00:00Z\non_miss: fail\nbackends: {{}}\n"
    );
    scene.file(&format!("{folder}/snapshot.yaml"), header);
    let mut report = GOLDEN.to_owned();
    // Replaces each value that is a path, a name, a time or a text of the service.
    for text in [
        "shop",
        "v1.2",
        "/orders/1",
        "/levels",
        "level",
        "body/total",
        "listening\\n",
        "2026-11-21T09:00:00Z",
    ] {
        report = report.replace(&format!("\"{text}\""), &name);
    }
    assert_eq!(report.matches("2026-11-21T09:00:00Z").count(), 0);
    scene.file(&format!("{folder}/.reports/r.json"), report);
}

#[tokio::test]
async fn recorded_content_never_runs() {
    let scene = Scene::new().await;
    PAYLOADS.iter().for_each(|payload| snapshot(&scene, payload));
    let site = Site::start(&scene, &["snapshots"]).await;
    site.scenario("hostile").env("SNAPSHOTS", PAYLOADS.len().to_string()).run().await.expect(0);
}
