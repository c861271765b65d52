//! HTTPS of the app, read in the sidecar with certificates for some hosts, with and without a
//! `ServiceEntry` for them.

use crate::istio::Workload;
use crate::sidecar::{Endpoints, Pod};
use crate::{backend, fetches, module, payment, scope};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use understudy_istio::{Certificates, Collector, Https, Respond, Tap, pod_patch};
use understudy_testkit::{
    Answer, Connection, H2, H2_AND_HTTP1, HTTP1, Nobody, Recorded, Sink, TestAuthority, TlsFront, Upstream,
    eventually, frames, handshake, message, recorded,
};

/// Host with a certificate in the sidecar.
const HOST: &str = "api.test";
/// Host without one.
const OTHER: &str = "other.test";

/// Two authorities: a public one, which signs the certificates of real backends, and the user's
/// own.
struct World {
    public: TestAuthority,
    own: TestAuthority,
}

impl World {
    fn new() -> Self {
        Self { public: TestAuthority::new(), own: TestAuthority::new() }
    }

    /// HTTPS on this port to [`HOST`].
    fn https(&self, port: u16) -> Https {
        let roots = self.public.certificate();
        Https::new([HOST], port, roots.to_str()).expect("settings")
    }

    fn tap(&self, port: u16, collector: SocketAddr) -> Vec<Value> {
        let collector = Collector::new(&collector.to_string(), false).expect("a collector");
        let https = Some(self.https(port));
        Tap { scope: scope(), module: module(), collector, inbound: false, service: None, https }.resources()
    }

    fn respond(&self, port: u16, on_miss: Option<&str>) -> Vec<Value> {
        let https = Some(self.https(port));
        let (snapshot, collector, service) = (None, None, None);
        let on_miss = on_miss.map(str::to_owned);
        Respond {
            scope: scope(),
            module: module(),
            opt_in: false,
            snapshot,
            mocks: Vec::new(),
            on_miss,
            collector,
            service,
            https,
        }
        .resources()
    }

    /// The container of the sidecar, with the certificates where the pod's template mounts them.
    fn container(&self) -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        self.write_certificates(folder.path());
        folder
    }

    fn write_certificates(&self, root: &Path) {
        let leaf = self.own.leaf(HOST);
        let authority = self.own.authority.pem().to_owned();
        let certificates = Certificates {
            scope: scope(),
            chain: leaf.chain,
            key: leaf.key,
            bundle: authority.clone(),
            authority,
        };
        let resources = certificates.resources();
        let template = &pod_patch(&scope(), "app")["spec"]["template"];
        let annotation = |name: &str| -> Value {
            let text = template["metadata"]["annotations"][name].as_str().expect("an annotation");
            serde_json::from_str(text).expect("JSON")
        };
        // Istio's injector reads both annotations.
        let volumes = annotation("sidecar.istio.io/userVolume");
        let mounts = annotation("sidecar.istio.io/userVolumeMount");
        for (name, volume) in volumes.as_object().expect("volumes") {
            let secret = resources.iter().find(|resource| {
                resource["kind"] == "Secret" && resource["metadata"]["name"] == volume["secret"]["secretName"]
            });
            let mount = mounts[name]["mountPath"].as_str().expect("a path");
            let folder = root.join(mount.trim_start_matches('/'));
            std::fs::create_dir_all(&folder).expect("a folder");
            for (file, text) in secret.expect("a secret")["stringData"].as_object().expect("files") {
                std::fs::write(folder.join(file), text.as_str().expect("text")).expect("a file");
            }
        }
    }

    /// A TLS backend with this name and a certificate of the public authority.
    async fn backend(&self, name: &str, upstream: &Upstream) -> TlsFront {
        self.public.serve(name, HTTP1, upstream.address(), Duration::ZERO).await
    }

    /// Makes a call from the app. `own`: the app trusts the user's authority, else the public one
    /// alone.
    async fn call(
        &self,
        pod: &Pod,
        to: SocketAddr,
        host: &str,
        own: bool,
        path: &str,
    ) -> std::io::Result<Answer> {
        let client = if own { &self.own } else { &self.public }.client(HTTP1);
        let stream = handshake(&client, pod.dial_to(to).await, host).await?;
        let head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 2\r\n\r\nhi");
        Ok(Connection::on_tls(stream).exchange(head, false).await)
    }
}

fn known() -> Recorded {
    recorded("POST", &format!("https://{HOST}"), "/known").sent("hi").body("recorded")
}

/// The workload with the labels of the pod patch.
fn with_certificates() -> (Workload, Value) {
    let (mut workload, annotations) = payment(json!({}));
    let patch = pod_patch(&scope(), "app");
    for (name, value) in patch["spec"]["template"]["metadata"]["labels"].as_object().expect("labels") {
        workload.labels.insert(name.clone(), value.as_str().expect("a label").to_owned());
    }
    (workload, annotations)
}

/// The backend unknown to Istio, and the backend in a `ServiceEntry`.
fn endpoints(plain: SocketAddr, tls: SocketAddr) -> [Endpoints; 2] {
    [backend(plain), Endpoints { entry: Some(tls), ..backend(plain) }]
}

