//! Compacts the small objects of a bucket, so that a day of small batches can be listed and read.
//! Any number of collectors compact at once: each its own objects, and those of collectors that
//! have fallen silent.
//!
//! The compacted object is written first, under a name that tells its content. Only then are its
//! parts deleted, and nothing that isn't in it. An interruption at any point loses nothing: readers
//! return each batch once, and the next pass continues from what the bucket holds.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path as ObjectPath};
use tokio::sync::watch;

use super::names::{self, CompactedName, SegmentName, compacted_folder, segments_folder};
use crate::error::{ReadError, chain};
use crate::frame::{FrameKind, FrameParser};
use crate::ledger::Ledger;
use crate::segment::{SegmentLine, encoder};
use crate::source::{ByteSource, FrameReader, NextFrame};

/// Objects of this size in bytes or more aren't compacted.
const SMALL: u64 = 4 << 20;
/// The approximate size in bytes of a compacted object. It is built in memory.
const ENOUGH: u64 = 16 << 20;
/// The number of objects that are fetched at a time.
const AHEAD: usize = 4;
/// Objects of another collector are compacted after it was silent for this multiple of the age.
const SILENT: u32 = 3;
/// The longest time between two passes.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub(super) struct Compactor {
    objects: Arc<dyn ObjectStore>,
    ledger: Arc<Ledger>,
    /// The identifier of this collector.
    replica: String,
    age: Duration,
    /// Objects that aren't compacted: foreign, damaged, or written after the compacted object whose
    /// name covers them. They are left for a person to look at.
    left: HashSet<ObjectPath>,
}

/// An object that may be compacted.
struct SmallObject {
    name: SegmentName,
    path: ObjectPath,
    size: u64,
}

/// A compacted object in the bucket.
struct CompactedObject {
    name: CompactedName,
    size: u64,
}

