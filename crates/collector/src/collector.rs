//! The collector as a running service: serves HTTP/1.1 and HTTP/2 (with prior knowledge) until it
//! is stopped, and then finishes what it has begun. Never installs signal handlers: its caller
//! stops it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use understudy_serve::{ServeLimits, serve};

use crate::config::CollectorConfig;
use crate::error::CollectorError;
use crate::gaps::GapReport;
use crate::http;
use crate::ingest::Ingest;
use crate::ledger::Accepted;
use crate::metrics::Stats;
use crate::store::Store;

/// A running collector. Dropped without [`Collector::shutdown`], it stops at once; acknowledged
/// batches are durable.
pub struct Collector {
    ingest: Ingest,
    address: SocketAddr,
    deadline: Duration,
    stop: oneshot::Sender<()>,
    server: JoinHandle<usize>,
}

/// The counts of a collector at its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CollectorSummary {
    /// The counts.
    pub stats: Stats,
    /// The missing batches.
    pub gaps: GapReport,
    /// The number of connections cut at the deadline in the middle of a request. Their batches
    /// weren't acknowledged.
    pub cut_connections: usize,
    /// The number of segments not sealed before the deadline. They are durable, and the next start
    /// seals them.
    pub unsealed_segments: u64,
}

impl Collector {
    /// Opens the store and serves on `address`. Port 0 takes a free port.
    ///
    /// # Errors
    /// A setting, the address or the store isn't usable.
    pub async fn bind(
        address: impl ToSocketAddrs,
        config: CollectorConfig,
    ) -> Result<Collector, CollectorError> {
        let addresses: Vec<SocketAddr> = match tokio::net::lookup_host(address).await {
            Ok(addresses) => addresses.collect(),
            Err(source) => return Err(CollectorError::Listen { address: "the address".into(), source }),
        };
        let listener = TcpListener::bind(&*addresses).await.map_err(|source| {
            let address = addresses.first().map_or("the address".into(), ToString::to_string);
            CollectorError::Listen { address, source }
        })?;
        Collector::serve(listener, config).await
    }

    /// Opens the store and serves on `listener`.
    ///
    /// # Errors
    /// A setting or the store isn't usable.
    pub async fn serve(listener: TcpListener, config: CollectorConfig) -> Result<Collector, CollectorError> {
        config.check()?;
        let address = listener
            .local_addr()
            .map_err(|source| CollectorError::Listen { address: "the listener".into(), source })?;
        let store = Arc::new(Store::open(config.store.clone()).await?);
        let ingest = Ingest::new(store, &config.ingest);
        let router = http::router(ingest.clone(), config.ingest.retry_after);
        let (stop, stopped) = oneshot::channel();
        let deadline = config.shutdown_deadline;
        let mut limits = ServeLimits::default();
        limits.shutdown_deadline = deadline;
        limits.idle_timeout = config.idle_timeout;
        let server = tokio::spawn(serve(listener, router, limits, stopped));
        tracing::info!(%address, store = config.store.place(), "collecting");
        Ok(Collector { ingest, address, deadline, stop, server })
    }

    /// The address on which it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The ingest, which takes batches without HTTP.
    pub fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    /// The store that batches go to.
    pub fn store(&self) -> &Store {
        self.ingest.store()
    }

    /// The counts so far.
    pub fn stats(&self) -> Stats {
        self.ingest.stats()
    }

    /// The batches missing so far.
    pub fn gaps(&self) -> GapReport {
        self.store().gaps()
    }

    /// Reports each batch that is stored from now on; see [`Store::subscribe`].
    pub fn subscribe(&self) -> broadcast::Receiver<Accepted> {
        self.store().subscribe()
    }

    /// Serves until `cancelled` is ready, and shuts down.
    pub async fn run_until(self, cancelled: impl Future<Output = ()>) -> CollectorSummary {
        cancelled.await;
        self.shutdown().await
    }

    /// Stops accepting connections, finishes the requests in flight up to the deadline, and closes
    /// the store.
    pub async fn shutdown(self) -> CollectorSummary {
        // A server that has ended needs no stop.
        let _ = self.stop.send(());
        let cut_connections = self.server.await.unwrap_or_default();
        let unsealed_segments = self.ingest.store().close(self.deadline).await;
        CollectorSummary {
            stats: self.ingest.stats(),
            gaps: self.ingest.store().gaps(),
            cut_connections,
            unsealed_segments,
        }
    }
}
