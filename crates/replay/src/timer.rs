//! A precise timer. The runtime's own rounds up to a millisecond, as long as a request takes under
//! a load of thousands per second.
//!
//! One thread sleeps until the next requested moment. A waiter that was dropped is forgotten when
//! its moment comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Idle time after which the thread ends.
const IDLE: Duration = Duration::from_millis(500);

/// A precise timer.
#[derive(Clone, Default)]
pub(crate) struct Timer {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: BinaryHeap<Reverse<Entry>>,
    number: u64,
    runs: bool,
}

struct Entry {
    when: Instant,
    number: u64,
    tell: oneshot::Sender<()>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.when, self.number) == (other.when, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.when, self.number).cmp(&(other.when, other.number))
    }
}

impl Timer {
    /// Waits until `moment`.
    pub(crate) async fn until(&self, when: Instant) {
        if when <= Instant::now() {
            return;
        }
        let (tell, told) = oneshot::channel();
        {
            let mut state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.number += 1;
            let number = state.number;
            state.waiting.push(Reverse(Entry { when, number, tell }));
            if !state.runs {
                state.runs = true;
                let inner = Arc::clone(&self.inner);
                std::thread::spawn(move || inner.run());
            }
        }
        self.inner.changed.notify_one();
        // The sender is only dropped if the timer thread died; treat that as due now.
        let _ = told.await;
    }
}

impl Inner {
    /// Wakes the waiters that are due, until none is left.
    fn run(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            match state.waiting.peek().map(|Reverse(entry)| entry.when) {
                None => {
                    let waited = self.changed.wait_timeout(state, IDLE);
                    let (back, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    state = back;
                    if timeout.timed_out() && state.waiting.is_empty() {
                        state.runs = false;
                        return;
                    }
                }
                Some(when) if when <= now => {
                    if let Some(Reverse(entry)) = state.waiting.pop() {
                        let _ = entry.tell.send(());
                    }
                }
                Some(when) => {
                    let waited = self.changed.wait_timeout(state, when - now);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}
