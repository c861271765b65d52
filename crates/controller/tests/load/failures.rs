//! An API server that refuses, forgets or is gone; a leader that is cut off; another manager that
//! writes the same objects.

use crate::cluster::{Cluster, FILTERS, HOME, REPLAYS, deployment, numbered, replay, until};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use understudy_controller::{LeaseSettings, Settings};
use understudy_kube_double::Asked;

const FEW: usize = 20;

async fn few() -> Cluster {
    let cluster = Cluster::new().await;
    cluster.create_all(numbered(FEW).iter().map(|name| deployment(name))).await;
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_writes_are_retried_without_haste() {
    for status in [500, 429, 409, 503] {
        let cluster = few().await;
        let controller = cluster.run(Settings::default());
        cluster
            .server
            .refuse_where(move |asked| (asked.is_write() && asked.resource == FILTERS).then_some(status));
        cluster.create_all(numbered(FEW).iter().map(|name| replay(name))).await;
        let refused = || cluster.server.count("patch", FILTERS);
        until("all have been tried", || refused() >= FEW).await;
        let before = refused();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let more = refused() - before;
        assert!(more <= 6 * FEW, "{more} more attempts in three seconds after {status}");
        assert_eq!(cluster.server.objects(FILTERS).len(), 0);
        cluster.server.relent();
        until("all is well", || {
            cluster.ready("Responding") == FEW && cluster.server.objects(FILTERS).len() == FEW
        })
        .await;
        controller.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_forgets_or_restarts_is_followed() {
    let mut cluster = few().await;
    let controller = cluster.run(Settings::default());
    for (round, name) in numbered(FEW).into_iter().enumerate() {
        match round % 4 {
            0 => cluster.server.cut_watches(),
            1 => {
                // A watch that resumes at an old version is refused with 410.
                cluster.server.cut_watches();
                cluster.server.compact();
            }
            2 if round < 8 => {
                cluster.server.stop().await;
                cluster.server.start_again().await;
            }
            _ => {}
        }
        // The server may have just closed this test's own connection. Then no answer says whether
        // the resource was created.
        loop {
            match tokio::time::timeout(Duration::from_secs(5), cluster.create(replay(&name))).await {
                Ok(Ok(_)) => break,
                Ok(Err(kube::Error::Api(status))) => {
                    assert_eq!(status.code, 409, "{status}");
                    break;
                }
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }
    until("all is well", || {
        cluster.ready("Responding") == FEW && cluster.server.objects(FILTERS).len() == FEW
    })
    .await;
    cluster.server.cut_watches();
    cluster.server.compact();
    cluster.delete_all(numbered(FEW)).await;
    until("nothing is left", || cluster.server.objects(FILTERS).is_empty()).await;
    controller.stop().await;
}

fn with_lease(identity: &str) -> Settings {
    let lease = LeaseSettings {
        namespace: HOME.into(),
        name: "controller".into(),
        identity: identity.into(),
        duration: Duration::from_secs(3),
    };
    Settings { lease: Some(lease), ..Settings::default() }
}

fn holder(cluster: &Cluster) -> String {
    let lease = cluster.server.object("leases.coordination.k8s.io", HOME, "controller").unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// A leader that can still write, but not renew its lease, stops before the other controller
/// begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_controllers_never_write_at_the_same_time() {
    let cluster = few().await;
    let (one, other) = (cluster.server.door().await, cluster.server.door().await);
    let first = cluster.run_at(&one.url(), with_lease("first"));
    until("the first leads", || holder(&cluster) == "first").await;
    let second = cluster.run_at(&other.url(), with_lease("second"));
    cluster.create(replay("app-000")).await.expect("it is created");
    until("it works", || cluster.ready("Responding") == 1).await;
    let door = one.number();
    cluster.server.refuse_where(move |asked| {
        (asked.door == door && asked.resource == "leases.coordination.k8s.io").then_some(500)
    });
    for name in &numbered(FEW)[1..] {
        cluster.create(replay(name)).await.expect("it is created");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    until("the second leads", || holder(&cluster) == "second").await;
    until("all is well", || cluster.ready("Responding") == FEW).await;
    let written = cluster.written();
    let by = |door: usize| move |asked: &Asked| asked.door == door;
    let (last, begun) = (written.iter().rposition(by(door)), written.iter().position(by(other.number())));
    assert!(last.expect("the first worked") < begun.expect("the second worked"), "{written:?}");
    // The second releases the lease, so that the first, which can renew again, starts at once.
    cluster.server.relent();
    second.stop().await;
    until("the first leads again", || holder(&cluster) == "first").await;
    first.stop().await;
    assert_eq!(holder(&cluster), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_that_is_cut_off_is_replaced() {
    let cluster = few().await;
    let mut one = cluster.server.door().await;
    let other = cluster.server.door().await;
    let first = cluster.run_at(&one.url(), with_lease("first"));
    until("the first leads", || holder(&cluster) == "first").await;
    let second = cluster.run_at(&other.url(), with_lease("second"));
    cluster.create_all(numbered(FEW).iter().map(|name| replay(name))).await;
    until("it has begun", || !cluster.server.objects(FILTERS).is_empty()).await;
    one.shut().await;
    until("the second leads", || holder(&cluster) == "second").await;
    until("all is well", || {
        cluster.ready("Responding") == FEW && cluster.server.objects(FILTERS).len() == FEW
    })
    .await;
    one.open_again().await;
    second.stop().await;
    until("the first leads again", || holder(&cluster) == "first").await;
    cluster.delete_all(numbered(FEW)).await;
    until("nothing is left", || cluster.server.objects(FILTERS).is_empty()).await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_and_deleted_filters_are_repaired() {
    let cluster = few().await;
    let controller = cluster.run(Settings::default());
    cluster.create(replay("app-000")).await.expect("it is created");
    until("it is there", || cluster.ready("Responding") == 1).await;
    let name = cluster.names(FILTERS).remove(0);
    let wanted = cluster.server.object(FILTERS, HOME, &name).expect("it is there")["spec"].clone();
    drift(&cluster, &name).await;
    until("it is as it was", || {
        cluster.server.object(FILTERS, HOME, &name).is_some_and(|filter| filter["spec"] == wanted)
    })
    .await;
    cluster.filters().delete(&name, &Default::default()).await.expect("it is deleted");
    until("it is there again", || {
        cluster.server.object(FILTERS, HOME, &name).is_some_and(|filter| filter["spec"] == wanted)
    })
    .await;
    controller.stop().await;
}

async fn drift(cluster: &Cluster, name: &str) {
    let other = PatchParams { field_manager: Some("other".into()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"spec": {"configPatches": []}}));
    cluster.filters().patch(name, &other, &patch).await.expect("it is changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn competing_manager_slows_repairs_down() {
    let cluster = few().await;
    let controller = cluster.run(Settings::default());
    cluster.create(replay("app-000")).await.expect("it is created");
    until("it is there", || cluster.ready("Responding") == 1).await;
    let name = cluster.names(FILTERS).remove(0);
    cluster.server.forget_history();
    let begun = std::time::Instant::now();
    let reported = || {
        let events = cluster.server.objects("events.events.k8s.io");
        events.iter().any(|event| event["reason"] == "Contested")
    };
    while begun.elapsed() < Duration::from_secs(8) {
        let filter = cluster.server.object(FILTERS, HOME, &name).unwrap_or(Value::Null);
        if filter["spec"]["configPatches"].as_array().is_some_and(|patches| !patches.is_empty()) {
            drift(&cluster, &name).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ours = |asked: &&Asked| asked.manager == "understudy-controller";
    let applied =
        cluster.server.history().iter().filter(|asked| asked.resource == FILTERS).filter(ours).count();
    assert!(applied <= 12, "{applied} applies in eight seconds");
    until("an event reports it", reported).await;
    assert_eq!(cluster.server.objects(REPLAYS).len(), 1);
    controller.stop().await;
}
