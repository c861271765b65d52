//! Joins the small objects of a store that collectors share, so that a day of small batches can be listed and read. Any number of collectors do
//! it at once: each joins its own, and what a collector has left that isn't heard any more.
//!
//! First the joined object is put there, under a name that says what is in it; only then what it was made of is deleted, and nothing that isn't
//! in it. Ended anywhere between, nothing is lost: readers take each batch once, and the next pass goes on from what is there.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path as ObjectPath};
use tokio::sync::watch;

use crate::error::ReadError;
use crate::frame::{Kind, Parser};
use crate::names::{Joined, Published, joined_folder};
use crate::seal::{LEVEL, chain};
use crate::segment::{SegmentLine, object_folder};
use crate::source::{FrameReader, Next, Source, list_folder};
use crate::store::Shared;

/// What has more bytes stays as it is.
const SMALL: u64 = 4 << 20;
/// So many bytes are joined to one object, about: they are in memory.
const ENOUGH: u64 = 16 << 20;
/// So many objects are asked for at a time.
const AHEAD: usize = 4;
/// What a collector has left is joined by others when it was silent for so many times the age of its own.
const SILENT: u32 = 3;
/// How often there is a look, at least.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub(crate) struct Joiner {
    shared: Arc<Shared>,
    /// Of this collector.
    replica: String,
    age: Duration,
    /// What is no segment of ours, or is damaged, or came after what it belongs to: for a person to look at.
    left: HashSet<ObjectPath>,
}

/// A segment that may be joined.
struct Small {
    name: Published,
    path: ObjectPath,
    size: u64,
}

