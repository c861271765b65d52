//! `record --inbound`: who calls CMD is recorded too, with where, and with what it has caused.

use crate::call::Running;
use crate::scene::{Scene, python, script, until};
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener, TcpStream};
use understudy_analyse::traces::{Caused, Traces};
use understudy_snapshot::Snapshot;
use understudy_testkit::{Connection, ports};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Two addresses where nobody listens: for Envoy, and for the service.
fn addresses() -> [SocketAddr; 2] {
    ports().map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
}

/// `record --inbound LISTEN=APP ARGS -- service.py`, once the service listens.
async fn recording(scene: &Scene, [listen, app]: [SocketAddr; 2], args: &[&str]) -> Running {
    let cmd = [python(), script("service.py"), app.port().to_string()];
    let way = format!("{listen}={app}");
    let args = [&["--inbound", &way], args].concat();
    let running = scene.record(&args, &cmd).start();
    until("the service doesn't listen", || TcpStream::connect(app).ok().map(drop)).await;
    running
}

async fn ask(to: SocketAddr, path: &str, headers: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: shop.test\r\n{headers}\r\n");
    Connection::open(to).await.exchange(request, false).await.text()
}

#[tokio::test]
async fn inbound_requests_are_recorded_with_the_calls_that_they_caused() {
    let scene = Scene::new().await;
    let [listen, app] = addresses();
    let running = recording(&scene, [listen, app], &["--json"]).await;
    running.says(&format!("requests to {listen} go on to {app}")).await;
    let answer = ask(listen, "/a", &format!("traceparent: {TRACE}\r\n")).await;
    assert_eq!(answer, "the service says: answer 1 to GET /a");
    assert_eq!(ask(listen, "/b", "").await, "the service says: answer 2 to GET /b");
    let done = running.end().await.expect(0);
    let name = format!("http://{listen}");
    assert_eq!(done.json()["inbound"][&name]["exchanges"], 2);
    let done = done.says(&[
        "s: 2 inbound requests and 2 exchanges with 1 backend recorded",
        &format!("     2  {name} (inbound)"),
        "of 2 calls, the inbound request that caused it is known for 1",
    ]);
    assert!(!done.err.contains("warning"), "{done}");

    let snapshot = Snapshot::open(scene.path("s")).expect("a snapshot");
    let inbound = &snapshot.header().inbound[&name];
    assert_eq!((inbound.app.clone(), inbound.exchanges), (app.to_string(), 2));
    let exchanges: Vec<_> =
        snapshot.exchanges().expect("a file").map(|l| l.expect("a line").exchange).collect();
    let id = |way: &str, path: &str| {
        let found = exchanges.iter().find(|e| e.backend.contains(way) && e.request.path == path.as_bytes());
        found.expect("an exchange").id.clone()
    };
    let traces = Traces::of(&snapshot).expect("traces");
    let Caused::These([call]) = traces.caused_by(&id(&name, "/a")) else { panic!("{traces:?}") };
    assert_eq!(call.id, id("api.test", "/a"));
    assert_eq!(traces.caused_by(&id(&name, "/b")), Caused::Unknown, "it carried nothing");

    // An inbound exchange is no answer.
    let done = scene.understudy(["match", "s", "s", "--json"]).run().await.expect(0);
    assert_eq!(done.json()["matches"], 2);
    scene.understudy(["lint", "s", "--strict"]).run().await.expect(0);

    // The service's address is kept.
    let map = format!("api.test=http://{}", scene.upstream.address());
    let other = crate::scene::client(&["GET http://api.test/other"]);
    let args = ["record", "-o", "b", "--map", &map, "--"].into_iter().chain(other.iter().map(String::as_str));
    scene.understudy(args).run().await.expect(0);
    scene.understudy(["merge", "b", "s"]).run().await.expect(0);
    let inbound = format!("inbound:\n  \"{name}\":\n    app: {app}\n    exchanges: 2\n");
    assert!(scene.read("b/snapshot.yaml").contains(&inbound), "{}", scene.read("b/snapshot.yaml"));
    scene.all_gone().await;
}

#[tokio::test]
async fn missing_service_is_reported_and_recorded() {
    let scene = Scene::new().await;
    let [listen, app] = addresses();
    let request = format!("GET http://{listen}/early");
    let cmd = crate::scene::client(&[&request]);
    let done = scene.record(&["--inbound", &format!("{listen}={app}")], &cmd).run().await.expect(0);
    assert!(done.out.starts_with("503 "), "{done}");
    done.says(&[&format!(
        "the service behind http://{listen} gave no answer to 1 request: upstream connect error"
    )]);
    assert!(scene.read("s/exchanges.ndjson").contains("\"end\":\"no-response\""));
}

#[tokio::test]
async fn recovered_recording_has_the_services_address() {
    let scene = Scene::new().await;
    let [listen, app] = addresses();
    let running = recording(&scene, [listen, app], &[]).await;
    ask(listen, "/a", "").await;
    // Each direction has batches of its own.
    until("not all is stored", || {
        let stored = scene.read_capture();
        let has = |way: &str| stored.contains(&format!("\"direction\":\"{way}\""));
        (has("inbound") && has("outbound")).then_some(())
    })
    .await;
    running.signal(Signal::KILL);
    running.end().await.expect(128 + 9);
    until("the recording is in use", || scene.processes().is_empty().then_some(())).await;
    let done = scene.understudy(["record", "-o", "s", "--recover"]).run().await.expect(0);
    done.says(&["1 inbound request and 1 exchange with 1 backend recovered"]);
    let header = scene.read("s/snapshot.yaml");
    assert!(header.contains(&format!("inbound:\n  \"http://{listen}\":\n    app: {app}")), "{header}");
    assert_eq!(scene.names(), ["s"]);
}

#[tokio::test]
async fn invalid_inbound_listeners_are_refused() {
    let scene = Scene::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("an address").to_string();
    let ran = ["touch".to_owned(), "ran".to_owned()];
    let check = async |args: &[&str], says: &[&str]| {
        scene.record(args, &ran).run().await.expect(2).says(says);
        assert!(
            !scene.path("ran").exists() && !scene.path("s").exists() && !scene.path("s.capture").exists()
        );
    };
    check(&["--inbound", &format!("{taken}=9000")], &["the address", &taken, "is in use by another process"])
        .await;
    check(&["--inbound", "8080"], &["write LISTEN=APP, such as 8080=9000"]).await;
    check(&["--inbound", "8080=8080"], &["both are the same"]).await;
    check(&["--inbound", "8080=9000", "--inbound", "8080=9001"], &["127.0.0.1:8080 is in use already"]).await;
    check(&["--inbound", "192.0.2.1:8080=9000"], &["192.0.2.1"]).await;
    scene.all_gone().await;
}
