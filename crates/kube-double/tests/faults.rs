//! What only the double does: the garbage collector of a cluster, faults that a test orders, and what it can be asked afterwards.

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy, WatchEvent, WatchParams,
};
use kube::{Client, Config, Error};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use understudy_kube_double::ApiServer;

/// Waits until a condition holds, and panics if it doesn't within 20 s.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(20), "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn maps(url: &str) -> Api<ConfigMap> {
    let mut config = Config::new(url.parse().expect("an address"));
    // What is refused is looked at here, and not tried again for minutes.
    config.default_retry = false;
    Api::namespaced(Client::try_from(config).expect("a client"), "default")
}

fn map(name: &str, owner: Option<(&ConfigMap, bool)>) -> ConfigMap {
    let reference = |(owner, block): (&ConfigMap, bool)| json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": owner.metadata.name, "uid": owner.metadata.uid, "blockOwnerDeletion": block}]);
    let metadata = json!({"name": name, "ownerReferences": owner.map(reference)});
    serde_json::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}))
        .expect("an object")
}

fn names(server: &ApiServer) -> Vec<String> {
    let name = |object: Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    server.objects("configmaps").into_iter().map(name).collect()
}

async fn family(api: &Api<ConfigMap>) {
    let parent = api.create(&PostParams::default(), &map("parent", None)).await.unwrap();
    let child = api.create(&PostParams::default(), &map("child", Some((&parent, true)))).await.unwrap();
    api.create(&PostParams::default(), &map("grandchild", Some((&child, true)))).await.unwrap();
}

#[tokio::test]
async fn what_an_object_owns_goes_with_it() {
    let server = ApiServer::start().await;
    let api = maps(&server.url());
    family(&api).await;
    api.delete("parent", &DeleteParams::default()).await.unwrap();
    eventually("nothing is left", async || names(&server).is_empty()).await;
}

#[tokio::test]
async fn an_owner_can_wait_for_what_it_owns() {
    let server = ApiServer::start().await;
    let api = maps(&server.url());
    family(&api).await;
    let hold = Patch::Merge(json!({"metadata": {"finalizers": ["understudy.dev/hold"]}}));
    api.patch("grandchild", &PatchParams::default(), &hold).await.unwrap();
    api.delete("parent", &DeleteParams::foreground()).await.unwrap();
    let doomed = async || {
        server.object("configmaps", "default", "grandchild").unwrap()["metadata"]["deletionTimestamp"]
            .is_string()
    };
    eventually("the deletion has come to the last", doomed).await;
    assert_eq!(names(&server).len(), 3, "nobody goes before what it owns");
    api.patch(
        "grandchild",
        &PatchParams::default(),
        &Patch::Merge(json!({"metadata": {"finalizers": null}})),
    )
    .await
    .unwrap();
    eventually("nothing is left", async || names(&server).is_empty()).await;
}

#[tokio::test]
async fn an_owner_can_leave_what_it_owns() {
    let server = ApiServer::start().await;
    let api = maps(&server.url());
    family(&api).await;
    let orphan =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() };
    api.delete("parent", &orphan).await.unwrap();
    eventually("the parent is gone", async || names(&server) == ["child", "grandchild"]).await;
    assert!(
        server.object("configmaps", "default", "child").unwrap()["metadata"]["ownerReferences"]
            .as_array()
            .is_none_or(Vec::is_empty)
    );
}

