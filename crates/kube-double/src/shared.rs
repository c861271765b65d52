//! The state that all connections share: the state, the faults that tests want, and the history.

use crate::failure::Failure;
use crate::faults::{Asked, Faults};
use crate::state::State;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::watch;

/// The state that all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub state: Mutex<State>,
    /// The last version.
    pub changed: watch::Sender<u64>,
    /// Moved: every watch ends.
    pub cut: watch::Sender<u64>,
    pub faults: Mutex<Faults>,
    pub history: Mutex<Vec<Asked>>,
    pub doors: AtomicUsize,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it was held")
    }

    /// Tells those who watch.
    pub(super) fn tell(&self, version: u64) {
        self.changed.send_if_modified(|told| std::mem::replace(told, version) != version);
    }

    pub(super) fn noted(&self, asked: Asked) {
        self.history.lock().expect("no panic while it was held").push(asked);
    }

    /// Waits and refuses, if a test wants that.
    pub(super) async fn fault(&self, asked: &Asked) -> Option<Failure> {
        let (delay, status) = {
            let mut faults = self.faults();
            (faults.delay, faults.refused(asked))
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let reason = match status? {
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            410 => "Expired",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "InternalError",
        };
        Some(Failure::new(status?, reason, "refused, as the test wants it"))
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().expect("no panic while it was held")
    }
}
