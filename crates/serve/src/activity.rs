//! The activity of one connection: its requests in progress, and since when it has none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) struct Activity {
    state: Mutex<ActivityState>,
    closing: Notify,
}

struct ActivityState {
    in_progress: usize,
    /// The time of the last end of a request, or of the connection's beginning.
    last: Instant,
}

/// A request in progress, until it is dropped.
pub(crate) struct Progress(Arc<Activity>);

impl Activity {
    pub(crate) fn new() -> Activity {
        let state = ActivityState { in_progress: 0, last: Instant::now() };
        Activity { state: Mutex::new(state), closing: Notify::new() }
    }

    /// Begins a request.
    pub(crate) fn begin(self: &Arc<Self>) -> Progress {
        self.state().in_progress += 1;
        Progress(self.clone())
    }

    /// Since when the connection has no request in progress; `None` while it has.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.in_progress == 0).then_some(state.last)
    }

    /// Makes [`Activity::expired`] return.
    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }

    /// Returns when the connection was idle for `timeout`, or has to be closed.
    pub(crate) async fn expired(&self, timeout: Duration) {
        loop {
            // A request in progress may take any time. Its end restarts the time.
            let until = self.idle_since().unwrap_or_else(Instant::now) + timeout;
            tokio::select! {
                () = self.closing.notified() => return,
                () = tokio::time::sleep_until(until) => {}
            }
            if self.idle_since().is_some_and(|since| since + timeout <= Instant::now()) {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, ActivityState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_progress -= 1;
        state.last = Instant::now();
    }
}