#[tokio::test]
async fn https_is_tapped_and_the_real_backend_is_verified() {
    let world = World::new();
    let upstream = Upstream::ok().await;
    let tls = world.backend(HOST, &upstream).await;
    let (agent, _folder) = fetches(vec![]);
    let container = world.container();
    for endpoints in endpoints(upstream.address(), tls.address()) {
        let sink = Sink::start(Nobody::here(), "204 No Content");
        let resources = world.tap(tls.address().port(), sink.address());
        let pod = Pod::start_in(endpoints, with_certificates(), &resources, &agent, container.path()).await;
        let answer = world.call(&pod, tls.address(), HOST, true, "/known").await.expect("trusted");
        assert_eq!((answer.status, answer.text().as_str()), (200, "real"), "{}", pod.envoy.logs());
        let records =
            || sink.batches().iter().flat_map(understudy_testkit::Batch::records).collect::<Vec<_>>();
        eventually("the collector has it", async || !records().is_empty()).await;
        assert_eq!(records()[0].exchange.backend, format!("https://{HOST}"));
        assert_eq!(pod.xds.refused(), Vec::<String>::new());
        // Plain HTTP is still tapped.
        assert_eq!(pod.call("api.test", "/plain").await.text(), "real");
    }
    // A backend with a wrong certificate gets no request.
    let seen = upstream.seen().len();
    for (impostor, name) in [(&world.own, HOST), (&world.public, OTHER)] {
        let tls = impostor.serve(name, HTTP1, upstream.address(), Duration::ZERO).await;
        let resources = world.tap(tls.address().port(), Nobody::here().address());
        let pod = Pod::start_in(
            backend(upstream.address()),
            with_certificates(),
            &resources,
            &agent,
            container.path(),
        )
        .await;
        let answer = world.call(&pod, tls.address(), HOST, true, "/x").await.expect("trusted");
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(tls.connections() > 0, "it was reached, and not believed");
    }
    assert_eq!(upstream.seen().len(), seen);
}

#[tokio::test]
async fn https_is_mocked_with_the_backend_gone() {
    let world = World::new();
    let plain = Upstream::ok().await;
    let gone = Nobody::here().address();
    let (asked, told) = (frames([message(&[(1, "order")])]), frames([message(&[(1, "recorded")])]));
    let grpc = recorded("POST", &format!("https://{HOST}"), "/orders.Orders/Get")
        .with("content-type", "application/grpc")
        .sent(&asked)
        .header("content-type", "application/grpc")
        .body(told.clone())
        .trailer("grpc-status", "0");
    let get = recorded("GET", &format!("https://{HOST}"), "/known").body("recorded");
    let (agent, _folder) = fetches(vec![known(), get, grpc]);
    let container = world.container();
    for endpoints in endpoints(plain.address(), gone) {
        let resources = world.respond(gone.port(), None);
        let pod = Pod::start_in(endpoints, with_certificates(), &resources, &agent, container.path()).await;
        let answer = world.call(&pod, gone, HOST, true, "/known").await.expect("trusted");
        assert_eq!((answer.status, answer.text().as_str()), (200, "recorded"), "{}", pod.envoy.logs());
        let miss = world.call(&pod, gone, HOST, true, "/new").await.expect("trusted");
        assert_eq!((miss.status, miss.header("x-understudy").as_deref()), (404, Some("miss")));
        // HTTP/2, and gRPC with its messages.
        let client = world.own.client(H2_AND_HTTP1);
        let stream = handshake(&client, pod.dial_to(gone).await, HOST).await.expect("trusted");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let client = H2::on(stream).await;
        let url = format!("https://{HOST}/known");
        let answer = client.request("GET", &url, &[], None, None).await.expect("an answer");
        assert_eq!(answer.body, b"recorded");
        let answer = client.call(&format!("https://{HOST}/orders.Orders/Get"), &[], asked.clone()).await;
        assert_eq!(answer.body, told);
        assert_eq!(answer.metadata("grpc-status").as_deref(), Some("0"));
        assert_eq!(pod.xds.refused(), Vec::<String>::new());
    }
    plain.assert_untouched();
}

#[tokio::test]
async fn backend_of_a_passthrough_is_verified() {
    let world = World::new();
    let upstream = Upstream::ok().await;
    let tls = world.backend(HOST, &upstream).await;
    let (agent, _folder) = fetches(vec![known()]);
    let container = world.container();
    let resources = world.respond(tls.address().port(), Some("passthrough"));
    let pod =
        Pod::start_in(backend(upstream.address()), with_certificates(), &resources, &agent, container.path())
            .await;
    let call = async |path| world.call(&pod, tls.address(), HOST, true, path).await.expect("trusted").text();
    assert_eq!((call("/known").await.as_str(), call("/new").await.as_str()), ("recorded", "real"));
}

