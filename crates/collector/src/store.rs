//! The capture store: keeps batches in a folder, durably, each once, and reads them back.
//! Never acknowledges what isn't on the disk, and deletes nothing but what is elsewhere in the store.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use object_store::ObjectStore;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc::unbounded_channel, oneshot, watch};
use tokio::task::JoinHandle;

use crate::config::StoreConfig;
use crate::disk::Disk;
use crate::error::{ReadError, StoreError};
use crate::gaps::GapReport;
use crate::health::Health;
use crate::index::{Begin, Index, Refusal};
use crate::join::Joiner;
use crate::metrics::Metrics;
use crate::publish::Publisher;
use crate::queue::{self, Command, Job, Sink};
use crate::read::{Durable, Reader, Start};
use crate::recover::recover;
use crate::seal;
use crate::segment::Segment;
use crate::wire::{Batch, BatchMeta};
use crate::writer::Writer;

/// How many [`Accepted`] an observer may be behind before it misses some.
const OBSERVED: usize = 1024;
/// A readiness answer is good for this long: one fsync a second, however often somebody asks.
const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A capture store, open for writing. There is one at a time for a folder.
pub struct Store {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    /// What puts segments away, or joins objects.
    background: Mutex<Option<JoinHandle<()>>>,
    closing: watch::Sender<bool>,
    probed: tokio::sync::Mutex<Option<Instant>>,
}

/// What became of a batch. Both mean that it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It was stored now.
    Stored,
    /// It had been stored before, or is stored by somebody who sent it at the same time.
    Duplicate,
}

/// A batch was stored: what an observer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// Where it came from.
    pub batch: Arc<BatchMeta>,
    /// How many exchanges are in it.
    pub exchanges: u64,
    /// How many verdicts are in it.
    pub verdicts: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

impl Accepted {
    pub(crate) fn of(batch: &Batch) -> Accepted {
        let (exchanges, verdicts, bytes) = (batch.exchanges, batch.verdicts, batch.body.len() as u64);
        Accepted { batch: batch.meta.clone(), exchanges, verdicts, bytes }
    }
}

/// What the parts of a store share.
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// Whether `objects` is the folder, which the lock makes ours alone.
    pub(crate) local: bool,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    index: Mutex<Index>,
    durable: Mutex<Durable>,
    observers: broadcast::Sender<Accepted>,
    /// Held until the last part of the store is gone. There is none where collectors share the object store.
    lock: Option<File>,
}

impl Shared {
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn durable(&self) -> Durable {
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_durable(&self, number: u64, len: u64) {
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner) = Durable { number, len };
    }

    pub(crate) fn accepted(&self, batch: impl FnOnce() -> Accepted) {
        if self.observers.receiver_count() > 0 {
            // Never waits: who is too slow misses some.
            let _ = self.observers.send(batch());
        }
    }
}

impl Store {
    /// Opens the folder, makes it if it isn't there, and repairs what a crash has left. Needs a tokio runtime.
    ///
    /// # Errors
    /// The folder is in use, can't be written, or holds segments that can't be read.
    pub async fn open(config: StoreConfig) -> Result<Store, StoreError> {
        if let (Some(linger), Some(objects)) = (config.linger, config.objects.clone()) {
            return Store::open_shared(config, objects, linger).await;
        }
        let recovered = recover(&config).await?;
        let StoreConfig { folder, segment_bytes, segment_age, disk, .. } = config;
        let vms = recovered.index.checkpoint();
        let segment = Segment::create(&*disk, &folder, recovered.next, vms)
            .map_err(|source| StoreError::Folder { action: "write to", path: folder.clone(), source })?;
        let shared = Arc::new(Shared {
            folder,
            disk,
            objects: recovered.objects,
            local: config.objects.is_none(),
            metrics: Metrics::default(),
            health: Health::default(),
            index: Mutex::new(recovered.index),
            durable: Mutex::default(),
            observers: broadcast::channel(OBSERVED).0,
            lock: Some(recovered.lock),
        });
        let (seal, jobs) = unbounded_channel();
        for job in recovered.unsealed {
            shared.metrics.closed();
            // The receiver is at hand.
            let _ = seal.send(job);
        }
        let (closing, closing_receiver) = watch::channel(false);
        let sealer = tokio::spawn(seal::run(shared.clone(), jobs, closing_receiver));
        let writer = Writer::new(shared.clone(), segment, segment_bytes, segment_age, seal);
        let commands = spawn(&shared, writer)?;
        let (background, probed) = (Mutex::new(Some(sealer)), tokio::sync::Mutex::default());
        Ok(Store { shared, commands, background, closing, probed })
    }

