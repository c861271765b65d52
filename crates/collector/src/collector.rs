//! The collector as a running service: listens, serves HTTP/1.1 and HTTP/2 (with prior knowledge) until it is told to
//! stop, and then loses nothing that it took. Never installs signal handlers: its caller says when to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::{broadcast, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::config::CollectorConfig;
use crate::error::CollectorError;
use crate::gaps::GapReport;
use crate::http;
use crate::ingest::Ingest;
use crate::metrics::Stats;
use crate::store::{Accepted, Store};

/// How long a client may take for the head of a request, idle time before it included, and to answer an HTTP/2 ping.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// How long to wait when no connection can be accepted, as when files have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running collector. Dropped without [`Collector::shutdown`] it stops at once; what it acknowledged is durable.
pub struct Collector {
    ingest: Ingest,
    address: SocketAddr,
    deadline: Duration,
    stop: oneshot::Sender<()>,
    server: JoinHandle<usize>,
}

/// What a collector did, told at its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// All that was counted.
    pub stats: Stats,
    /// What is missing.
    pub gaps: GapReport,
    /// Connections that were cut at the deadline in the middle of a request. Their batches weren't acknowledged.
    pub cut_connections: usize,
    /// Segments that weren't put away before the deadline. They are durable; the next start puts them away.
    pub unsealed_segments: u64,
}

impl Collector {
    /// Opens the store and serves on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// A setting, the address or the store can't be used.
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
    /// A setting or the store can't be used.
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
        let server = tokio::spawn(accept(listener, router, stopped, deadline));
        log::info!("collecting on {address} into {}", config.store.folder.display());
        Ok(Collector { ingest, address, deadline, stop, server })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes batches without HTTP.
    pub fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    /// Where batches are kept.
    pub fn store(&self) -> &Store {
        self.ingest.store()
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.ingest.stats()
    }

    /// What is missing so far.
    pub fn gaps(&self) -> GapReport {
        self.store().gaps()
    }

    /// Tells about each batch that is stored from now on; see [`Store::subscribe`].
    pub fn subscribe(&self) -> broadcast::Receiver<Accepted> {
        self.store().subscribe()
    }

    /// Serves until `cancelled` is done, and shuts down.
    pub async fn run_until(self, cancelled: impl Future<Output = ()>) -> Summary {
        cancelled.await;
        self.shutdown().await
    }

    /// Takes no more connections, finishes the requests in flight up to the deadline, and closes the store.
    pub async fn shutdown(self) -> Summary {
        // A server that is gone has nothing to stop.
        let _ = self.stop.send(());
        let cut_connections = self.server.await.unwrap_or_default();
        let unsealed_segments = self.ingest.store().close(self.deadline).await;
        let (stats, gaps) = (self.ingest.stats(), self.ingest.store().gaps());
        Summary { stats, gaps, cut_connections, unsealed_segments }
    }
}

/// Serves until told to stop or left alone. Returns how many connections had to be cut.
async fn accept(
    listener: TcpListener,
    router: Router,
    mut stopped: oneshot::Receiver<()>,
    deadline: Duration,
) -> usize {
    let graceful = GracefulShutdown::new();
    let builder = builder();
    // Dropped, it ends all connections.
    let mut connections = JoinSet::new();
    let told = loop {
        tokio::select! {
            told = &mut stopped => break told.is_ok(),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Small answers shouldn't wait for more; without it they still arrive.
                    let _ = stream.set_nodelay(true);
                    let service = TowerToHyperService::new(router.clone());
                    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
                    connections.spawn(graceful.watch(connection));
                }
                Err(error) => pause_after(&error).await,
            },
        }
    };
    drop(listener);
    if !told {
        return connections.len();
    }
    let finished = tokio::time::timeout(deadline, graceful.shutdown()).await.is_ok();
    while connections.try_join_next().is_some() {}
    let cut = if finished { 0 } else { connections.len() };
    connections.shutdown().await;
    cut
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(HEAD_TIMEOUT).keep_alive_timeout(HEAD_TIMEOUT);
    // One batch of some size may be on its way whole; more streams share the connection's window.
    http2.initial_stream_window_size(1 << 20).initial_connection_window_size(4 << 20);
    builder
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    // These are about the one connection; all else will be so again at once.
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset) {
        log::warn!("cannot accept a connection: {error}");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
