//! Tests that a recording contains no secret and still answers: credentials have no effect, and the
//! other parts of a request do.

use crate::scene::{Scene, python, script};
use understudy_testkit::Upstream;

const CARD: &str = "4242424242424242";
const ISSUED: &str = "acc3ss-just-issued";
const SECRETS: [&str; 4] = [CARD, "live-credentials-1", "s3cr3t-of-the-client", ISSUED];

/// A scene, and its backend, which issues an access token.
async fn scene() -> (Scene, Upstream) {
    let body = format!(r#"{{"access_token":"{ISSUED}"}}"#);
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    (Scene::new().await, Upstream::start(move |_| Some(answer.clone().into_bytes())).await)
}

fn payer(card: &str, credentials: &str) -> Vec<String> {
    vec![python(), script("payer.py"), card.to_owned(), credentials.to_owned()]
}

async fn record(scene: &Scene, upstream: &Upstream, args: &[&str]) -> String {
    let map = format!("api.test=http://{}", upstream.address());
    let cmd = payer(CARD, "live-credentials-1");
    let before = [&["record", "-o", "s", "--force", "--map", &map], args, &["--"]].concat();
    let all = before.into_iter().chain(cmd.iter().map(String::as_str));
    let done = scene.understudy(all).run().await.expect(0);
    assert_eq!(done.out, "200\n200\n");
    done.to_string()
}

fn files(scene: &Scene) -> String {
    ["snapshot.yaml", "exchanges.ndjson"].map(|name| scene.read(&format!("s/{name}"))).concat()
}

#[tokio::test]
async fn snapshot_without_secrets_answers() {
    let (scene, upstream) = scene().await;
    record(&scene, &upstream, &[]).await;
    let recorded = files(&scene);
    for secret in SECRETS {
        assert!(!recorded.contains(secret), "{secret} in {recorded}");
    }
    assert!(recorded.contains("redaction:\n  key: ") && recorded.contains("Bearer redacted-"), "{recorded}");
    let lint = scene.understudy(["lint", "s", "--strict"]).run().await.expect(0);
    assert!(!lint.out.contains("secret"), "{lint}");

    let done =
        scene.respond(&["--report", "r.json"], &payer(CARD, "other-credentials")).run().await.expect(0);
    assert_eq!(done.out, "200\n200\n", "other credentials, the same card");
    let told = scene.read("r.json");
    assert!(!told.contains(CARD) && !told.contains("other-credentials"), "{told}");
    scene.understudy(["match", "s", "r.json"]).run().await.expect(0);

    let done = scene.respond(&[], &payer("5555555555554444", "live-credentials-1")).run().await.expect(1);
    assert_eq!(done.out.lines().next(), Some("404"), "another card");
    assert!(!done.to_string().contains("5555555555554444"), "{done}");
    scene.all_gone().await;
}

#[tokio::test]
async fn secrets_kept_on_request_are_redacted_later() {
    let (scene, upstream) = scene().await;
    let said = record(&scene, &upstream, &["--keep-secrets"]).await;
    assert!(said.contains("secrets are kept: share neither"), "{said}");
    let kept = files(&scene);
    assert!(SECRETS.iter().all(|secret| kept.contains(secret)), "{kept}");
    let lint = scene.understudy(["lint", "s", "--strict"]).run().await.expect(1);
    assert!(lint.to_string().contains("understudy redact"), "{lint}");
    let done = scene.respond(&["--keep-secrets"], &payer(CARD, "x")).run().await.expect(0);
    assert_eq!(done.out, "200\n200\n");

    scene.understudy(["redact", "s"]).run().await.expect(0).says(&["2 exchanges changed"]);
    let redacted = files(&scene);
    for secret in SECRETS {
        assert!(!redacted.contains(secret), "{secret} in {redacted}");
    }
    scene.understudy(["redact", "s"]).run().await.expect(0).says(&["0 exchanges changed"]);
    assert_eq!(files(&scene), redacted);
    let done = scene.respond(&[], &payer(CARD, "x")).run().await.expect(0);
    assert_eq!(done.out, "200\n200\n");
}

#[tokio::test]
async fn names_are_added_and_excluded() {
    let (scene, upstream) = scene().await;
    record(&scene, &upstream, &["--redact", "limit", "--allow", "client_secret"]).await;
    let recorded = files(&scene);
    assert!(recorded.contains("s3cr3t-of-the-client") && !recorded.contains(CARD), "{recorded}");
    let done = scene.respond(&[], &payer(CARD, "x")).run().await.expect(0);
    assert_eq!(done.out, "200\n200\n");
    let refused = scene.record(&["--force", "--redact", "-"], &payer(CARD, "x")).run().await;
    refused.refused(&["a name has letters or digits"]);
}