/// Why nothing is joined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{}", chain(.0))]
    Store(#[from] object_store::Error),
    #[error("{}", chain(.0))]
    Read(#[from] ReadError),
    #[error("{0}")]
    Compress(#[from] io::Error),
    #[error("{path} is left as it is: {reason}")]
    Unfit { path: ObjectPath, reason: String },
}

impl Joiner {
    pub(crate) fn new(shared: Arc<Shared>, replica: String, age: Duration) -> Joiner {
        Joiner { shared, replica, age, left: HashSet::new() }
    }

    /// Looks again and again, until the store closes. It may be ended anywhere.
    pub(crate) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let (pause, mut said) = ((self.age / 5).min(LONGEST_PAUSE), String::new());
        let work = async {
            loop {
                tokio::time::sleep(pause).await;
                let failure = self.pass(now()).await.err().map(|error| error.to_string()).unwrap_or_default();
                if !failure.is_empty() {
                    self.shared.metrics.join_error();
                }
                // Told once, as when the role may not delete: nothing is lost.
                if !failure.is_empty() && failure != said {
                    log::warn!("small objects aren't joined: {failure}");
                }
                said = failure;
            }
        };
        tokio::select! {
            () = work => {}
            _ = closing.changed() => {}
        }
    }

    /// Joins what is due.
    async fn pass(&mut self, now: Duration) -> Result<(), Failure> {
        let mut collectors: BTreeMap<String, Vec<Small>> = BTreeMap::new();
        let objects = self.shared.objects.clone();
        // In this order: where something is gone from the first list, the second has what it is in.
        let segments = list_folder(&*objects, &object_folder()).await?;
        let joined = list_folder(&*objects, &joined_folder()).await?;
        for (path, size) in segments {
            if let Some(name) = Published::of(&path).filter(|_| size < SMALL && !self.left.contains(&path)) {
                collectors.entry(name.replica.clone()).or_default().push(Small { name, path, size });
            }
        }
        let joined: Vec<_> =
            joined.into_iter().filter_map(|(path, size)| Some((Joined::of(&path)?, size))).collect();
        let mut first = Ok(());
        for (replica, small) in collectors {
            let newest = small.iter().map(|object| object.name.time).max().unwrap_or(0);
            if replica == self.replica || old(newest, self.age * SILENT, now) {
                let joined = joined.iter().filter(|(joined, _)| joined.replica == replica);
                // One collector's objects don't keep those of others waiting.
                first = first.and(self.one_collector(small, joined, now).await);
            }
        }
        first
    }

    async fn one_collector<'a>(
        &mut self,
        mut small: Vec<Small>,
        joined: impl Iterator<Item = &'a (Joined, u64)>,
        now: Duration,
    ) -> Result<(), Failure> {
        small.sort_unstable_by_key(|object| object.name.number);
        for (joined, size) in joined {
            let (inside, rest) = small.into_iter().partition(|object| joined.covers(&object.name));
            small = rest;
            self.finish(joined, *size, inside).await?;
        }
        for run in runs(small, self.age, now) {
            self.join(run).await?;
        }
        Ok(())
    }

    async fn join(&mut self, run: Vec<Small>) -> Result<(), Failure> {
        let names: Vec<_> = run.iter().map(|object| object.name.clone()).collect();
        let Some(joined) = Joined::from_run(&names) else { return Ok(()) };
        let content = match self.content(&run).await {
            Ok(content) => content,
            Err(failure) => {
                // The others are joined in the next pass.
                if let Failure::Unfit { path, .. } = &failure {
                    self.left.insert(path.clone());
                }
                return Err(failure);
            }
        };
        let options = PutOptions::from(PutMode::Create);
        let size = content.len() as u64;
        match self.shared.objects.put_opts(&joined.path(), content.into(), options).await {
            Ok(_) => self.delete(run.into_iter().map(|object| object.path).collect()).await?,
            // Another collector was first, or this one wasn't told: then what is there counts.
            Err(object_store::Error::AlreadyExists { .. }) => {
                let size = self.shared.objects.head(&joined.path()).await.map_or(size, |meta| meta.size);
                self.finish(&joined, size, run).await?;
            }
            Err(error) => return Err(error.into()),
        }
        self.shared.metrics.joined(names.len() as u64);
        Ok(())
    }

    /// The segments of a run, one behind the other, each checked and verbatim.
    async fn content(&self, run: &[Small]) -> Result<Vec<u8>, Failure> {
        let objects = &self.shared.objects;
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
        encoder.include_checksum(true)?;
        let get = |object: &Small| {
            let (path, name) = (object.path.clone(), object.name.clone());
            async move { Ok::<_, object_store::Error>((objects.get(&path).await?.bytes().await?, path, name)) }
        };
        let mut coming = stream::iter(run.iter().map(get)).buffered(AHEAD);
        while let Some((bytes, path, name)) = coming.try_next().await? {
            let appended = tokio::task::spawn_blocking(move || {
                let appended = append(&mut encoder, &bytes, &name);
                (encoder, appended)
            });
            let (back, appended) = appended.await.map_err(io::Error::from)?;
            encoder = back;
            appended.map_err(|reason| Failure::Unfit { path, reason })?;
        }
        drop(coming);
        Ok(encoder.finish()?)
    }

    /// Deletes of `inside` what is in a joined object that is there. What isn't in it is left where it is.
    async fn finish(&mut self, joined: &Joined, size: u64, inside: Vec<Small>) -> Result<(), Failure> {
        if inside.is_empty() {
            return Ok(());
        }
        let path = joined.path();
        let source = Source::object(self.shared.objects.clone(), path.clone(), size)?;
        let mut reader = FrameReader::new(path.to_string(), source, u64::MAX, false);
        let mut names = HashSet::new();
        while let Next::Frame(frame) = reader.next().await? {
            if frame.kind == Kind::Segment {
                names.extend(SegmentLine::name_in(&frame.payload).map(|name| name.stem()));
            }
        }
        let (done, other): (Vec<_>, Vec<_>) =
            inside.into_iter().partition(|object| names.contains(&object.name.stem()));
        self.left.extend(other.into_iter().map(|object| object.path));
        self.delete(done.into_iter().map(|object| object.path).collect()).await
    }

    async fn delete(&self, paths: Vec<ObjectPath>) -> Result<(), Failure> {
        let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut deleted = self.shared.objects.delete_stream(paths);
        while let Some(deleted) = deleted.next().await {
            match deleted {
                // Another collector was first.
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

/// Whether it was put there that long ago.
fn old(micros: u64, age: Duration, now: Duration) -> bool {
    Duration::from_micros(micros) + age <= now
}

/// What is to be one object each: as many as are enough, and the rest when the oldest of it is old. One alone stays as it is.
fn runs(small: Vec<Small>, age: Duration, now: Duration) -> Vec<Vec<Small>> {
    let (mut runs, mut run, mut bytes) = (Vec::new(), Vec::new(), 0);
    for object in small {
        bytes += object.size;
        run.push(object);
        if bytes >= ENOUGH {
            runs.push(std::mem::take(&mut run));
            bytes = 0;
        }
    }
    if run.iter().any(|object| old(object.name.time, age, now)) {
        runs.push(run);
    }
    runs.retain(|run| run.len() > 1);
    runs
}

/// Appends a segment as it is, after a look at each of its frames. An error may leave part of it.
fn append(encoder: &mut impl Write, object: &Bytes, name: &Published) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let mut decoder = zstd::stream::read::Decoder::new(&object[..]).map_err(told)?;
    let (mut parser, mut piece) = (Parser::default(), vec![0; 256 << 10]);
    let mut named = false;
    loop {
        let length = decoder.read(&mut piece).map_err(told)?;
        if length == 0 {
            break;
        }
        parser.push(&piece[..length]);
        while let Some(frame) = parser.next().map_err(|bad| format!("{bad:?}"))? {
            match (frame.kind, named) {
                (Kind::Segment, false) if SegmentLine::name_in(&frame.payload).as_ref() == Some(name) => {
                    named = true
                }
                (Kind::Batch, true) => {}
                _ => return Err("it isn't the segment that its name says".into()),
            }
        }
        encoder.write_all(&piece[..length]).map_err(told)?;
    }
    if parser.pending() > 0 || !named {
        return Err("it ends in the middle of a frame".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(number: u64, time: u64, size: u64) -> Small {
        let name = Published { replica: "r".into(), number, time: time * 1_000_000 };
        Small { path: name.path(), name, size }
    }

    #[test]
    fn what_is_enough_or_old_is_joined() {
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
