//! What becomes of a body that comes in: taken within its bounds, checked, stored, and only then acknowledged.
//! Never keeps part of a batch.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::body::{Limits, Memory, collect};
use crate::config::IngestConfig;
use crate::error::IngestError;
use crate::metrics::{Gauges, Stats};
use crate::store::{Appended, Store};
use crate::wire::Batch;

/// A body longer than this is checked on a thread of its own, so that it doesn't hold up other requests.
const LONG_BODY: usize = 256 << 10;

/// Takes batches into a store. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct Ingest {
    store: Arc<Store>,
    limits: Arc<Limits>,
}

/// The proof that a batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Whether it was stored now or before.
    pub appended: Appended,
    /// How many exchanges are in it.
    pub exchanges: u64,
    /// How many verdicts are in it.
    pub verdicts: u64,
}

impl Ingest {
    /// Takes batches into `store`, within the bounds of `config`.
    pub fn new(store: Arc<Store>, config: &IngestConfig) -> Ingest {
        let memory = Memory::new(config.max_in_flight);
        let limits = Limits { max_body: config.max_body, timeout: config.body_timeout, memory };
        Ingest { store, limits: Arc::new(limits) }
    }

    /// Checks and stores a batch that is in memory: what `POST /v1/exchanges` does. Returns when it is durable.
    ///
    /// # Errors
    /// It isn't stored; [`IngestError::is_temporary`] tells whether it may come again.
    pub async fn submit(&self, body: Bytes) -> Result<Receipt, IngestError> {
        let submitted = async {
            if body.len() > self.limits.max_body {
                return Err(IngestError::TooLarge { limit: self.limits.max_body });
            }
            let memory = self.limits.memory.take(body.len())?;
            self.keep(body, memory).await
        };
        self.count(submitted.await)
    }

    /// The same for the body of a request.
    pub(crate) async fn receive(&self, body: Body, encoding: Option<&str>) -> Result<Receipt, IngestError> {
        let received = async {
            let (body, memory) = collect(body, encoding, &self.limits).await?;
            self.keep(body, memory).await
        };
        self.count(received.await)
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        let shared = self.store.shared();
        let missing = shared.index().missing();
        shared.metrics.stats(missing)
    }

    /// Everything that is counted, as Prometheus text.
    pub fn metrics(&self) -> String {
        let shared = self.store.shared();
        let (missing, vms) = {
            let index = shared.index();
            (index.missing(), index.len())
        };
        shared.metrics.render(&Gauges {
            missing,
            vms,
            open_segment_bytes: shared.durable().len,
            in_flight_bytes: self.limits.memory.used() as u64,
            writable: shared.health.failing().is_none(),
        })
    }

    /// The store that batches go to.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    async fn keep(&self, body: Bytes, memory: OwnedSemaphorePermit) -> Result<Receipt, IngestError> {
        let batch = if body.len() > LONG_BODY {
            let parsed = tokio::task::spawn_blocking(move || Batch::parse(body)).await;
            parsed.map_err(|_| IngestError::Busy)??
        } else {
            Batch::parse(body)?
        };
        let (exchanges, verdicts) = (batch.exchanges, batch.verdicts);
        let appended = self.store.append_with(batch, Some(memory)).await.map_err(IngestError::Store)?;
        Ok(Receipt { appended, exchanges, verdicts })
    }

    fn count(&self, result: Result<Receipt, IngestError>) -> Result<Receipt, IngestError> {
        if let Err(error) = &result {
            self.store.shared().metrics.rejected(error.code());
            if !error.is_temporary() {
                log::warn!("a batch is refused ({}): {error}", error.code());
            }
        }
        result
    }
}