#[tokio::test]
async fn requests_are_refused_delayed_and_remembered() {
    let server = ApiServer::start().await;
    let api = maps(&server.url());
    server.refuse(2, 503);
    for _ in 0..2 {
        let refused = api.list(&ListParams::default()).await;
        assert!(matches!(refused, Err(Error::Api(status)) if status.code == 503));
    }
    api.list(&ListParams::default()).await.unwrap();
    server.refuse_where(|asked| (asked.is_write() && asked.name == "no").then_some(429));
    let apply = async |name: &str| {
        api.patch(name, &PatchParams::apply("tests"), &Patch::Apply(map(name, None))).await
    };
    assert!(apply("no").await.is_err());
    apply("yes").await.unwrap();
    server.relent();
    server.delay(Duration::from_millis(200));
    let begun = Instant::now();
    apply("no").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let statuses: Vec<_> = server.history().iter().map(|asked| (asked.verb, asked.status)).collect();
    assert_eq!(
        statuses,
        [("list", 503), ("list", 503), ("list", 200), ("patch", 429), ("patch", 201), ("patch", 201)]
    );
    assert_eq!((server.count("list", "configmaps"), server.writes()), (3, 3));
    assert_eq!(server.history()[5].manager, "tests");
    server.forget_history();
    assert!(server.history().is_empty());
}

#[tokio::test]
async fn a_server_that_stops_and_starts_knows_what_it_knew() {
    let mut server = ApiServer::start().await;
    let api = maps(&server.url());
    let made = api.create(&PostParams::default(), &map("one", None)).await.unwrap();
    let mut events =
        api.watch(&WatchParams::default(), &made.metadata.resource_version.unwrap()).await.unwrap().boxed();
    server.stop().await;
    while let Some(Ok(event)) = events.next().await {
        assert!(matches!(event, WatchEvent::Bookmark(_)), "{event:?}");
    }
    assert!(api.get("one").await.is_err());
    server.start_again().await;
    assert_eq!(api.get("one").await.unwrap().metadata.uid, made.metadata.uid);
}

#[tokio::test]
async fn a_door_is_shut_for_those_who_came_through_it_alone() {
    let server = ApiServer::start().await;
    let mut side = server.door().await;
    let (front_api, side_api) = (maps(&server.url()), maps(&side.url()));
    side_api.create(&PostParams::default(), &map("one", None)).await.unwrap();
    side.shut().await;
    assert!(side_api.get("one").await.is_err());
    front_api.get("one").await.unwrap();
    side.open_again().await;
    side_api.get("one").await.unwrap();
    let doors: Vec<_> = server.history().iter().map(|asked| asked.door).collect();
    assert_eq!(doors, [side.number(), 0, side.number()]);
}

#[tokio::test]
async fn watches_are_cut_and_bookmarks_come() {
    let server = ApiServer::start().await;
    let api = maps(&server.url());
    let from = server.version().to_string();
    let mut events = api.watch(&WatchParams::default().labels("never=so"), &from).await.unwrap().boxed();
    let made = api.create(&PostParams::default(), &map("one", None)).await.unwrap();
    let event = events.next().await.expect("a bookmark").unwrap();
    let WatchEvent::Bookmark(mark) = event else { panic!("{event:?}") };
    assert_eq!(
        Some(mark.metadata.resource_version),
        made.metadata.resource_version,
        "what isn't selected has moved the version"
    );
    server.cut_watches();
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_version_that_is_forgotten_is_gone() {
    let server = ApiServer::start().await;
    let api = maps(&server.url());
    let first = api
        .create(&PostParams::default(), &map("one", None))
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    api.create(&PostParams::default(), &map("two", None)).await.unwrap();
    let page = api.list(&ListParams::default().limit(1)).await.unwrap().metadata.continue_.unwrap();
    api.create(&PostParams::default(), &map("three", None)).await.unwrap();
    server.compact();
    let mut events = api.watch(&WatchParams::default(), &first).await.unwrap().boxed();
    let event = events.next().await.expect("an answer").unwrap();
    assert!(
        matches!(&event, WatchEvent::Error(status) if status.code == 410 && status.reason == "Expired"),
        "{event:?}"
    );
    assert!(events.next().await.is_none());
    let rest = api.list(&ListParams::default().limit(1).continue_token(&page)).await;
    assert!(matches!(rest, Err(Error::Api(status)) if status.code == 410));
}