/// Why nothing is compacted.
#[derive(Debug, thiserror::Error)]
enum CompactError {
    #[error("{}", chain(.0))]
    Store(#[from] object_store::Error),
    #[error("{}", chain(.0))]
    Read(#[from] ReadError),
    #[error("{0}")]
    Compress(#[from] io::Error),
    #[error("{path} is left as it is: {reason}")]
    Unfit { path: ObjectPath, reason: String },
}

impl Compactor {
    pub(super) fn new(
        objects: Arc<dyn ObjectStore>,
        ledger: Arc<Ledger>,
        replica: String,
        age: Duration,
    ) -> Compactor {
        Compactor { objects, ledger, replica, age, left: HashSet::new() }
    }

    /// Repeats passes until the store closes. May be aborted at any point.
    pub(super) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let pause = (self.age / 5).min(LONGEST_PAUSE);
        let mut last_failure = String::new();
        let work = async {
            loop {
                tokio::time::sleep(pause).await;
                let failure = match self.pass(now()).await {
                    Ok(()) => String::new(),
                    Err(error) => error.to_string(),
                };
                if !failure.is_empty() {
                    self.ledger.metrics.compact_error();
                    // A repeated failure is logged once, such as a role that may not delete:
                    // nothing is lost.
                    if failure != last_failure {
                        tracing::warn!(error = failure, "small objects aren't compacted");
                    }
                }
                last_failure = failure;
            }
        };
        tokio::select! {
            () = work => {}
            _ = closing.changed() => {}
        }
    }

    /// Compacts the objects that are due.
    async fn pass(&mut self, now: Duration) -> Result<(), CompactError> {
        let mut collectors: BTreeMap<String, Vec<SmallObject>> = BTreeMap::new();
        // The order of the two lists matters: an object that is gone from the first list is in a
        // compacted object of the second.
        let segments = names::list(&*self.objects, &segments_folder()).await?;
        let compacted = names::list(&*self.objects, &compacted_folder()).await?;
        for object in segments {
            let (path, size) = (object.path, object.size);
            if let Some(name) = SegmentName::from_path(&path)
                && size < SMALL
                && !self.left.contains(&path)
            {
                let small = SmallObject { name, path, size };
                collectors.entry(small.name.replica.clone()).or_default().push(small);
            }
        }
        let compacted: Vec<_> = compacted
            .into_iter()
            .filter_map(|object| {
                Some(CompactedObject { name: CompactedName::from_path(&object.path)?, size: object.size })
            })
            .collect();
        let mut result = Ok(());
        for (replica, small) in collectors {
            let newest = small.iter().map(|object| object.name.time).max().unwrap_or(0);
            if replica == self.replica || is_old(newest, self.age * SILENT, now) {
                let compacted = compacted.iter().filter(|object| object.name.replica == replica);
                // A failure with one collector's objects doesn't keep those of others waiting.
                result = result.and(self.compact_collector(small, compacted, now).await);
            }
        }
        result
    }

    /// Compacts the objects of one collector.
    async fn compact_collector<'a>(
        &mut self,
        mut small: Vec<SmallObject>,
        compacted: impl Iterator<Item = &'a CompactedObject>,
        now: Duration,
    ) -> Result<(), CompactError> {
        small.sort_unstable_by_key(|object| object.name.number);
        for object in compacted {
            let (parts, rest) = small.into_iter().partition(|small| object.name.covers(&small.name));
            small = rest;
            self.delete_parts(object, parts).await?;
        }
        for run in runs(small, self.age, now) {
            self.compact(run).await?;
        }
        Ok(())
    }

    /// Compacts a run of objects into one, and deletes them.
    async fn compact(&mut self, run: Vec<SmallObject>) -> Result<(), CompactError> {
        let names: Vec<_> = run.iter().map(|object| object.name.clone()).collect();
        let Some(name) = CompactedName::from_run(&names) else { return Ok(()) };
        let content = match self.content(&run).await {
            Ok(content) => content,
            Err(error) => {
                // The next pass compacts the others.
                if let CompactError::Unfit { path, .. } = &error {
                    self.left.insert(path.clone());
                }
                return Err(error);
            }
        };
        let size = content.len() as u64;
        let path = name.path();
        match self.objects.put_opts(&path, content.into(), PutOptions::from(PutMode::Create)).await {
            Ok(_) => self.delete(run.into_iter().map(|object| object.path).collect()).await?,
            // Another collector was first, or the answer to this one's earlier attempt was lost.
            // The object in the bucket decides.
            Err(object_store::Error::AlreadyExists { .. }) => {
                let size = self.objects.head(&path).await.map_or(size, |meta| meta.size);
                self.delete_parts(&CompactedObject { name, size }, run).await?;
            }
            Err(error) => return Err(error.into()),
        }
        tracing::debug!(object = %path, objects = names.len(), "small objects are compacted");
        self.ledger.metrics.compacted(names.len() as u64);
        Ok(())
    }

    /// The segments of a run, one after the other, each checked and verbatim.
    async fn content(&self, run: &[SmallObject]) -> Result<Vec<u8>, CompactError> {
        let objects = &self.objects;
        let mut encoder = encoder()?;
        let get = |object: &SmallObject| {
            let (path, name) = (object.path.clone(), object.name.clone());
            async move { Ok::<_, object_store::Error>((objects.get(&path).await?.bytes().await?, path, name)) }
        };
        let mut fetched = stream::iter(run.iter().map(get)).buffered(AHEAD);
        while let Some((bytes, path, name)) = fetched.try_next().await? {
            let appended = tokio::task::spawn_blocking(move || {
                let appended = append(&mut encoder, &bytes, &name);
                (encoder, appended)
            });
            let (returned, appended) = appended.await.map_err(io::Error::from)?;
            encoder = returned;
            appended.map_err(|reason| CompactError::Unfit { path, reason })?;
        }
        drop(fetched);
        Ok(encoder.finish()?)
    }

    /// Deletes those of `parts` that are in a compacted object of the bucket. The others are left.
    async fn delete_parts(
        &mut self,
        object: &CompactedObject,
        parts: Vec<SmallObject>,
    ) -> Result<(), CompactError> {
        if parts.is_empty() {
            return Ok(());
        }
        let path = object.name.path();
        let source = ByteSource::object(self.objects.clone(), path.clone(), object.size)?;
        let mut reader = FrameReader::new(path.to_string(), source, u64::MAX, false);
        let mut stems = HashSet::new();
        while let NextFrame::Frame(frame) = reader.next().await? {
            if frame.kind == FrameKind::Segment {
                stems.extend(segment_name(&frame.payload).map(|name| name.stem()));
            }
        }
        let (contained, others): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| stems.contains(&part.name.stem()));
        self.left.extend(others.into_iter().map(|part| part.path));
        self.delete(contained.into_iter().map(|part| part.path).collect()).await
    }

