//! Secrets stay between the app and its backend: what the collector stores has tokens in their
//! place, to the last byte of its files.

use crate::requests::{head, post};
use serde_json::json;
use std::path::Path;
use understudy_testkit::{Connection, Rig, Upstream};

const SECRETS: [&str; 9] = [
    "b3arer-of-news",
    "sess10n-of-ada",
    "4242424242424242",
    "s3cr3t-of-the-client",
    "k3y-of-the-api",
    "hunter2",
    "acc3ss-just-issued",
    "c00kie-just-set",
    "own-rule-s3cret",
];

fn requests() -> [Vec<u8>; 3] {
    let credentials = "Authorization: Bearer b3arer-of-news\r\nCookie: sid=sess10n-of-ada; theme=dark\r\nX-Api-Key: k3y-of-the-api\r\n\
        X-Own: own-rule-s3cret\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let json = "Content-Type: application/json\r\n";
    [
        post(
            "api.test",
            "/pay",
            &format!("{credentials}{form}"),
            b"card[number]=4242+4242+4242+4242&card[cvc]=987&client_secret=s3cr3t-of-the-client&amount=1200",
        ),
        post(
            "api.test",
            "/json",
            json,
            br#"{"card": {"number": "4242424242424242"}, "password": "hunter2", "next_page_token": "a1b2c3d4e5f6a7b8c9"}"#,
        ),
        head("GET", "api.test", "/items?access_token=b3arer-of-news&after=a1b2c3d4e5f6a7b8c9", ""),
    ]
}

fn answer() -> Vec<u8> {
    let body = r#"{"access_token":"acc3ss-just-issued","id":"tok_1"}"#;
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: sid=c00kie-just-set; Path=/\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// All bytes of all files in a folder.
fn bytes_in(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        all.extend(if path.is_dir() { bytes_in(&path) } else { std::fs::read(&path).expect("a file") });
    }
    all
}

#[tokio::test]
async fn tap_sends_secrets_to_the_backend_and_tokens_to_the_collector() {
    let upstream = Upstream::start(|_| Some(answer())).await;
    let redaction = json!({ "key": "0123456789abcdef", "headers": ["x-own"] });
    let rig = Rig::tap().map(upstream.map("api.test")).config("redaction", redaction).start().await;
    for request in requests() {
        let given = Connection::open(rig.proxy()).await.exchange(&request, false).await;
        assert!(given.body.windows(7).any(|w| w == b"acc3ss-"), "the app gets what was answered");
    }
    let seen = upstream.seen();
    assert!(seen[0].text().contains("b3arer-of-news"), "the backend sees what the app sent");
    let records = rig.records(3).await;
    let stored = String::from_utf8_lossy(&bytes_in(&rig.folder().join("store"))).into_owned();
    for secret in SECRETS.iter().chain(&["4242 4242", "4242+4242", "=987"]) {
        assert!(!stored.contains(secret), "{secret} is stored: {stored}");
    }
    for kept in
        ["Bearer redacted-", "sid=redacted-", "amount=1200", "a1b2c3d4e5f6a7b8c9", "; Path=/", "tok_1"]
    {
        assert!(stored.contains(kept), "{kept} is missing: {stored}");
    }
    let header = |name: &str| {
        let value = records[0].exchange.request.headers.get(name.as_bytes()).expect("the header");
        String::from_utf8_lossy(value).into_owned()
    };
    let token = header("authorization").replace("Bearer ", "");
    let path = String::from_utf8_lossy(&records[2].exchange.request.path).into_owned();
    assert_eq!(
        path,
        format!("/items?access_token={token}&after=a1b2c3d4e5f6a7b8c9"),
        "one secret, one token"
    );
    rig.assert_sound().await;
}

#[tokio::test]
async fn verdicts_and_misses_have_tokens() {
    let rig = Rig::responder().collector().config("redaction", json!({ "key": "k", "headers": ["x-own"] }));
    let rig = rig.start().await;
    let mut told = Vec::new();
    for request in requests() {
        let given = Connection::open(rig.proxy()).await.exchange(&request, false).await;
        assert_eq!(given.status, 404);
        told.extend_from_slice(&given.body);
    }
    rig.records(3).await;
    told.extend(bytes_in(&rig.folder().join("store")));
    let told = String::from_utf8_lossy(&told);
    for secret in SECRETS {
        assert!(!told.contains(secret), "{secret} is told: {told}");
    }
    assert!(told.contains("/items?access_token=redacted-"), "{told}");
}
