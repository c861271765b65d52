//! Of several controllers, only the holder of the lease works.

use crate::scene::{Scene, client, settings};
use serde_json::{Value, json};
use std::time::Duration;
use understudy_controller::{LeaseSettings, Settings};

pub(crate) fn electing(identity: &str) -> Settings {
    let lease = LeaseSettings {
        namespace: "payments".to_owned(),
        name: "understudy-controller".to_owned(),
        identity: identity.to_owned(),
        duration: Duration::from_secs(3),
    };
    Settings { lease: Some(lease), ..settings() }
}

impl Scene {
    fn holder(&self) -> Value {
        let lease = self.server.object("leases.coordination.k8s.io", "payments", "understudy-controller");
        lease.map_or(Value::Null, |lease| lease["spec"]["holderIdentity"].clone())
    }

    /// Doors through which objects were written, the lease aside.
    fn writers(&self) -> Vec<usize> {
        let mut doors: Vec<_> = self
            .server
            .history()
            .iter()
            .filter(|asked| asked.is_write() && !asked.resource.starts_with("leases") && asked.door > 0)
            .map(|asked| asked.door)
            .collect();
        doors.dedup();
        doors
    }
}

#[tokio::test]
async fn second_controller_takes_over_when_the_first_stops() {
    let scene = Scene::new().await;
    let (one, other) = (scene.server.door().await, scene.server.door().await);
    let first = scene.start_with(client(&one.url()), electing("first"));
    scene.until("the first holds the lease", || scene.holder() == "first").await;
    let second = scene.start_with(client(&other.url()), electing("second"));
    scene.replay("friday", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    assert_eq!(scene.writers(), [one.number()]);
    first.stop().await;
    scene.until("the second holds the lease", || scene.holder() == "second").await;
    scene.merge(&scene.replays(), "friday", json!({ "spec": { "snapshotID": "payment:2" } })).await;
    scene
        .until("the second works", || {
            scene.filters().first().is_some_and(|filter| filter.to_string().contains("payment:2"))
        })
        .await;
    assert_eq!(scene.writers(), [one.number(), other.number()]);
    second.stop().await;
    assert_eq!(scene.holder(), Value::Null);
}

#[tokio::test]
async fn controller_without_the_lease_stops_working() {
    let scene = Scene::new().await;
    let (mut one, other) = (scene.server.door().await, scene.server.door().await);
    let first = scene.start_with(client(&one.url()), electing("first"));
    scene.until("the first holds the lease", || scene.holder() == "first").await;
    let second = scene.start_with(client(&other.url()), electing("second"));
    // The first controller's network is cut: it can neither renew nor release the lease.
    one.shut().await;
    scene.until("the second holds the lease", || scene.holder() == "second").await;
    scene.server.forget_history();
    one.open_again().await;
    scene.replay("friday", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    assert_eq!(scene.writers(), [other.number()]);
    // It works again once it holds the lease again.
    second.kill().await;
    scene.until("the first holds the lease again", || scene.holder() == "first").await;
    scene.merge(&scene.replays(), "friday", json!({ "spec": { "snapshotID": "payment:3" } })).await;
    scene
        .until("the first works", || {
            scene.filters().first().is_some_and(|filter| filter.to_string().contains("payment:3"))
        })
        .await;
    first.stop().await;
}
