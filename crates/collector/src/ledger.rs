//! State that both kinds of store keep about their batches: the index by which each batch is stored
//! once, health, metrics, and observers. Never does I/O.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::health::Health;
use crate::index::Index;
use crate::metrics::Metrics;
use crate::wire::{Batch, BatchMeta};

/// Maximum number of [`Accepted`] events that an observer may lag behind before it misses some.
const OBSERVED: usize = 1024;

/// A batch was stored: the event that observers receive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The sender of the batch.
    pub batch: Arc<BatchMeta>,
    /// The number of exchanges in it.
    pub exchanges: u64,
    /// The number of verdicts in it.
    pub verdicts: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The state that the parts of a store share.
pub(crate) struct Ledger {
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    index: Mutex<Index>,
    observers: broadcast::Sender<Accepted>,
}

impl Ledger {
    pub(crate) fn new(index: Index) -> Ledger {
        Ledger {
            metrics: Metrics::default(),
            health: Health::default(),
            index: Mutex::new(index),
            observers: broadcast::channel(OBSERVED).0,
        }
    }

    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Accepted> {
        self.observers.subscribe()
    }

    /// Reports a stored batch to the observers. Never waits: an observer that is too slow misses
    /// events.
    pub(crate) fn accepted(&self, batch: &Batch) {
        if self.observers.receiver_count() > 0 {
            let _ = self.observers.send(Accepted {
                batch: batch.meta.clone(),
                exchanges: batch.exchanges,
                verdicts: batch.verdicts,
                bytes: batch.body.len() as u64,
            });
        }
    }
}
