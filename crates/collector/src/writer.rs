//! The one thread that writes: takes batches from a queue, appends all that wait as one group with one fsync, and only
//! then tells who waits. Closes segments by size and age. While the disk fails it refuses, and tries again each second.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc::UnboundedSender, oneshot};

use crate::index::Refusal;
use crate::seal::SealJob;
use crate::segment::{Segment, open_folder, open_path};
use crate::store::{Accepted, Shared};
use crate::wire::Batch;

/// A group isn't made longer than this, so that the first of it needn't wait too long. One batch may be longer.
pub(crate) const GROUP_BYTES: usize = 8 << 20;
pub(crate) const RETRY: Duration = Duration::from_secs(1);
/// With nothing to wait for; any time is right.
pub(crate) const IDLE: Duration = Duration::from_secs(3600);

pub(crate) enum Command {
    Append(Job),
    /// Tells whether the folder can be written.
    Probe(oneshot::Sender<Result<(), Arc<str>>>),
    /// Closes the segment and ends.
    Close(oneshot::Sender<()>),
}

/// A batch on its way. Dropped before it is stored, it tells those who wait that it isn't.
pub(crate) struct Job {
    shared: Arc<Shared>,
    batch: Batch,
    done: bool,
    /// The memory that the batch takes, given back when it is written.
    _memory: Option<OwnedSemaphorePermit>,
}

impl Job {
    pub(crate) fn new(shared: Arc<Shared>, batch: Batch, memory: Option<OwnedSemaphorePermit>) -> Job {
        Job { shared, batch, done: false, _memory: memory }
    }

    pub(crate) fn len(&self) -> usize {
        self.batch.body.len()
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.batch.body
    }

