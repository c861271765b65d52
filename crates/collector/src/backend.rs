//! The trait behind which the two kinds of store stand: [`crate::folder`] and [`crate::bucket`]. A
//! [`Backend`] makes groups of batches durable, its [`Contents`] reads them back. Framing
//! ([`crate::frame`], [`crate::segment`]) and deduplication ([`crate::ledger`]) are shared.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::ReadError;
use crate::ledger::Ledger;
use crate::read::Reader;

/// A pause for a backend without periodic work; any long duration is right.
pub(crate) const IDLE: Duration = Duration::from_secs(3600);

/// The writing half of a store. One thread owns it.
pub(crate) trait Backend: Send + 'static {
    /// Why a group can't be stored.
    type Error: Display;

    /// Time that the first batch of a group waits for more batches than those already queued.
    fn linger(&self) -> Duration;

    /// Makes all batches of a group durable, or none, and returns how long the write took.
    fn put(&mut self, group: &[&[u8]]) -> Result<Duration, Self::Error>;

    /// Checks whether a batch could be stored, by writing something small.
    fn probe(&mut self) -> Result<(), Self::Error>;

    /// Checks whether the store works again after a failure, and repairs it.
    fn recover(&mut self) -> Result<(), Self::Error> {
        self.probe()
    }

    /// Time until [`Backend::tidy`] has something to do.
    fn patience(&self) -> Duration {
        IDLE
    }

    /// Does periodic work, such as closing a full segment.
    fn tidy(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Ends the backend after its last group.
    fn finish(self)
    where
        Self: Sized,
    {
    }
}

/// The reading half of a store that is open for writing.
pub(crate) trait Contents: Send + Sync {
    /// Streams the batches that are durable now.
    fn read(&self) -> BoxFuture<'_, Result<Reader, ReadError>>;

    /// The number of durable bytes in the open segment.
    fn open_segment_bytes(&self) -> u64;
}

/// The parts of a store that was opened.
pub(crate) struct Opened<B> {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) backend: B,
    pub(crate) contents: Arc<dyn Contents>,
    /// The task that seals segments or compacts objects.
    pub(crate) background: Option<JoinHandle<()>>,
    /// Tells the background task that the store closes.
    pub(crate) closing: watch::Sender<bool>,
}
