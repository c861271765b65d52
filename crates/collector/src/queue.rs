//! The one thread that stores batches, whatever the kind of store. It takes batches from a queue in
//! groups, and acknowledges a group only when it is durable. While its [`Backend`] fails it refuses
//! batches, and tries again each second.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::backend::Backend;
use crate::index::Refusal;
use crate::ledger::Ledger;
use crate::wire::Batch;

/// The approximate maximum size of a group in bytes, which bounds how long its first batch waits.
/// One batch may be longer.
const GROUP_BYTES: usize = 8 << 20;
const RETRY: Duration = Duration::from_secs(1);

pub(crate) enum Command {
    Append(Job),
    /// Asks whether a batch could be stored.
    Probe(oneshot::Sender<Result<(), Arc<str>>>),
    /// Stores the queued batches and ends.
    Close(oneshot::Sender<()>),
}

/// A batch on its way into the store. If it is dropped before it is stored, those who wait for it
/// get an error.
pub(crate) struct Job {
    ledger: Arc<Ledger>,
    batch: Batch,
    is_done: bool,
    /// The request that sent the batch, for the log.
    span: tracing::Span,
    /// The memory reserved for the batch, released when the batch is written.
    _memory: Option<OwnedSemaphorePermit>,
}

impl Job {
    pub(crate) fn new(ledger: Arc<Ledger>, batch: Batch, memory: Option<OwnedSemaphorePermit>) -> Job {
        Job { ledger, batch, is_done: false, span: tracing::Span::current(), _memory: memory }
    }

    fn refuse(mut self, refusal: &Refusal) {
        self.is_done = true;
        self.ledger.index().fail(&self.batch.meta, refusal);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.is_done {
            self.ledger.index().fail(&self.batch.meta, &Refusal::Closed);
        }
    }
}

/// Stores batches until a command ends the queue, or its last sender is dropped.
pub(crate) fn run(mut backend: impl Backend, ledger: Arc<Ledger>, commands: &Receiver<Command>) {
    let closed = loop {
        let patience = if ledger.health.failing().is_some() { RETRY } else { backend.patience() };
        let other = match commands.recv_timeout(patience) {
            Ok(first) => {
                let (group, other) = gather(first, commands, backend.linger());
                if !group.is_empty() {
                    commit(&mut backend, &ledger, group);
                }
                other
            }
            Err(RecvTimeoutError::Timeout) => {
                recover_if_failing(&mut backend, &ledger);
                None
            }
            Err(RecvTimeoutError::Disconnected) => break None,
        };
        match other {
            Some(Command::Probe(reply)) => drop(reply.send(probe(&mut backend, &ledger))),
            Some(Command::Close(reply)) => break Some(reply),
            Some(Command::Append(_)) | None => {}
        }
        if let Err(error) = backend.tidy() {
            failed(&ledger, &error);
        }
    };
    backend.finish();
    // Batches queued after the end are refused before the end is reported.
    while commands.try_recv().is_ok() {}
    if let Some(reply) = closed {
        let _ = reply.send(());
    }
}

/// Collects a group: `first`, the batches queued behind it and those that arrive within `linger`,
/// up to the first command that isn't a batch.
fn gather(first: Command, commands: &Receiver<Command>, linger: Duration) -> (Vec<Job>, Option<Command>) {
    let until = Instant::now() + linger;
    let mut group = Vec::new();
    let mut bytes = 0;
    let mut command = first;
    loop {
        match command {
            Command::Append(job) => {
                bytes += job.batch.body.len();
                group.push(job);
            }
            other => return (group, Some(other)),
        }
        if bytes >= GROUP_BYTES {
            return (group, None);
        }
        // With no time left, this still takes what is queued.
        command = match commands.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(command) => command,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return (group, None),
        };
    }
}

fn commit(backend: &mut impl Backend, ledger: &Ledger, group: Vec<Job>) {
    let payloads: Vec<&[u8]> = group.iter().map(|job| &*job.batch.body).collect();
    match backend.put(&payloads) {
        Ok(latency) => stored(ledger, group, latency),
        Err(error) => {
            let refusal = Refusal::NotWritable(failed(ledger, &error));
            for job in group {
                job.refuse(&refusal);
            }
        }
    }
}

/// Acknowledges a group that is durable; `latency` is the time of its write.
fn stored(ledger: &Ledger, group: Vec<Job>, latency: Duration) {
    ledger.metrics.fsync(latency);
    ledger.health.set(None);
    let batches = group.len();
    for mut job in group {
        job.is_done = true;
        let committed = ledger.index().commit(&job.batch.meta);
        ledger.metrics.stored(&job.batch, committed.dropped);
        ledger.accepted(&job.batch);
        tracing::debug!(
            parent: &job.span,
            group = batches,
            micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
            "a batch is durable"
        );
        committed.report();
    }
}

fn recover_if_failing(backend: &mut impl Backend, ledger: &Ledger) {
    if ledger.health.failing().is_some() {
        let recovered = backend.recover();
        ledger.health.set(recovered.err().map(|error| error.to_string().into()));
    }
}

fn probe(backend: &mut impl Backend, ledger: &Ledger) -> Result<(), Arc<str>> {
    match ledger.health.failing() {
        Some(reason) => Err(reason),
        None => backend.probe().map_err(|error| failed(ledger, &error)),
    }
}

fn failed(ledger: &Ledger, error: &impl Display) -> Arc<str> {
    let reason: Arc<str> = error.to_string().into();
    ledger.metrics.store_error();
    ledger.health.set(Some(reason.clone()));
    reason
}
