//! Watches: nothing is missed after a list, selections are kept, and what is too old is said to be.

use crate::cluster::{Cluster, map, refusal};
use futures_util::{Stream, StreamExt};
use kube::api::{
    DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use serde_json::json;
use std::pin::Pin;
use std::time::Duration;

type Events = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Send>>;

/// The next event, bookmarks left out: what it is, of which object, and in which version.
async fn next(events: &mut Events) -> (&'static str, String, String) {
    let said = |kind, object: DynamicObject| {
        (kind, object.metadata.name.unwrap_or_default(), object.metadata.resource_version.unwrap_or_default())
    };
    loop {
        let event =
            tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("an event in time");
        match event.expect("the watch goes on").expect("an event") {
            WatchEvent::Added(object) => return said("added", object),
            WatchEvent::Modified(object) => return said("modified", object),
            WatchEvent::Deleted(object) => return said("deleted", object),
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => panic!("{status:?}"),
        }
    }
}

async fn watch(cluster: &Cluster, params: &WatchParams, version: &str) -> Events {
    cluster.maps().watch(params, version).await.expect("a watch").boxed()
}

#[tokio::test]
async fn a_watch_goes_on_where_a_list_ended() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    maps.create(&PostParams::default(), &map("before", json!({}))).await.unwrap();
    let list = maps.list(&ListParams::default()).await.unwrap();
    let made = maps.create(&PostParams::default(), &map("one", json!({"a": "1"}))).await.unwrap();
    let from = list.metadata.resource_version.unwrap();
    let params = WatchParams::default().fields("metadata.name!=kube-root-ca.crt");
    let mut events = watch(&cluster, &params, &from).await;
    assert_eq!(
        next(&mut events).await,
        ("added", "one".into(), made.metadata.resource_version.clone().unwrap())
    );
    let patch = Patch::Merge(json!({"data": {"a": "2"}}));
    let changed = maps.patch("one", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(
        next(&mut events).await,
        ("modified", "one".into(), changed.metadata.resource_version.clone().unwrap())
    );
    maps.patch("one", &PatchParams::default(), &patch).await.unwrap();
    maps.delete("one", &DeleteParams::default()).await.unwrap();
    let (kind, name, version) = next(&mut events).await;
    assert_eq!((kind, name.as_str()), ("deleted", "one"), "a write that changed nothing isn't told");
    assert_ne!(Some(version), changed.metadata.resource_version, "a deletion has a version of its own");
}

#[tokio::test]
async fn a_watch_from_nothing_begins_with_what_there_is() {
    let cluster = Cluster::new().await;
    cluster.maps().create(&PostParams::default(), &map("one", json!({}))).await.unwrap();
    let mut events = watch(&cluster, &WatchParams::default().fields("metadata.name=one"), "0").await;
    let (kind, name, _) = next(&mut events).await;
    assert_eq!((kind, name.as_str()), ("added", "one"));
}

#[tokio::test]
async fn what_leaves_a_selection_is_told_as_deleted() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    let from = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let mut events = watch(&cluster, &WatchParams::default().labels("chosen=yes"), &from).await;
    maps.create(&PostParams::default(), &map("one", json!({}))).await.unwrap();
    let label = async |value: &str| {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"chosen": value}}}));
        maps.patch("one", &PatchParams::default(), &patch).await.unwrap();
    };
    label("yes").await;
    assert_eq!(next(&mut events).await.0, "added");
    label("no").await;
    assert_eq!(next(&mut events).await.0, "deleted");
    maps.delete("one", &DeleteParams::default()).await.unwrap();
    maps.create(&PostParams::default(), &{
        let mut two = map("two", json!({}));
        two.metadata.labels = Some([("chosen".to_owned(), "yes".to_owned())].into());
        two
    })
    .await
    .unwrap();
    let (kind, name, _) = next(&mut events).await;
    assert_eq!((kind, name.as_str()), ("added", "two"), "the other's end was nobody's business here");
}

#[tokio::test]
async fn a_watch_ends_when_its_time_is_up() {
    let cluster = Cluster::new().await;
    let from = cluster.maps().list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let params = WatchParams::default().timeout(1).fields("metadata.name=none");
    let mut events = watch(&cluster, &params, &from).await;
    let end = async { while events.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(30), end).await.expect("the server ends it");
}

#[tokio::test]
async fn a_version_that_is_still_to_come_is_refused_by_a_list() {
    let cluster = Cluster::new().await;
    let params = ListParams::default().at("99999999999").matching(kube::api::VersionMatch::NotOlderThan);
    assert_eq!(refusal(cluster.maps().list(&params).await).0, 504);
}

#[tokio::test]
async fn many_writes_are_told_in_order_and_none_twice() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    let from = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let params = WatchParams::default().fields("metadata.name=one");
    let (mut early, mut late) = (watch(&cluster, &params, &from).await, Vec::new());
    maps.create(&PostParams::default(), &map("one", json!({"n": "0"}))).await.unwrap();
    for number in 1..40 {
        let patch = Patch::Merge(json!({"data": {"n": number.to_string()}}));
        maps.patch("one", &PatchParams::default(), &patch).await.unwrap();
    }
    let mut other = watch(&cluster, &params, &from).await;
    let mut first = Vec::new();
    for _ in 0..40 {
        first.push(next(&mut early).await);
        late.push(next(&mut other).await);
    }
    assert_eq!(first, late);
    let versions: Vec<u64> = first.iter().map(|(_, _, version)| version.parse().unwrap()).collect();
    assert!(versions.is_sorted_by(|one, other| one < other), "{versions:?}");
}
