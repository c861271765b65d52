//! Slow results: computed once, on a blocking thread, and kept until their input changes. Never
//! delays a page for longer than its patience.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The result; `None` while it is being computed.
type SlowResult<T> = Option<Arc<T>>;

/// A slow result, with the key of its input.
pub(crate) struct Slow<K, T> {
    current: Mutex<Option<(K, watch::Receiver<SlowResult<T>>)>>,
}

impl<K, T> Default for Slow<K, T> {
    fn default() -> Self {
        Self { current: Mutex::new(None) }
    }
}

impl<K: PartialEq, T: Send + Sync + 'static> Slow<K, T> {
    /// The result of `work`, waited for up to `patience`. Computed again if `key` has changed.
    /// `None` while it is being computed.
    pub(crate) async fn get(
        &self,
        key: K,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> SlowResult<T> {
        let mut receiver = self.begin(key, work);
        let wait = receiver.wait_for(Option::is_some);
        match tokio::time::timeout(patience, wait).await {
            Ok(Ok(outcome)) => outcome.clone(),
            // Either it isn't finished, or it panicked, and the next call begins again.
            Ok(Err(_)) | Err(_) => None,
        }
    }

    fn begin(&self, key: K, work: impl FnOnce() -> T + Send + 'static) -> watch::Receiver<SlowResult<T>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, receiver)) = &*current
            && *known == key
            && (receiver.borrow().is_some() || receiver.has_changed().is_ok())
        {
            return receiver.clone();
        }
        let (send, receiver) = watch::channel(None);
        tokio::task::spawn_blocking(move || send.send_replace(Some(Arc::new(work()))));
        *current = Some((key, receiver.clone()));
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn result_is_computed_again_when_its_key_changes() {
        let slow = Slow::default();
        let long = Duration::from_secs(60);
        assert_eq!(slow.get(1, long, || "a").await.as_deref(), Some(&"a"));
        assert_eq!(slow.get(1, long, || "b").await.as_deref(), Some(&"a"));
        assert_eq!(slow.get(2, long, || "c").await.as_deref(), Some(&"c"));
    }

    #[tokio::test]
    async fn unfinished_result_is_none_after_the_patience() {
        let slow = Slow::default();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        assert_eq!(slow.get(1, Duration::ZERO, move || wait.recv().is_ok()).await, None);
        go.send(()).unwrap();
        assert_eq!(slow.get(1, Duration::from_secs(60), || false).await.as_deref(), Some(&true));
    }

    #[tokio::test]
    async fn work_that_panicked_is_begun_again() {
        let slow: Slow<u8, u8> = Slow::default();
        let long = Duration::from_secs(60);
        assert_eq!(slow.get(1, long, || panic!("on purpose")).await, None);
        assert_eq!(slow.get(1, long, || 7).await.as_deref(), Some(&7));
    }
}
