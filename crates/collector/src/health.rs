//! Whether the store can be written, and if not, why. Never tries anything itself.

use std::sync::{Arc, Mutex, PoisonError};

/// Set by the writer, read by readiness.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Option<Arc<str>>>);

impl Health {
    /// The reason, while the store can't be written.
    pub(crate) fn failing(&self) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the state; tells the log when it changes.
    pub(crate) fn set(&self, failing: Option<Arc<str>>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*state, &failing) {
            (None, Some(reason)) => {
                log::error!("cannot write to the capture store, batches are refused: {reason}")
            }
            (Some(_), None) => log::info!("the capture store can be written again"),
            _ => {}
        }
        *state = failing;
    }
}
