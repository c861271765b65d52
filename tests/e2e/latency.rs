//! Answers that are held back: by a timer in the filter, for as long as the recorded ones took.

use crate::requests::{head, post};
use bytes::Bytes;
use http::Request;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use understudy_testkit::{Connection, H2, Recorded, Rig, RigBuilder, eventually, get, recorded};

/// A path whose answer took this number of milliseconds, and states it.
fn slow(millis: u64) -> Recorded {
    let path = format!("/{millis}");
    recorded("GET", "http://api.test", &path)
        .took(millis * 1000)
        .header("content-type", "text/plain")
        .body(path)
}

fn url(millis: u64) -> String {
    format!("http://api.test/{millis}")
}

fn rig(times: impl IntoIterator<Item = u64>) -> RigBuilder {
    let builder = Rig::responder().config("latency", json!("recorded"));
    times.into_iter().fold(builder, |builder, millis| builder.exchange(slow(millis)))
}

/// GETs a path and says how long that took.
async fn timed(rig: &Rig, millis: u64) -> Duration {
    let start = Instant::now();
    let answer = get(rig.proxy(), &url(millis)).await;
    assert_eq!((answer.status, answer.text()), (200, format!("/{millis}")));
    start.elapsed()
}

#[tokio::test]
async fn answer_has_its_recorded_latency() {
    let rig = rig([0, 30, 400]).start().await;
    // One that waits doesn't hold up others, and one that is due sooner comes sooner.
    let (long, others) = tokio::join!(timed(&rig, 400), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (mut least, mut none) = (Duration::MAX, Duration::MAX);
        for _ in 0..5 {
            least = least.min(timed(&rig, 30).await);
            none = none.min(timed(&rig, 0).await);
        }
        (least, none)
    });
    assert!((Duration::from_millis(400)..Duration::from_millis(900)).contains(&long), "{long:?}");
    // Far below the tick's own pace.
    let (least, none) = others;
    assert!((Duration::from_millis(30)..Duration::from_millis(60)).contains(&least), "{least:?}");
    assert!(none < Duration::from_millis(25), "{none:?}");
    let miss = Instant::now();
    assert_eq!(get(rig.proxy(), &url(1)).await.status, 404);
    assert!(miss.elapsed() < Duration::from_millis(200), "a miss never waits");
    rig.assert_sound().await;
}

#[tokio::test]
async fn factor_scales_the_latency_and_none_removes_it() {
    let start = |latency: &str| rig([400]).config("latency", json!(latency)).start();
    let half = timed(&start("0.5x").await, 400).await;
    assert!((Duration::from_millis(200)..Duration::from_millis(390)).contains(&half), "{half:?}");
    let none = timed(&start("none").await, 400).await;
    assert!(none < Duration::from_millis(200), "{none:?}");
}

/// The time is counted from the request's head on.
#[tokio::test]
async fn time_of_a_slow_body_counts_as_latency() {
    let recorded = recorded("POST", "http://api.test", "/").sent("body").took(600_000).body("ok");
    let rig = rig([]).exchange(recorded).start().await;
    let request = post("api.test", "/", "", b"body");
    let (first, rest) = request.split_at(request.len() - 2);
    let mut app = Connection::open(rig.proxy()).await;
    let start = Instant::now();
    app.send(first).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    app.send(rest).await;
    assert_eq!(app.answer(false).await.status, 200);
    let took = start.elapsed();
    assert!((Duration::from_millis(600)..Duration::from_millis(1000)).contains(&took), "{took:?}");
}

/// A thousand answers wait on a few connections; a third of the clients leave, by a stream or by a
/// whole connection.
#[tokio::test]
async fn thousand_delayed_answers_at_once_are_served() {
    const EACH: usize = 100;
    let times: Vec<u64> = (0..EACH as u64).map(|i| 500 + i * 10).collect();
    let rig = rig(times.iter().copied()).workers(2).start().await;
    let mut all = JoinSet::new();
    for number in 0..10 {
        let (proxy, times) = (rig.proxy(), times.clone());
        all.spawn(async move {
            let client = H2::open(proxy).await;
            let start = Instant::now();
            let mut waiting = JoinSet::new();
            for (i, millis) in times.into_iter().enumerate() {
                let client = client.clone();
                // The last three connections leave as a whole, and one loses every second stream.
                waiting.spawn(async move {
                    let url = url(millis);
                    let request = client.request("GET", &url, &[], None, None);
                    if number >= 7 || (number == 6 && i % 2 == 0) {
                        let gone = tokio::time::timeout(Duration::from_millis(300), request).await;
                        assert!(gone.is_err(), "it left before its answer came");
                        return 0;
                    }
                    let answer = request.await.expect("an answer");
                    assert_eq!((answer.status, answer.body), (200, format!("/{millis}").into_bytes()));
                    let early = Duration::from_millis(millis).saturating_sub(start.elapsed());
                    assert_eq!(early, Duration::ZERO, "never too early");
                    1
                });
            }
            waiting.join_all().await.into_iter().sum::<u64>()
        });
    }
    let answered: u64 = all.join_all().await.into_iter().sum();
    assert_eq!(answered, 650);
    eventually("650 matches, and the others aborted", async || {
        let (matched, aborted) = (count(&rig, "match").await, count(&rig, "aborted").await);
        (matched, aborted) == (650, 350)
    })
    .await;
    assert_eq!(get(rig.proxy(), &url(500)).await.status, 200);
    rig.assert_sound().await;
}

async fn count(rig: &Rig, verdict: &str) -> u64 {
    let stats = rig.envoy.stats(&format!(r"understudy\.backend\..*\.{verdict}$")).await.expect("statistics");
    stats.iter().map(|(_, value)| value).sum()
}

#[tokio::test]
async fn client_that_leaves_has_no_effect_on_others() {
    let rig = rig([300, 350]).start().await;
    for reset in [false, true] {
        let mut gone = Connection::open(rig.proxy()).await;
        gone.send(head("GET", "api.test", "/300", "")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        match reset {
            true => gone.reset(),
            false => drop(gone),
        }
        timed(&rig, 350).await;
    }
    // A stream that is reset on a connection that lives on.
    let client = H2::open(rig.proxy()).await;
    let request = Request::get(url(300)).body(()).expect("a request");
    let (answer, stream) = client.begin(request, true).await.expect("a stream");
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop((answer, stream));
    let answer = client.request("GET", &url(350), &[], None, None).await.expect("an answer");
    assert_eq!(answer.body, Bytes::from_static(b"/350"));
    eventually("three aborted", async || count(&rig, "aborted").await == 3).await;
    rig.assert_sound().await;
}

#[tokio::test]
async fn envoy_ends_with_delayed_answers() {
    let rig = rig([60_000]).start().await;
    let mut apps = Vec::new();
    for _ in 0..50 {
        let mut app = Connection::open(rig.proxy()).await;
        app.send(head("GET", "api.test", "/60000", "")).await;
        apps.push(app);
    }
    eventually("all of them wait", async || {
        let stats = rig.envoy.stats("downstream_rq_active").await.expect("statistics");
        stats.get("http.understudy.downstream_rq_active") == 50
    })
    .await;
    rig.assert_sound().await;
    let start = Instant::now();
    let exit = rig.envoy.stop(Duration::from_secs(20)).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}: {exit}", start.elapsed());
    assert!(exit.to_string().contains("0"), "{exit}");
    for mut app in apps {
        app.ended().await;
    }
}
