//! The pages as a running service. Never installs signal handlers: its caller stops it.

use crate::config::{Config, Source, UiError};
use crate::guard::Guard;
use crate::live::Live;
use crate::reports::Reports;
use crate::routes::{App, router};
use crate::snapshots::SnapshotShelf;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use understudy_serve::{ServeLimits, serve};

/// Time that a shutdown waits for requests in progress.
const GRACE: Duration = Duration::from_secs(2);

/// A running server of pages. It stops at once when dropped.
pub struct Ui {
    address: SocketAddr,
    url: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Ui {
    /// Serves on an address. Port 0 takes a free port.
    ///
    /// # Errors
    /// The address isn't usable, or the source can't be read.
    pub async fn bind(address: &str, config: Config) -> Result<Self, UiError> {
        let listen = |source| UiError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        Self::serve(listener, config).await
    }

    /// Serves on a listener.
    ///
    /// # Errors
    /// The source can't be read.
    pub async fn serve(listener: TcpListener, config: Config) -> Result<Self, UiError> {
        let local = listener.local_addr();
        let address = local.map_err(|source| UiError::Listen { address: "the listener".into(), source })?;
        let live = match &config.source {
            Source::Store(store) => Some(Live::open(store).await?),
            Source::Folder(_) | Source::Snapshot(_) => None,
        };
        let guard = Guard::new(address)?;
        let url = match guard.token() {
            Some(token) => format!("http://{address}/?token={token}"),
            None => format!("http://{address}/"),
        };
        let patience = Duration::from_millis(config.patience_ms);
        let reports = Reports::new(&config)?;
        let app = App { shelf: SnapshotShelf::new(&config.source)?, reports, live, guard, patience };
        let (stop, stopped) = oneshot::channel::<()>();
        let mut limits = ServeLimits::default();
        limits.shutdown_deadline = GRACE;
        let server = tokio::spawn(async {
            serve(listener, router(Arc::new(app)), limits, stopped).await;
        });
        Ok(Self { address, url, stop, server })
    }

    /// The address on which it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address to open in a browser, with the token if one is required.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Accepts no more connections, and finishes requests in progress within two seconds.
    pub async fn shutdown(self) {
        // A server that has ended needs no stop, and a panic of it is in the log.
        let _ = self.stop.send(());
        let _ = self.server.await;
    }
}