#[tokio::test]
async fn https_to_other_hosts_passes_untouched() {
    let world = World::new();
    let upstream = Upstream::ok().await;
    let tls = world.backend(OTHER, &upstream).await;
    let (agent, _folder) = fetches(vec![known()]);
    let container = world.container();
    for endpoints in endpoints(upstream.address(), tls.address()) {
        let resources = world.respond(tls.address().port(), None);
        let pod = Pod::start_in(endpoints, with_certificates(), &resources, &agent, container.path()).await;
        // The app's TLS ends at the backend, whose certificate the app sees.
        let answer = world.call(&pod, tls.address(), OTHER, false, "/known").await.expect("the real one");
        assert_eq!(answer.text(), "real");
        let error = world.call(&pod, tls.address(), OTHER, true, "/known").await.expect_err("not ours");
        assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    }
}

/// In this protocol the server speaks first: a listener filter that waits for the client's first
/// bytes would wait until its timeout.
#[tokio::test]
async fn other_protocols_on_other_ports_pass_untouched() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let to = server.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            let _ = stream.write_all(b"220 at your service").await;
        }
    });
    let world = World::new();
    let plain = Upstream::ok().await;
    let (agent, _folder) = fetches(vec![known()]);
    let container = world.container();
    let resources = world.respond(Nobody::here().address().port(), None);
    let pod =
        Pod::start_in(backend(plain.address()), with_certificates(), &resources, &agent, container.path())
            .await;
    let mut said = String::new();
    let mut stream = pod.dial_to(to).await;
    // Envoy's inspector would close the connection after 15 s.
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut said));
    read.await.expect("the first word").expect("an end");
    assert_eq!(said, "220 at your service");
}

#[tokio::test]
async fn mocked_https_is_not_tapped() {
    let world = World::new();
    let upstream = Upstream::ok().await;
    let tls = world.backend(HOST, &upstream).await;
    let sink = Sink::start(Nobody::here(), "204 No Content");
    let (agent, _folder) = fetches(vec![known()]);
    let container = world.container();
    let port = tls.address().port();
    let both = [world.tap(port, sink.address()), world.respond(port, None)].concat();
    for endpoints in endpoints(upstream.address(), tls.address()) {
        let pod = Pod::start_in(endpoints, with_certificates(), &both, &agent, container.path()).await;
        let answer = world.call(&pod, tls.address(), HOST, true, "/known").await.expect("trusted");
        assert_eq!(answer.text(), "recorded");
        let refused = pod.envoy.stats("update_rejected").await.expect("statistics");
        assert!(refused.iter().all(|(_, count)| count == 0), "{}", pod.envoy.problems());
    }
    upstream.assert_untouched();
    assert!(sink.batches().is_empty());
}

#[tokio::test]
async fn missing_certificate_closes_connections_to_its_hosts_alone() {
    let world = World::new();
    let upstream = Upstream::ok().await;
    let tls = world.backend(OTHER, &upstream).await;
    let (agent, _folder) = fetches(vec![known()]);
    let empty = tempfile::tempdir().expect("a folder");
    let resources = world.respond(tls.address().port(), None);
    let pod =
        Pod::start_in(backend(upstream.address()), with_certificates(), &resources, &agent, empty.path())
            .await;
    world.call(&pod, tls.address(), HOST, true, "/known").await.expect_err("there is no certificate");
    assert_eq!(
        world.call(&pod, tls.address(), OTHER, false, "/x").await.expect("the real one").text(),
        "real"
    );
    assert_eq!(pod.call("elsewhere.test", "/x").await.status, 404, "plain HTTP is mocked as ever");
    // Certificates that arrive later are used without a restart.
    world.write_certificates(empty.path());
    pod.xds.files_in(empty.path());
    eventually("the sidecar has a certificate", async || {
        world.call(&pod, tls.address(), HOST, true, "/known").await.is_ok()
    })
    .await;
    upstream.seen().iter().for_each(|seen| assert_eq!(seen.path(), "/x"));
}

#[tokio::test]
async fn pod_without_the_label_is_left_alone() {
    let world = World::new();
    let upstream = Upstream::ok().await;
    let tls = world.backend(HOST, &upstream).await;
    let (agent, _folder) = fetches(vec![known()]);
    let empty = tempfile::tempdir().expect("a folder");
    let resources = world.respond(tls.address().port(), None);
    let who = payment(json!({}));
    let pod = Pod::start_in(backend(upstream.address()), who, &resources, &agent, empty.path()).await;
    let answer = world.call(&pod, tls.address(), HOST, false, "/known").await.expect("the real one");
    assert_eq!(answer.text(), "real");
}

#[tokio::test]
async fn mocked_https_without_a_module_lets_nothing_leave() {
    let world = World::new();
    let upstream = Upstream::ok().await;
    let tls = world.backend(HOST, &upstream).await;
    let container = world.container();
    let resources = world.respond(tls.address().port(), None);
    let agent = crate::istio::Agent::CannotFetch;
    let pod =
        Pod::start_in(backend(upstream.address()), with_certificates(), &resources, &agent, container.path())
            .await;
    let answer = world.call(&pod, tls.address(), HOST, true, "/known").await.expect("trusted");
    assert_eq!((answer.status, answer.text().as_str()), (403, "RBAC: access denied"));
    upstream.assert_untouched();
}
