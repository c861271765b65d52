//! A clock that is on time: the runtime's own rounds up to a millisecond, which is what a request in a load of thousands a second takes.
//!
//! One thread sleeps until the next moment that somebody waits for. Whoever doesn't wait any more is forgotten when the moment comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The thread ends when nobody has waited for so long.
const IDLE: Duration = Duration::from_millis(500);

/// A clock.
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
    /// Waits until then.
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
        // Nobody tells only where the thread is gone, and then now is as good as then.
        let _ = told.await;
    }
}

impl Inner {
    /// Tells whoever's moment has come, until nobody waits any more.
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
