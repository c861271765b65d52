//! The one thread that puts batches away, wherever that is: takes them from a queue, in groups, and only when a group is durable tells who
//! waits. While its [`Sink`] fails it refuses, and tries again each second. Knows nothing of files or objects.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::index::Refusal;
use crate::store::{Accepted, Shared};
use crate::wire::Batch;

/// A group isn't made longer than this, so that the first of it needn't wait too long. One batch may be longer.
const GROUP_BYTES: usize = 8 << 20;
const RETRY: Duration = Duration::from_secs(1);
/// With nothing to wait for; any time is right.
pub(crate) const IDLE: Duration = Duration::from_secs(3600);

pub(crate) enum Command {
    Append(Job),
    /// Tells whether anything can be put away.
    Probe(oneshot::Sender<Result<(), Arc<str>>>),
    /// Puts away what waits and ends.
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

    pub(crate) fn body(&self) -> &[u8] {
        &self.batch.body
    }

    fn refuse(mut self, refusal: &Refusal) {
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

/// Where groups of batches go.
pub(crate) trait Sink {
    type Error: Display;

    /// How long the first of a group waits for others, beyond those that are there.
    fn linger(&self) -> Duration;

    /// Makes a group durable, all of it or none, and tells how long that took.
    fn put(&mut self, group: &[Job]) -> Result<Duration, Self::Error>;

    /// Whether anything could be put away.
    fn probe(&mut self) -> Result<(), Self::Error>;

    /// Whether what failed works again.
    fn recover(&mut self) -> Result<(), Self::Error> {
        self.probe()
    }

    /// How long until there is something else to do.
    fn patience(&self) -> Duration {
        IDLE
    }

    /// Does it.
    fn tidy(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// After the last group.
    fn finish(self)
    where
        Self: Sized,
    {
    }
}

/// Puts away what comes until it is told to end, or nobody is left to send anything.
pub(crate) fn run(mut sink: impl Sink, shared: Arc<Shared>, commands: &Receiver<Command>) {
    let closed = loop {
        let patience = if shared.health.failing().is_some() { RETRY } else { sink.patience() };
        let other = match commands.recv_timeout(patience) {
            Ok(first) => {
                let (group, other) = gather(first, commands, sink.linger());
                if !group.is_empty() {
                    commit(&mut sink, &shared, group);
                }
                other
            }
            Err(RecvTimeoutError::Timeout) => {
                look_again(&mut sink, &shared);
                None
            }
            Err(RecvTimeoutError::Disconnected) => break None,
        };
        match other {
            Some(Command::Probe(reply)) => drop(reply.send(probe(&mut sink, &shared))),
            Some(Command::Close(reply)) => break Some(reply),
            Some(Command::Append(_)) | None => {}
        }
        if let Err(error) = sink.tidy() {
            failed(&shared, &error);
        }
    };
    sink.finish();
    // What came after the end is refused, before somebody is told that this is over.
    while commands.try_recv().is_ok() {}
    // Whoever is told may open the store again: nothing here may hold it.
    drop(shared);
    if let Some(reply) = closed {
        let _ = reply.send(());
    }
}

/// `first`, what waits behind it and what comes within `linger`, up to the first command that isn't a batch.
fn gather(first: Command, commands: &Receiver<Command>, linger: Duration) -> (Vec<Job>, Option<Command>) {
    let (mut group, mut bytes) = (Vec::new(), 0);
    let (until, mut command) = (Instant::now() + linger, first);
    loop {
        match command {
            Command::Append(job) => {
                bytes += job.body().len();
                group.push(job);
            }
            other => return (group, Some(other)),
        }
        if bytes >= GROUP_BYTES {
            return (group, None);
        }
        // With no time left it still takes what is there.
        command = match commands.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(command) => command,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return (group, None),
        };
    }
}

fn commit(sink: &mut impl Sink, shared: &Shared, group: Vec<Job>) {
    match sink.put(&group) {
        Ok(latency) => stored(shared, group, latency),
        Err(error) => {
            let refusal = Refusal::NotWritable(failed(shared, &error));
            for job in group {
                job.refuse(&refusal);
            }
        }
    }
}

/// A group is durable, which took this long: tells all who wait for it.
fn stored(shared: &Shared, group: Vec<Job>, latency: Duration) {
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

fn look_again(sink: &mut impl Sink, shared: &Shared) {
    if shared.health.failing().is_some() {
        let tried = sink.recover();
        shared.health.set(tried.err().map(|error| error.to_string().into()));
    }
}

fn probe(sink: &mut impl Sink, shared: &Shared) -> Result<(), Arc<str>> {
    match shared.health.failing() {
        Some(reason) => Err(reason),
        None => sink.probe().map_err(|error| failed(shared, &error)),
    }
}

fn failed(shared: &Shared, error: &impl Display) -> Arc<str> {
    let reason: Arc<str> = error.to_string().into();
    shared.metrics.store_error();
    shared.health.set(Some(reason.clone()));
    reason
}
