//! A real Envoy that accepts TLS with certificates from the service, and a client that verifies
//! them.

#![allow(dead_code, reason = "no test uses all of it")]

use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use understudy_ca::{Authority, Sds, SdsOptions};
use understudy_envoy::{Bootstrap, Envoy, Options};

/// The time limit of a handshake in tests, refused ones included.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Envoy's time limit for a handshake.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(3);

/// An authority, its service, and an Envoy that uses it.
pub(crate) struct Rig {
    pub(crate) authority: Authority,
    pub(crate) sds: Sds,
    pub(crate) envoy: Envoy,
    pub(crate) folder: TempDir,
    client: Arc<ClientConfig>,
}

impl Rig {
    pub(crate) async fn start(options: SdsOptions) -> Self {
        let folder = private_folder();
        let authority = Authority::open_or_create(&folder.path().join("config")).expect("an authority");
        let socket = folder.path().join("sds");
        let sds = Sds::serve_with(authority.clone(), &socket, options).await.expect("a service");
        let bootstrap = Bootstrap::tap()
            .without_filter()
            .listen(([127, 0, 0, 1], 0).into())
            .edit(move |config| take_tls(config, &socket));
        let envoy = Envoy::start(&bootstrap, &Options::default()).await.expect("Envoy");
        let client = Arc::new(client(&authority));
        Self { authority, sds, envoy, folder, client }
    }

    /// Makes a handshake for this name, and returns how long it took.
    pub(crate) async fn connect(&self, name: &str) -> (std::io::Result<TlsStream<TcpStream>>, Duration) {
        self.connect_with(&self.client, name).await
    }

    /// Makes a handshake with this client configuration.
    pub(crate) async fn connect_with(
        &self,
        client: &Arc<ClientConfig>,
        name: &str,
    ) -> (std::io::Result<TlsStream<TcpStream>>, Duration) {
        let tcp = TcpStream::connect(self.envoy.proxy_addr()).await.expect("a connection");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let started = Instant::now();
        let tls =
            tokio::time::timeout(PATIENCE, TlsConnector::from(Arc::clone(client)).connect(name, tcp)).await;
        let took = started.elapsed();
        (tls.unwrap_or_else(|_| Err(std::io::Error::other("it hangs"))), took)
    }

    /// Sends a ClientHello with a raw server name, which no library would send. Returns the type of
    /// the first TLS record of the response, if any.
    pub(crate) async fn say_hello(&self, name: &[u8]) -> (Option<u8>, Duration) {
        let mut tcp = TcpStream::connect(self.envoy.proxy_addr()).await.expect("a connection");
        let started = Instant::now();
        tcp.write_all(&hello(name)).await.expect("sent");
        let mut first = [0; 1];
        let read = tokio::time::timeout(PATIENCE, tcp.read(&mut first)).await.unwrap_or_else(|_| {
            panic!("{:?} hangs; {}", String::from_utf8_lossy(name), self.envoy.problems())
        });
        (read.is_ok_and(|count| count > 0).then_some(first[0]), started.elapsed())
    }
}

/// A folder that is private to the user.
pub(crate) fn private_folder() -> TempDir {
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    tempfile::Builder::new().prefix("understudy-ca-").permissions(private).tempdir().expect("a folder")
}

/// A client that trusts only this authority.
pub(crate) fn client(authority: &Authority) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().to_vec().into()).expect("a root");
    let mut client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    client
}

/// Makes the listener accept TLS with certificates on demand, and answer `intercepted`.
fn take_tls(config: &mut Value, socket: &Path) {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "tls",
        "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [{
            "match": { "prefix": "/" }, "direct_response": { "status": 200, "body": { "inline_string": "intercepted" } } }] }] },
    });
    let source = json!({
        "resource_api_version": "V3", "initial_fetch_timeout": "10s",
        "api_config_source": { "api_type": "DELTA_GRPC", "transport_api_version": "V3",
            "set_node_on_first_message_only": true,
            "grpc_services": [{ "envoy_grpc": { "cluster_name": "sds" } }] },
    });
    let selector = json!({ "name": "on_demand", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config",
        "config_source": source,
        "certificate_mapper": { "name": "sni", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3.SNI", "default_value": "nobody" } },
    } });
    let tls = json!({ "name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "disable_stateless_session_resumption": true, "disable_stateful_session_resumption": true,
        "common_tls_context": { "alpn_protocols": ["h2", "http/1.1"], "custom_tls_certificate_selector": selector },
    } });
    let listeners = config["static_resources"]["listeners"].as_array_mut().expect("listeners");
    listeners.truncate(1);
    let listener = &mut listeners[0];
    listener["filter_chains"] = json!([{ "filters": [{ "name": "manager", "typed_config": manager }], "transport_socket": tls,
            "transport_socket_connect_timeout": format!("{}s", HANDSHAKE_MAX.as_secs()) }]);
    listener["listener_filters"] = json!([{ "name": "envoy.filters.listener.tls_inspector", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" } }]);
    config["static_resources"]["clusters"] = json!([{
        "name": "sds", "connect_timeout": "1s", "type": "STATIC",
        "circuit_breakers": { "thresholds": [{ "max_requests": 100_000 }] },
        "load_assignment": { "cluster_name": "sds", "endpoints": [{ "lb_endpoints": [{ "endpoint": {
            "address": { "pipe": { "path": socket } } } }] }] },
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} } } },
    }]);
}

/// A TLS 1.2 ClientHello with this server name. RFC 5246, 7.4.1.2; RFC 6066, 3.
fn hello(name: &[u8]) -> Vec<u8> {
    fn sized(width: usize, content: &[u8]) -> Vec<u8> {
        let mut all = content.len().to_be_bytes()[8 - width..].to_vec();
        all.extend_from_slice(content);
        all
    }
    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [kind.to_be_bytes().to_vec(), sized(2, content)].concat()
    }
    let extensions = [
        extension(0, &sized(2, &[&[0], sized(2, name).as_slice()].concat())),
        extension(10, &sized(2, &[0, 23])),
        extension(11, &sized(1, &[0])),
        extension(13, &sized(2, &[4, 3, 8, 4, 4, 1])),
    ];
    // Version, random, no session, two common cipher suites, no compression.
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(sized(2, &[0xc0, 0x2b, 0xc0, 0x2f]));
    body.extend([1, 0]);
    body.extend(sized(2, &extensions.concat()));
    let handshake = [vec![1], sized(3, &body)].concat();
    [vec![22, 3, 1], sized(2, &handshake)].concat()
}
