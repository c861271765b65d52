//! The minimum that has to work: a recorded answer is served, anything else misses.

use understudy_testkit::{Rig, get, recorded};

#[tokio::test]
async fn recorded_answer_is_served_and_anything_else_misses() {
    let rig = Rig::responder()
        .exchange(recorded("GET", "http://api.test", "/a").header("content-type", "text/plain").body("hello"))
        .collector()
        .start()
        .await;
    let answer = get(rig.proxy(), "http://api.test/a").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.header("x-understudy").as_deref(), Some("match"));
    let miss = get(rig.proxy(), "http://api.test/b").await;
    assert_eq!((miss.status, miss.header("x-understudy").as_deref()), (404, Some("miss")));
    assert_eq!(miss.json()["nearest"][0]["differs"][0]["key"], "path.1");
    let records = rig.records(2).await;
    assert_eq!(records.iter().filter_map(|r| r.verdict.as_ref()?.status).collect::<Vec<_>>(), [200, 404]);
    rig.assert_sound().await;
}
