//! The way of a body into the store: received within its limits, checked, stored, and only then
//! acknowledged. Never keeps part of a batch.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use crate::body::{BodyLimits, BodyMemory, collect};
use crate::config::IngestConfig;
use crate::error::IngestError;
use crate::index::Appended;
use crate::metrics::{CurrentValues, Stats};
use crate::store::Store;
use crate::wire::Batch;

/// A body longer than this in bytes is checked on a blocking thread, so that it doesn't delay other
/// requests.
const LONG_BODY: usize = 256 << 10;

/// Takes batches into a store. A clone is another handle to the same ingest.
#[derive(Clone)]
pub struct Ingest {
    store: Arc<Store>,
    limits: Arc<BodyLimits>,
}

/// The proof that a batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The way in which the batch became durable: now or before.
    pub appended: Appended,
    /// The number of exchanges in it.
    pub exchanges: u64,
    /// The number of verdicts in it.
    pub verdicts: u64,
}

impl Ingest {
    /// Takes batches into `store`, within the limits of `config`.
    pub fn new(store: Arc<Store>, config: &IngestConfig) -> Ingest {
        let memory = BodyMemory::new(config.max_in_flight);
        let limits = BodyLimits { max_body: config.max_body, timeout: config.body_timeout, memory };
        Ingest { store, limits: Arc::new(limits) }
    }

    /// Checks and stores a batch that is in memory, like `POST /v1/exchanges`. Returns when it is
    /// durable.
    ///
    /// # Errors
    /// The batch isn't stored. [`IngestError::is_temporary`] tells whether it may be sent again.
    pub async fn submit(&self, body: Bytes) -> Result<Receipt, IngestError> {
        let submitted = async {
            if body.len() > self.limits.max_body {
                return Err(IngestError::TooLarge { limit: self.limits.max_body });
            }
            let memory = self.limits.memory.take(body.len())?;
            self.store_batch(body, memory).await
        };
        self.count(submitted.await)
    }

    /// Receives, checks and stores the body of a request.
    pub(crate) async fn receive(&self, body: Body, encoding: Option<&str>) -> Result<Receipt, IngestError> {
        let received = async {
            let (body, memory) = collect(body, encoding, &self.limits).await?;
            self.store_batch(body, memory).await
        };
        self.count(received.await)
    }

    /// The counts so far.
    pub fn stats(&self) -> Stats {
        let ledger = self.store.ledger();
        let missing = ledger.index().missing();
        ledger.metrics.stats(missing)
    }

    /// All metrics as OpenMetrics text.
    pub fn metrics(&self) -> String {
        let ledger = self.store.ledger();
        let (missing, vms) = {
            let index = ledger.index();
            (index.missing(), index.len())
        };
        ledger.metrics.render(&CurrentValues {
            missing,
            vms,
            open_segment_bytes: self.store.open_segment_bytes(),
            in_flight_bytes: self.limits.memory.used(),
            writable: ledger.health.failing().is_none(),
        })
    }

    /// The store that batches go to.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    async fn store_batch(&self, body: Bytes, memory: OwnedSemaphorePermit) -> Result<Receipt, IngestError> {
        let batch = if body.len() > LONG_BODY {
            let parsed = tokio::task::spawn_blocking(move || Batch::parse(body)).await;
            parsed.map_err(|_| IngestError::Busy)??
        } else {
            Batch::parse(body)?
        };
        Span::current().record("vm", &*batch.meta.vm).record("seq", batch.meta.seq);
        let (exchanges, verdicts) = (batch.exchanges, batch.verdicts);
        let appended = self.store.append_with(batch, Some(memory)).await.map_err(IngestError::Store)?;
        Ok(Receipt { appended, exchanges, verdicts })
    }

    fn count(&self, result: Result<Receipt, IngestError>) -> Result<Receipt, IngestError> {
        match &result {
            Ok(receipt) => tracing::debug!(
                exchanges = receipt.exchanges,
                verdicts = receipt.verdicts,
                duplicate = receipt.appended == Appended::Duplicate,
                "a batch is acknowledged"
            ),
            Err(error) => {
                self.store.ledger().metrics.rejected(error.code());
                log_refusal(error);
            }
        }
        result
    }
}

/// Logs a refusal without the error's text, which may quote the body.
fn log_refusal(error: &IngestError) {
    let code = error.code();
    let line = match error {
        IngestError::Malformed(malformed) => Some(malformed.line),
        _ => None,
    };
    if error.is_temporary() {
        tracing::debug!(code, "a batch is refused for now");
    } else {
        tracing::warn!(code, line, "a batch is refused");
    }
}
