//! What takes long to find out: done once, on a thread of its own, and kept until what it was made of changes. Never holds a page up for
//! longer than it says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What came of it; `None` while it is under way.
type Outcome<T> = Option<Arc<T>>;

/// One thing that takes long.
pub(crate) struct Slow<K, T> {
    current: Mutex<Option<(K, watch::Receiver<Outcome<T>>)>>,
}

impl<K, T> Default for Slow<K, T> {
    fn default() -> Self {
        Self { current: Mutex::new(None) }
    }
}

impl<K: PartialEq, T: Send + Sync + 'static> Slow<K, T> {
    /// What `work` makes, waited for up to `patience`. Made anew where `key` is another one. `None`: it is still under way; ask again.
    pub(crate) async fn get(
        &self,
        key: K,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Outcome<T> {
        let mut receiver = self.begin(key, work);
        let wait = receiver.wait_for(Option::is_some);
        match tokio::time::timeout(patience, wait).await {
            Ok(Ok(outcome)) => outcome.clone(),
            // Still under way; or it panicked, and the next who asks begins again.
            Ok(Err(_)) | Err(_) => None,
        }
    }

    fn begin(&self, key: K, work: impl FnOnce() -> T + Send + 'static) -> watch::Receiver<Outcome<T>> {
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
    async fn it_is_made_once_and_anew_when_its_key_is_another() {
        let slow = Slow::default();
        let long = Duration::from_secs(60);
        assert_eq!(slow.get(1, long, || "a").await.as_deref(), Some(&"a"));
        assert_eq!(slow.get(1, long, || "b").await.as_deref(), Some(&"a"));
        assert_eq!(slow.get(2, long, || "c").await.as_deref(), Some(&"c"));
    }

    #[tokio::test]
    async fn nobody_waits_for_longer_than_they_say() {
        let slow = Slow::default();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        assert_eq!(slow.get(1, Duration::ZERO, move || wait.recv().is_ok()).await, None);
        go.send(()).unwrap();
        assert_eq!(slow.get(1, Duration::from_secs(60), || false).await.as_deref(), Some(&true));
    }

    #[tokio::test]
    async fn what_panicked_is_begun_again() {
        let slow: Slow<u8, u8> = Slow::default();
        let long = Duration::from_secs(60);
        assert_eq!(slow.get(1, long, || panic!("on purpose")).await, None);
        assert_eq!(slow.get(1, long, || 7).await.as_deref(), Some(&7));
    }
}
