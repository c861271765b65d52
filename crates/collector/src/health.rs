//! Health of the store: whether it is writable, and the reason if it isn't. The queue's thread sets
//! it, readiness reads it.

use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Option<Arc<str>>>);

impl Health {
    /// The reason, while the store isn't writable.
    pub(crate) fn failing(&self) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the state and logs a change.
    pub(crate) fn set(&self, failing: Option<Arc<str>>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*state, &failing) {
            (None, Some(reason)) => {
                tracing::error!(reason = &**reason, "can't write to the capture store; batches are refused")
            }
            (Some(_), None) => tracing::info!("the capture store is writable again"),
            _ => {}
        }
        *state = failing;
    }
}
