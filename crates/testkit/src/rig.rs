//! The filter in a real Envoy, with a table of recorded exchanges and a collector beside it.

use crate::recording::Recorded;
use crate::reload::move_listeners;
use crate::tls::{TestAuthority, handshake, tunnel};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use understudy_ca::Sds;
use understudy_collector::{Collector, CollectorConfig, Reader};
use understudy_compile::bundle;
use understudy_compile::table::TableBuilder;
use understudy_core::rules::Rule;
use understudy_core::v1::{self, Record};
use understudy_envoy::{Bootstrap, Envoy, FilterFailure, HostMap, Inbound, Options, UpstreamTrust};
use understudy_snapshot::{Backend, Header};

/// The file of the listeners, in the rig's folder.
const LISTENERS: &str = "listeners.json";

/// Settings of a rig.
pub struct RigBuilder {
    bootstrap: Bootstrap,
    exchanges: Vec<Recorded>,
    header: Header,
    config: Value,
    maps: Vec<HostMap>,
    workers: u32,
    collector: CollectorAt,
    module: Option<Vec<u8>>,
    reloadable: bool,
    tls: bool,
}

enum CollectorAt {
    None,
    Own,
    Other(SocketAddr),
}

/// A running Envoy with the filter.
pub struct Rig {
    /// The Envoy.
    pub envoy: Envoy,
    /// Number of VMs at the start.
    pub(crate) vms: u64,
    collector: Option<Collector>,
    folder: TempDir,
    certificates: Option<(TestAuthority, Sds)>,
}

impl RigBuilder {
    /// Adds an exchange to the table.
    #[must_use]
    pub fn exchange(mut self, exchange: Recorded) -> Self {
        self.exchanges.push(exchange);
        self
    }

    /// Adds settings of a backend, as in `snapshot.yaml`.
    #[must_use]
    pub fn backend(mut self, name: &str, backend: Backend) -> Self {
        self.header.backends.insert(name.to_owned(), backend);
        self
    }

    /// Adds a rule, as `snapshot.yaml` would.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.header.rules.push(rule);
        self
    }

    /// Sets a key of the filter's configuration.
    #[must_use]
    pub fn config(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// Sends requests to a host to another address.
    #[must_use]
    pub fn map(mut self, map: HostMap) -> Self {
        self.maps.push(map);
        self
    }

    /// Adds a way in to an app, on a free port.
    #[must_use]
    pub fn inbound(mut self, app: SocketAddr) -> Self {
        let way: Inbound = format!("0={app}").parse().expect("a way in");
        self.bootstrap = self.bootstrap.inbound(way.settled().expect("a free port"));
        self
    }

    /// Sets how many worker threads Envoy has.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// Lets Envoy have a way to the backends.
    #[must_use]
    pub fn with_backends(mut self) -> Self {
        self.bootstrap = Bootstrap::responder_with_backends();
        self
    }

    /// Adds a collector, for [`Rig::records`].
    #[must_use]
    pub fn collector(mut self) -> Self {
        self.collector = CollectorAt::Own;
        self
    }

    /// Sends the filter's batches to this address, whatever listens there.
    #[must_use]
    pub fn collector_at(mut self, address: SocketAddr) -> Self {
        self.collector = CollectorAt::Other(address);
        self
    }

    /// Runs this module instead of the filter with the table.
    #[must_use]
    pub fn module(mut self, module: Vec<u8>) -> Self {
        self.module = Some(module);
        self
    }

    /// Omits the filter: the same Envoy with no code of ours in its chain.
    #[must_use]
    pub fn without_filter(mut self) -> Self {
        self.bootstrap = self.bootstrap.without_filter();
        self
    }

    /// Takes TLS, with certificates by an authority of the rig's own.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Certificates of backends that Envoy accepts.
    #[must_use]
    pub fn upstream_trust(mut self, trust: UpstreamTrust) -> Self {
        self.bootstrap = self.bootstrap.upstream_trust(trust);
        self
    }

    /// Envoy's behaviour after a crash of the filter.
    #[must_use]
    pub fn on_filter_failure(mut self, failure: FilterFailure) -> Self {
        self.bootstrap = self.bootstrap.on_filter_failure(failure);
        self
    }

    /// A last change to Envoy's whole configuration.
    #[must_use]
    pub fn edit(mut self, edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.bootstrap = self.bootstrap.edit(edit);
        self
    }

    /// Puts the listeners where [`Rig::reload`] can change them.
    #[must_use]
    pub fn reloadable(mut self) -> Self {
        self.reloadable = true;
        self
    }

    /// The filter with the table of the exchanges, or without a table if there are none.
    pub fn bundled(&self) -> Vec<u8> {
        let table = if self.exchanges.is_empty() { Vec::new() } else { self.table() };
        bundle::bundle(understudy_module::RAW, &table, &bundle::BundleInfo::default()).expect("a module")
    }

    /// The table of the exchanges.
    pub fn table(&self) -> Vec<u8> {
        let mut builder = TableBuilder::new(&self.header);
        for (number, exchange) in (1..).zip(&self.exchanges) {
            builder.push(&exchange.clone().exchange(number)).expect("an exchange for the table");
        }
        builder.finish().expect("a table").bytes
    }

    /// Starts it, or says why not.
    pub async fn try_start(self) -> Result<Rig, understudy_envoy::Error> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let module = folder.path().join("filter.wasm");
        let bytes = self.module.clone().unwrap_or_else(|| self.bundled());
        std::fs::write(&module, bytes).expect("the module is written");
        let mut config = self.config;
        let collector = match self.collector {
            CollectorAt::Own => Some(
                Collector::bind("127.0.0.1:0", CollectorConfig::new(folder.path().join("store")))
                    .await
                    .expect("a collector"),
            ),
            _ => None,
        };
        let address = match (&collector, self.collector) {
            (Some(collector), _) => Some(collector.local_addr()),
            (None, CollectorAt::Other(address)) => Some(address),
            (None, _) => None,
        };
        let mut bootstrap = self.bootstrap.listen(([127, 0, 0, 1], 0).into()).filter(&module);
        if let Some(address) = address {
            bootstrap = bootstrap.collector(address);
            if config.get("collector").is_none() {
                config["collector"] = json!({ "cluster": "collector", "flush_interval_ms": 20 });
            }
        }
        let certificates = if self.tls { Some(certificates().await) } else { None };
        if let Some((_, sds)) = &certificates {
            bootstrap = bootstrap.certificates(sds.socket());
        }
        if self.reloadable {
            let file = folder.path().join(LISTENERS);
            bootstrap = bootstrap.edit(move |bootstrap| move_listeners(bootstrap, &file));
        }
        bootstrap = self.maps.into_iter().fold(bootstrap.plugin_config(config), Bootstrap::map);
        let envoy =
            Envoy::start(&bootstrap, &Options { concurrency: self.workers, ..Options::default() }).await?;
        let mut rig = Rig { envoy, vms: 0, collector, folder, certificates };
        rig.vms = rig.active_vms().await;
        Ok(rig)
    }

    /// Starts it.
    pub async fn start(self) -> Rig {
        self.try_start().await.unwrap_or_else(|error| panic!("Envoy does not start: {error:?}"))
    }
}

