//! The one thread that puts batches straight into an object store, for collectors without a disk of their own: takes from a queue what
//! comes within a short time, puts it away as one object, and only then tells who waits. While the store fails it refuses, and tries
//! again each second. Never overwrites an object of another collector.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use object_store::{ObjectStoreExt, path::Path as ObjectPath};
use tokio::runtime::Handle;

use crate::error::StoreError;
use crate::frame::{self, Kind};
use crate::index::Refusal;
use crate::seal::{LEVEL, chain};
use crate::segment::{SegmentLine, published_path};
use crate::store::Shared;
use crate::writer::{Command, GROUP_BYTES, IDLE, Job, RETRY, stored};

/// What is written to see whether anything can be. All collectors of a store write the same.
const PROBE: &str = "probe";

pub(crate) struct Publisher {
    shared: Arc<Shared>,
    runtime: Handle,
    linger: Duration,
    /// Of this collector alone, so that no two give an object the same name.
    replica: String,
    number: u64,
}

impl Publisher {
    /// Tries out the store.
    pub(crate) async fn new(shared: Arc<Shared>, linger: Duration) -> Result<Publisher, StoreError> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|error| StoreError::Folder {
            action: "make a name from",
            path: "the system's randomness".into(),
            source: io::Error::other(error),
        })?;
        let replica = understudy_core::digest::hex(&id);
        let publisher = Publisher { shared, runtime: Handle::current(), linger, replica, number: 0 };
        let tried = publisher.shared.objects.put(&ObjectPath::from(PROBE), "\n".into()).await;
        tried.map_err(|source| StoreError::Objects { action: "write to", source })?;
        Ok(publisher)
    }

    pub(crate) fn run(mut self, commands: &Receiver<Command>) {
        let closed = loop {
            let patience = if self.shared.health.failing().is_some() { RETRY } else { IDLE };
            let first = match commands.recv_timeout(patience) {
                Ok(command) => command,
                Err(RecvTimeoutError::Timeout) => {
                    self.look_again();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break None,
            };
            let (group, other) = gather(first, commands, self.linger);
            if !group.is_empty() {
                self.commit(group);
            }
            match other {
                Some(Command::Probe(reply)) => drop(reply.send(self.probe())),
                Some(Command::Close(reply)) => break Some(reply),
                Some(Command::Append(_)) | None => {}
            }
        };
        // What came after the end is refused, before somebody is told that this is over.
        while commands.try_recv().is_ok() {}
        if let Some(reply) = closed {
            let _ = reply.send(());
        }
    }

    fn commit(&mut self, group: Vec<Job>) {
        match self.put(&group) {
            Ok(latency) => stored(&self.shared, group, latency),
            Err(error) => {
                let refusal = Refusal::NotWritable(self.failed(&error));
                for job in group {
                    job.refuse(&refusal);
                }
            }
        }
    }

    /// Puts a group away as one object, and tells how long that took. After an error it may be there nevertheless: its senders send it
    /// again, and readers take each batch once.
    fn put(&mut self, group: &[Job]) -> Result<Duration, Failure> {
        self.number += 1;
        let object = compress(self.number, group)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let path = published_path(now, &self.replica, self.number);
        let start = Instant::now();
        self.runtime.block_on(self.shared.objects.put(&path, object.into()))?;
        Ok(start.elapsed())
    }

    fn look_again(&self) {
        if self.shared.health.failing().is_some() {
            let tried = self.write_probe();
            self.shared.health.set(tried.err().map(|error| error.to_string().into()));
        }
    }

    fn probe(&self) -> Result<(), Arc<str>> {
        match self.shared.health.failing() {
            Some(reason) => Err(reason),
            None => self.write_probe().map_err(|error| self.failed(&error)),
        }
    }

    fn write_probe(&self) -> Result<(), Failure> {
        self.runtime.block_on(self.shared.objects.put(&ObjectPath::from(PROBE), "\n".into()))?;
        Ok(())
    }

    fn failed(&self, error: &Failure) -> Arc<str> {
        let reason: Arc<str> = error.to_string().into();
        self.shared.metrics.store_error();
        self.shared.health.set(Some(reason.clone()));
        reason
    }
}

/// Why nothing could be put away.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it can't be compressed: {0}")]
    Compress(#[from] io::Error),
    #[error("{}", chain(.0))]
    Store(#[from] object_store::Error),
}

/// `first`, and what comes behind it within `linger`, up to the first command that isn't a batch.
fn gather(first: Command, commands: &Receiver<Command>, linger: Duration) -> (Vec<Job>, Option<Command>) {
    let (mut group, mut bytes) = (Vec::new(), 0);
    let (until, mut command) = (Instant::now() + linger, first);
    loop {
        match command {
            Command::Append(job) => {
                bytes += job.len();
                group.push(job);
            }
            other => return (group, Some(other)),
        }
        if bytes >= GROUP_BYTES {
            return (group, None);
        }
        command = match commands.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(command) => command,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return (group, None),
        };
    }
}

/// A whole segment: the same format as that of a folder's closed segments.
fn compress(number: u64, group: &[Job]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    let line = SegmentLine::new(number, Vec::new()).to_line()?;
    let lines = [(Kind::Segment, &line[..])].into_iter();
    for (kind, payload) in lines.chain(group.iter().map(|job| (Kind::Batch, job.body()))) {
        io::Write::write_all(&mut encoder, &frame::head(kind, payload))?;
        io::Write::write_all(&mut encoder, payload)?;
    }
    encoder.finish()
}
