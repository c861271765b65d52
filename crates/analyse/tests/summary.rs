//! Tests of the counts in a summary.

#[path = "../../snapshot/tests/common/mod.rs"]
mod common;

use common::{get, read, snapshot};
use understudy_analyse::summary::{Way, summary};
use understudy_core::config::{Mode, OnMiss};
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::headers::Headers;

fn with(mut exchange: Exchange, change: impl FnOnce(&mut Exchange)) -> Exchange {
    change(&mut exchange);
    exchange
}

fn plain(id: u64) -> Exchange {
    get(&id.to_string(), id * 10_000, &format!("/{id}"), "ok")
}

#[test]
fn a_summary_counts_by_backend() {
    let target = Headers::from_pairs([("x-amz-target", "DynamoDB_20120810.GetItem")]);
    let aws = |id: u64| {
        with(plain(id), |e| {
            e.backend = "http://dynamodb".into();
            e.request.headers = target.clone();
            e.duration = id;
        })
    };
    let inbound = with(plain(5), |e| (e.direction, e.backend) = (Direction::Inbound, "http://me".into()));
    let failed = with(get("6", 60_000, "/1?x=2", "no!"), |e| e.response.as_mut().unwrap().status = 500);
    let given = [plain(1), aws(2), aws(3), aws(4), inbound, failed, with(plain(7), |e| e.response = None)];
    let (_folder, snapshot) = snapshot(&given);
    assert_eq!(read(&snapshot).len(), 7);
    let found = summary(&snapshot).unwrap();
    assert_eq!(
        (found.exchanges, found.on_miss, found.recorded.as_str()),
        (7, OnMiss::Fail, "2026-11-21T08:00:00.000000Z")
    );
    let names: Vec<_> = found.backends.iter().map(|b| (b.name.as_str(), b.direction, b.mode)).collect();
    let mocked = |name| (name, Way::Outbound, Some(Mode::Mock));
    assert_eq!(names, [("http://me", Way::Inbound, None), mocked("http://dynamodb"), mocked("http://h")]);
    let aws = &found.backends[1];
    assert_eq!((aws.top[0].request.as_str(), aws.top[0].exchanges), ("DynamoDB_20120810.GetItem", 3));
    assert_eq!((aws.p50_us, aws.p95_us), (3, 4));
    let h = &found.backends[2];
    assert_eq!((h.exchanges, h.answerable, h.signatures, h.response_bytes), (3, 2, 3, 5));
    assert_eq!(h.top.iter().map(|top| top.request.as_str()).collect::<Vec<_>>(), ["GET /1", "GET /7"]);
    assert_eq!(h.statuses, [(200, 1), (500, 1)].into());
    assert_eq!(serde_json::to_value(&found).unwrap()["backends"][0]["direction"], "inbound");
}