    /// One of any number of stores that put batches straight into `objects`. Nothing is read: readers take each batch once.
    async fn open_shared(
        config: StoreConfig,
        objects: Arc<dyn ObjectStore>,
        linger: Duration,
    ) -> Result<Store, StoreError> {
        let shared = Arc::new(Shared {
            folder: config.folder,
            disk: config.disk,
            objects,
            local: false,
            metrics: Metrics::default(),
            health: Health::default(),
            index: Mutex::new(Index::shared(config.max_vms, config.max_runs)),
            durable: Mutex::default(),
            observers: broadcast::channel(OBSERVED).0,
            lock: None,
        });
        let publisher = Publisher::new(shared.objects.clone(), linger).await?;
        let (closing, closing_receiver) = watch::channel(false);
        let joiner =
            config.join_age.map(|age| Joiner::new(shared.clone(), publisher.replica().to_owned(), age));
        let commands = spawn(&shared, publisher)?;
        let joiner = joiner.map(|joiner| tokio::spawn(joiner.run(closing_receiver)));
        let (background, probed) = (Mutex::new(joiner), tokio::sync::Mutex::default());
        Ok(Store { shared, commands, background, closing, probed })
    }

    /// Stores a batch, unless it is stored already, and returns when it is durable. Also when the caller goes away
    /// before, the batch is stored.
    ///
    /// # Errors
    /// It isn't stored, and may be appended again.
    pub async fn append(&self, batch: Batch) -> Result<Appended, StoreError> {
        self.append_with(batch, None).await
    }

    /// The same; gives `memory` back when the batch is written.
    pub(crate) async fn append_with(
        &self,
        batch: Batch,
        memory: Option<OwnedSemaphorePermit>,
    ) -> Result<Appended, StoreError> {
        let begin = self.shared.index().begin(&batch.meta);
        let outcome = match begin {
            Begin::Stored => {
                self.shared.metrics.duplicate();
                return Ok(Appended::Duplicate);
            }
            Begin::TooManyGaps => {
                let (vm, limit) = (batch.meta.vm.clone(), self.shared.index().max_runs());
                return Err(StoreError::TooManyGaps { vm, limit });
            }
            Begin::Wait(outcome) => outcome,
            Begin::New(outcome) => {
                let job = Job::new(self.shared.clone(), batch, memory);
                // A writer that is gone drops the job, which then tells us below.
                drop(self.commands.send(Command::Append(job)));
                outcome
            }
        };
        let appended = outcome.await.map_err(|_| StoreError::Closed)?;
        if appended == Ok(Appended::Duplicate) {
            self.shared.metrics.duplicate();
        }
        appended.map_err(|refusal| match refusal {
            Refusal::Closed => StoreError::Closed,
            Refusal::NotWritable(reason) => StoreError::NotWritable { reason },
        })
    }

    /// Streams what is durable now.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn read(&self) -> Result<Reader, ReadError> {
        if self.shared.lock.is_none() {
            return Reader::shared(self.shared.objects.clone()).await;
        }
        let durable = self.shared.durable();
        Reader::plan(&self.shared.folder, self.shared.objects.clone(), Some(durable), Start::Beginning).await
    }

    /// What is missing.
    pub fn gaps(&self) -> GapReport {
        self.shared.index().report()
    }

    /// Tells about each batch that is stored from now on. Somebody who is more than 1,024 behind misses some; nobody
    /// waits for him.
    pub fn subscribe(&self) -> broadcast::Receiver<Accepted> {
        self.shared.observers.subscribe()
    }

    /// Whether batches can be stored: tries it out, once a second at most.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let mut probed = self.probed.lock().await;
        if let Some(reason) = self.shared.health.failing() {
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

    /// Stores what is on its way, closes the segment, and waits up to `deadline` for the closed ones to be put away.
    /// Returns how many aren't; they are durable, and the next start puts them away. After this, nothing is stored.
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
        self.shared.metrics.unsealed()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

/// Starts the thread that takes commands.
fn spawn(
    shared: &Arc<Shared>,
    sink: impl Sink + Send + 'static,
) -> Result<mpsc::Sender<Command>, StoreError> {
    let (commands, receiver) = mpsc::channel();
    let thread = std::thread::Builder::new().name("capture-store".into());
    let run = {
        let shared = shared.clone();
        move || queue::run(sink, shared, &receiver)
    };
    thread.spawn(run).map_err(|source| StoreError::Folder {
        action: "start a thread to write to",
        path: shared.folder.clone(),
        source,
    })?;
    Ok(commands)
}