    async fn delete(&self, paths: Vec<ObjectPath>) -> Result<(), CompactError> {
        let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut deleted = self.objects.delete_stream(paths);
        while let Some(deleted) = deleted.next().await {
            match deleted {
                // Not found: another collector was first.
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns whether an object of this time has reached the age.
fn is_old(micros: u64, age: Duration, now: Duration) -> bool {
    Duration::from_micros(micros) + age <= now
}

/// The name in a segment's first payload, if it has one.
fn segment_name(payload: &[u8]) -> Option<SegmentName> {
    SegmentName::from_stem(&SegmentLine::parse(payload).ok()?.name?)
}

/// Groups objects for compaction: a group is complete when it is large enough, and the rest when
/// the oldest of it is old. A single object stays as it is.
fn runs(small: Vec<SmallObject>, age: Duration, now: Duration) -> Vec<Vec<SmallObject>> {
    let mut runs = Vec::new();
    let mut run = Vec::new();
    let mut bytes = 0;
    for object in small {
        bytes += object.size;
        run.push(object);
        if bytes >= ENOUGH {
            runs.push(std::mem::take(&mut run));
            bytes = 0;
        }
    }
    if run.iter().any(|object| is_old(object.name.time, age, now)) {
        runs.push(run);
    }
    runs.retain(|run| run.len() > 1);
    runs
}

/// Appends a segment verbatim, after a check of each frame. An error may leave part of it appended.
fn append(encoder: &mut impl Write, object: &Bytes, name: &SegmentName) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut decoder = zstd::stream::read::Decoder::new(&object[..]).map_err(text)?;
    let mut parser = FrameParser::default();
    let mut piece = vec![0; 256 << 10];
    let mut is_named = false;
    loop {
        let length = decoder.read(&mut piece).map_err(text)?;
        if length == 0 {
            break;
        }
        parser.push(&piece[..length]);
        while let Some(frame) = parser.next().map_err(|bad| bad.to_string())? {
            match (frame.kind, is_named) {
                (FrameKind::Segment, false) if segment_name(&frame.payload).as_ref() == Some(name) => {
                    is_named = true
                }
                (FrameKind::Batch, true) => {}
                _ => return Err("its first line has another name".into()),
            }
        }
        encoder.write_all(&piece[..length]).map_err(text)?;
    }
    if parser.pending() > 0 || !is_named {
        return Err("the segment ends in the middle of a frame".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(number: u64, time: u64, size: u64) -> SmallObject {
        let name = SegmentName { replica: "r".into(), number, time: time * 1_000_000 };
        SmallObject { path: name.path(), name, size }
    }

    #[test]
    fn compacts_when_full_or_expired() {
        let check = |sizes: &[(u64, u64)], expect: &[&[u64]]| {
            let small =
                sizes.iter().zip(1..).map(|((time, size), number)| small(number, *time, *size)).collect();
            let got = runs(small, Duration::from_secs(300), Duration::from_secs(1000));
            let got: Vec<Vec<u64>> =
                got.iter().map(|run| run.iter().map(|object| object.name.number).collect()).collect();
            assert_eq!(got, expect, "{sizes:?}");
        };
        let (half, new, old) = (ENOUGH / 2, 900, 700);
        check(&[], &[]);
        check(&[(old, 1)], &[]);
        check(&[(new, 1), (new, 1)], &[]);
        check(&[(old, 1), (new, 1)], &[&[1, 2]]);
        check(&[(new, half), (new, half), (new, 1)], &[&[1, 2]]);
        check(&[(new, half), (new, half), (old, 1), (new, 1)], &[&[1, 2], &[3, 4]]);
        check(&[(new, half), (new, half), (old, 1)], &[&[1, 2]]);
    }
}