    pub(crate) fn refuse(mut self, refusal: &Refusal) {
        self.done = true;
        self.shared.index().fail(&self.batch.meta, refusal);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.done {
            self.shared.index().fail(&self.batch.meta, &Refusal::Closed);
        }
    }
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    segment: Segment,
    segment_bytes: u64,
    segment_age: Duration,
    /// Nothing may be appended before the next segment is begun: this one is full, or an fsync of it has failed and the
    /// kernel may have forgotten what it couldn't write, or the next one may be there in part.
    must_rotate: bool,
    seal: UnboundedSender<SealJob>,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        segment: Segment,
        segment_bytes: u64,
        segment_age: Duration,
        seal: UnboundedSender<SealJob>,
    ) -> Writer {
        shared.set_durable(segment.number(), segment.len());
        Writer { shared, segment, segment_bytes, segment_age, must_rotate: false, seal }
    }

    pub(crate) fn run(mut self, commands: &Receiver<Command>) {
        let closed = loop {
            let first = match commands.recv_timeout(self.patience()) {
                Ok(command) => command,
                Err(RecvTimeoutError::Timeout) => {
                    self.tick();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break None,
            };
            let (group, other) = gather(first, commands);
            if !group.is_empty() {
                self.commit(group);
            }
            match other {
                Some(Command::Probe(reply)) => drop(reply.send(self.probe())),
                Some(Command::Close(reply)) => break Some(reply),
                Some(Command::Append(_)) | None => {}
            }
            self.rotate_if_due();
        };
        self.finish();
        // What came after the end is refused, before somebody is told that this is over.
        while commands.try_recv().is_ok() {}
        if let Some(reply) = closed {
            let _ = reply.send(());
        }
    }

    /// How long to wait for a command before there is something else to do.
    fn patience(&self) -> Duration {
        if self.shared.health.failing().is_some() {
            RETRY
        } else if self.segment.is_empty() {
            IDLE
        } else {
            self.segment_age.saturating_sub(self.segment.age())
        }
    }

    fn tick(&mut self) {
        if self.shared.health.failing().is_some() {
            let state = self.try_disk();
            self.shared.health.set(state.err());
        }
        self.rotate_if_due();
    }

    fn commit(&mut self, group: Vec<Job>) {
        match self.write(&group) {
            Ok(latency) => {
                self.shared.set_durable(self.segment.number(), self.segment.len());
                stored(&self.shared, group, latency);
            }
            Err(error) => {
                let refusal = Refusal::NotWritable(self.failed(&error));
                for job in group {
                    job.refuse(&refusal);
                }
            }
        }
    }

    fn write(&mut self, group: &[Job]) -> io::Result<Duration> {
        if self.must_rotate {
            self.rotate()?;
        }
        let written = self.segment.append(group.iter().map(Job::body));
        if written.is_err() {
            // Not known here whether it was the write or the fsync that failed; a new segment is right after both.
            self.must_rotate = true;
            // Frees what the failed write took. If this fails, too, it is done before the next segment is begun.
            let _ = self.segment.repair();
        }
        written
    }

    fn rotate_if_due(&mut self) {
        let full = self.segment.len() >= self.segment_bytes || self.segment.age() >= self.segment_age;
        if full && !self.segment.is_empty() && !self.must_rotate {
            self.must_rotate = true;
            if let Err(error) = self.rotate() {
                self.failed(&error);
            }
        }
    }

    /// Begins the next segment and lets this one be put away.
    fn rotate(&mut self) -> io::Result<()> {
        self.segment.repair()?;
        let vms = self.shared.index().checkpoint();
        let next = Segment::create(&*self.shared.disk, &self.shared.folder, self.segment.number() + 1, vms)?;
        let old = std::mem::replace(&mut self.segment, next);
        self.must_rotate = false;
        self.shared.set_durable(self.segment.number(), self.segment.len());
        self.put_away(&old);
        Ok(())
    }

    fn put_away(&self, segment: &Segment) {
        if !segment.is_empty() {
            self.shared.metrics.closed();
            // The sealer is gone only when all is being torn down; the next start does it then.
            let _ = self.seal.send(SealJob { number: segment.number(), len: segment.len() });
            return;
        }
        let path = open_path(&self.shared.folder, segment.number());
        if let Err(error) = self.shared.disk.remove(&path) {
            log::warn!("cannot remove {}, which is empty: {error}", path.display());
        }
    }

    fn probe(&self) -> Result<(), Arc<str>> {
        match self.shared.health.failing() {
            Some(reason) => Err(reason),
            None => self.write_probe().map_err(|error| self.failed(&error)),
        }
    }

    /// Whether what failed works again.
    fn try_disk(&mut self) -> Result<(), Arc<str>> {
        let tried = if self.must_rotate { self.rotate() } else { Ok(()) };
        tried.and_then(|()| self.write_probe()).map_err(|error| Arc::from(error.to_string()))
    }

    /// Writes a small file and removes it.
    fn write_probe(&self) -> io::Result<()> {
        let path = open_folder(&self.shared.folder).join("probe");
        let written = self.shared.disk.create(&path).and_then(|mut file| {
            file.append(&[b'\n'; 4096])?;
            file.sync()
        });
        let removed = self.shared.disk.remove(&path);
        written.and(removed)
    }

    fn failed(&self, error: &io::Error) -> Arc<str> {
        let reason: Arc<str> = error.to_string().into();
        self.shared.metrics.store_error();
        self.shared.health.set(Some(reason.clone()));
        reason
    }

    fn finish(self) {
        let mut this = self;
        // What can't be cut off now is cut off by the next start.
        if let Err(error) = this.segment.repair() {
            log::error!("cannot repair the open segment, the next start will: {error}");
            return;
        }
        this.put_away(&this.segment);
    }
}

/// A group is durable, which took this long: tells all who wait for it.
pub(crate) fn stored(shared: &Shared, group: Vec<Job>, latency: Duration) {
    shared.metrics.fsync(latency);
    shared.health.set(None);
    for mut job in group {
        job.done = true;
        let committed = shared.index().commit(&job.batch.meta);
        shared.metrics.stored(&job.batch, committed.dropped);
        shared.accepted(|| Accepted::of(&job.batch));
        committed.tell();
    }
}

/// `first` and what waits behind it, up to the first command that isn't a batch.
fn gather(first: Command, commands: &Receiver<Command>) -> (Vec<Job>, Option<Command>) {
    let (mut group, mut bytes) = (Vec::new(), 0);
    let mut command = first;
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
        command = match commands.try_recv() {
            Ok(command) => command,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return (group, None),
        };
    }
}
