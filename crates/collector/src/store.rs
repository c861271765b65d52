//! The capture store: keeps batches durably, each once, and reads them back. Never acknowledges a
//! batch that isn't durable.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, broadcast, oneshot, watch};
use tokio::task::JoinHandle;

use crate::backend::{Backend, Contents, Opened};
use crate::config::StoreConfig;
use crate::error::{ReadError, StoreError};
use crate::gaps::GapReport;
use crate::index::{Admission, Appended, Refusal};
use crate::ledger::{Accepted, Ledger};
use crate::queue::{self, Command, Job};
use crate::read::Reader;
use crate::wire::Batch;
use crate::{bucket, folder};

/// Validity of a successful readiness check. The store is probed at most once a second.
const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A capture store that is open for writing. A folder has one at a time, a bucket any number.
pub struct Store {
    ledger: Arc<Ledger>,
    contents: Arc<dyn Contents>,
    commands: mpsc::Sender<Command>,
    /// The task that seals segments or compacts objects.
    background: Mutex<Option<JoinHandle<()>>>,
    closing: watch::Sender<bool>,
    /// The time of the last successful probe.
    probed: tokio::sync::Mutex<Option<Instant>>,
}

impl Store {
    /// Opens the store. A folder is created if it doesn't exist, and repaired after a crash. Needs
    /// a tokio runtime.
    ///
    /// # Errors
    /// The folder is in use, isn't writable or holds damaged segments; or the bucket isn't
    /// writable.
    pub async fn open(config: impl Into<StoreConfig>) -> Result<Store, StoreError> {
        match config.into() {
            StoreConfig::Folder(config) => {
                let path = config.path.clone();
                Store::start(folder::open(config).await?, &path.display().to_string())
            }
            StoreConfig::Bucket(config) => {
                let place = config.objects.to_string();
                Store::start(bucket::open(config).await?, &place)
            }
        }
    }

    /// Starts the thread that stores batches.
    fn start<B: Backend>(opened: Opened<B>, place: &str) -> Result<Store, StoreError> {
        let Opened { ledger, backend, contents, background, closing } = opened;
        let (commands, receiver) = mpsc::channel();
        let run = {
            let ledger = ledger.clone();
            move || queue::run(backend, ledger, &receiver)
        };
        let thread = std::thread::Builder::new().name("capture-store".into());
        thread.spawn(run).map_err(|source| StoreError::Folder {
            action: "start a thread to write to",
            path: place.into(),
            source,
        })?;
        let background = Mutex::new(background);
        Ok(Store { ledger, contents, commands, background, closing, probed: Default::default() })
    }

    /// Stores a batch, unless it is stored already, and returns when it is durable. The batch is
    /// also stored if the caller drops this future.
    ///
    /// # Errors
    /// The batch isn't stored, and may be appended again.
    pub async fn append(&self, batch: Batch) -> Result<Appended, StoreError> {
        self.append_with(batch, None).await
    }

    /// Appends a batch and releases `memory` when the batch is written.
    pub(crate) async fn append_with(
        &self,
        batch: Batch,
        memory: Option<OwnedSemaphorePermit>,
    ) -> Result<Appended, StoreError> {
        let admission = self.ledger.index().begin(&batch.meta);
        let result = match admission {
            Admission::Stored => {
                self.ledger.metrics.duplicate();
                return Ok(Appended::Duplicate);
            }
            Admission::TooManyGaps => {
                let limit = self.ledger.index().max_runs();
                return Err(StoreError::TooManyGaps { vm: batch.meta.vm.clone(), limit });
            }
            Admission::Wait(result) => result,
            Admission::New(result) => {
                let job = Job::new(self.ledger.clone(), batch, memory);
                // If the thread is gone, the job is dropped, which gives an error below.
                drop(self.commands.send(Command::Append(job)));
                result
            }
        };
        let appended = result.await.map_err(|_| StoreError::Closed)?;
        if appended == Ok(Appended::Duplicate) {
            self.ledger.metrics.duplicate();
        }
        appended.map_err(|refusal| match refusal {
            Refusal::Closed => StoreError::Closed,
            Refusal::NotWritable(reason) => StoreError::NotWritable { reason },
        })
    }

    /// Streams the batches that are durable now.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn read(&self) -> Result<Reader, ReadError> {
        self.contents.read().await
    }

    /// The missing batches.
    pub fn gaps(&self) -> GapReport {
        self.ledger.index().report()
    }

    /// Reports each batch that is stored from now on. An observer that lags more than 1,024 behind
    /// misses some; nobody waits for it.
    pub fn subscribe(&self) -> broadcast::Receiver<Accepted> {
        self.ledger.subscribe()
    }

    /// Checks whether batches can be stored, by a small write once a second at most.
    ///
    /// # Errors
    /// The reason why not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let mut probed = self.probed.lock().await;
        if let Some(reason) = self.ledger.health.failing() {
            return Err(StoreError::NotWritable { reason });
        }
        if probed.is_some_and(|at| at.elapsed() < PROBE_EVERY) {
            return Ok(());
        }
        let (reply, result) = oneshot::channel();
        self.commands.send(Command::Probe(reply)).map_err(|_| StoreError::Closed)?;
        match tokio::time::timeout(PROBE_TIMEOUT, result).await {
            Ok(Ok(Ok(()))) => *probed = Some(Instant::now()),
            Ok(Ok(Err(reason))) => return Err(StoreError::NotWritable { reason }),
            Ok(Err(_)) => return Err(StoreError::Closed),
            Err(_) => return Err(StoreError::NotWritable { reason: "the store doesn't answer".into() }),
        }
        Ok(())
    }

    /// Stores the batches on their way, closes the segment, and waits up to `deadline` until closed
    /// segments are sealed. Returns how many aren't. They are durable, and the next start seals
    /// them. After this, no batch is stored.
    pub async fn close(&self, deadline: Duration) -> u64 {
        let until = tokio::time::Instant::now() + deadline;
        let (reply, closed) = oneshot::channel();
        if self.commands.send(Command::Close(reply)).is_ok() {
            let _ = tokio::time::timeout_at(until, closed).await;
        }
        let _ = self.closing.send(true);
        let background = self.background.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut background) = background
            && tokio::time::timeout_at(until, &mut background).await.is_err()
        {
            background.abort();
            let _ = background.await;
        }
        self.ledger.metrics.unsealed()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn open_segment_bytes(&self) -> u64 {
        self.contents.open_segment_bytes()
    }
}