impl Rig {
    fn builder(bootstrap: Bootstrap, config: Value) -> RigBuilder {
        let header = Header { name: "rig".into(), ..Header::default() };
        let (exchanges, maps, collector) = (Vec::new(), Vec::new(), CollectorAt::None);
        let (workers, module, reloadable, tls) = (1, None, false, false);
        RigBuilder { bootstrap, exchanges, header, config, maps, workers, collector, module, reloadable, tls }
    }

    /// A rig that mocks everything and has no way to any backend.
    pub fn responder() -> RigBuilder {
        Self::builder(Bootstrap::responder(), json!({ "default": "mock" }))
    }

    /// A rig that taps everything into a collector.
    pub fn tap() -> RigBuilder {
        Self::builder(Bootstrap::tap(), json!({ "default": "tap" })).collector()
    }

    /// Address to send requests to.
    pub fn proxy(&self) -> SocketAddr {
        self.envoy.proxy_addr()
    }

    /// Address of the `number`th inbound listener, counted from 0.
    pub fn inbound(&self, number: usize) -> SocketAddr {
        self.envoy.listener_addr(&format!("inbound_{number}")).expect("a way in")
    }

    /// A client's side of TLS inside of a tunnel to `host:port`; the client trusts the rig.
    pub async fn tls(&self, to: &str, alpn: &[&str]) -> TlsStream<TcpStream> {
        let tunnel = tunnel(self.proxy(), to).await;
        let name = to.rsplit_once(':').map_or(to, |(host, _)| host);
        handshake(&self.client(alpn), tunnel, name.trim_matches(['[', ']'])).await.expect("a handshake")
    }

    /// A client that trusts only the rig.
    pub fn client(&self, alpn: &[&str]) -> TlsConnector {
        self.certificates.as_ref().expect("a rig with TLS").0.client(alpn)
    }

    /// The value of one of the filter's counters.
    pub async fn counter(&self, name: &str) -> u64 {
        let name = format!("wasmcustom.understudy.{name}");
        self.envoy.stats("wasmcustom").await.expect("statistics").get(&name)
    }

    /// The records that the collector has, once there are at least `count`.
    pub async fn records(&self, count: usize) -> Vec<Record> {
        let store = self.folder.path().join("store");
        assert!(self.collector.is_some(), "a rig without a collector has no records");
        let mut records = Vec::new();
        for _ in 0..1000 {
            records.clear();
            let mut reader = Reader::open(&store).await.expect("a store");
            while let Some(stored) = reader.next().await.expect("a record") {
                records.push(v1::read_record(&stored.line).expect("a record of ours"));
            }
            if records.len() >= count {
                records.sort_by_key(|record| record.exchange.time);
                return records;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} records of {count}; Envoy says:\n{}", records.len(), self.envoy.logs());
    }

    /// Folder of the rig's files.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn listeners_file(&self) -> PathBuf {
        self.folder.path().join(LISTENERS)
    }

    /// The counters of records, as Envoy has them.
    pub async fn totals(&self) -> Totals {
        let stats = self.envoy.stats("understudy.records").await.expect("statistics");
        let get = |name| stats.get(&format!("wasmcustom.understudy.records.{name}"));
        Totals { captured: get("captured"), delivered: get("delivered"), dropped: get("dropped") }
    }
}

async fn certificates() -> (TestAuthority, Sds) {
    let authority = TestAuthority::new();
    let socket = authority.folder().join("sds");
    let sds = Sds::serve(authority.authority.clone(), socket).await.expect("a certificate service");
    (authority, sds)
}

/// Totals of the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Taken in.
    pub captured: u64,
    /// Acknowledged by the collector.
    pub delivered: u64,
    /// Given up.
    pub dropped: u64,
}

/// Waits until a condition holds, and panics if it doesn't within 20 s.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(20), "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
