//! Many resources at once, and controllers that die in the middle.

use crate::cluster::{Cluster, FILTERS, REPLAYS, deployment, numbered, replay, until};
use std::time::Duration;
use understudy_controller::Settings;

const MANY: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_resources_come_and_go_and_leave_no_traffic() {
    let cluster = Cluster::new().await;
    let names = numbered(MANY);
    cluster.create_all(names.iter().map(|name| deployment(name))).await;
    let controller = cluster.run(Settings::default());
    cluster.create_all(names.iter().map(|name| replay(name))).await;
    until("each has its EnvoyFilter", || cluster.server.objects(FILTERS).len() == MANY).await;
    until("each reports so", || cluster.ready("Responding") == MANY).await;
    assert_quiet(&cluster).await;
    let written = cluster.written();
    let of = |resource: &str, verb: &str| {
        written.iter().filter(|asked| asked.resource == resource && asked.verb == verb).count()
    };
    let (applied, reported) = (of(FILTERS, "patch"), of(REPLAYS, "update"));
    assert!(applied <= 3 * MANY, "{applied} applies of {MANY} resources");
    assert!(reported <= 3 * MANY, "{reported} writes of {MANY} statuses");
    cluster.delete_all(names).await;
    until("nothing is left", || {
        cluster.server.objects(FILTERS).len() + cluster.server.objects(REPLAYS).len() == 0
    })
    .await;
    assert_quiet(&cluster).await;
    controller.stop().await;
}

/// Asserts that nothing is written while nothing happens, for as long as many reconciliations take.
async fn assert_quiet(cluster: &Cluster) {
    let mut before = cluster.server.version();
    // Reconciliations under way may finish.
    until("the last has been written", || {
        let now = cluster.server.version();
        std::mem::replace(&mut before, now) == now
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (version, requests) = (cluster.server.version(), cluster.server.history().len());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(cluster.server.version(), version, "{:?}", cluster.server.history().split_off(requests));
    let asked = cluster.server.history().len() - requests;
    assert!(asked < 20, "{asked} requests while nothing happened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_controller_finishes_what_a_killed_one_began() {
    let cluster = Cluster::new().await;
    let names = numbered(60);
    cluster.create_all(names.iter().map(|name| deployment(name))).await;
    cluster.create_all(names.iter().map(|name| replay(name))).await;
    for part in [1, 20, 40] {
        let controller = cluster.run(Settings::default());
        until("it is in the middle", || cluster.server.objects(FILTERS).len() >= part).await;
        controller.kill().await;
    }
    // A resource is deleted while no controller runs.
    cluster.delete_all(["app-000".to_owned()]).await;
    let controller = cluster.run(Settings::default());
    until("the rest is done", || cluster.ready("Responding") == 59).await;
    until("each has one EnvoyFilter", || cluster.server.objects(FILTERS).len() == 59).await;
    controller.stop().await;
}
