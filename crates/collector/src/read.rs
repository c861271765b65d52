//! Streams what a capture store holds, in the order in which it was stored, from closed and open segments, also while a
//! collector writes there. Holds one batch at a time. Never writes, and needs no lock.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, local::LocalFileSystem};

use crate::ahead::Ahead;
use crate::error::ReadError;
use crate::frame::Kind;
use crate::ranges::Ranges;
use crate::segment::{SegmentLine, open_path};
use crate::source::{FrameReader, Next, Source, list_objects, list_open};
use crate::wire::{self, BatchMeta, RecordKind};

/// Streams batches or records.
#[derive(Default)]
pub struct Reader {
    segments: VecDeque<(u64, FrameReader)>,
    /// The segments after these, in a store that collectors share.
    ahead: Option<Ahead>,
    /// In such a store, where the segment began that is being read: in an object that joins several, each keeps its own name and offsets.
    begun: Position,
    /// What isn't behind this was read earlier.
    after: Option<Position>,
    /// The batches that came by, by VM, in a store that collectors share: a sender that wasn't told of one sends it to another collector.
    seen: Option<HashMap<String, Ranges>>,
    batch: Option<StoredBatch>,
    torn: Option<TornTail>,
    position: Option<Position>,
}

/// Where a reader is in a store: behind a batch. It stays where it is when a segment is put away, or joined with others. In a store that
/// collectors share it is behind the latest batch that came by: whoever goes on from there must have read to the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first batch that there is.
    Beginning,
    /// With the first batch of the newest segments, so many.
    Newest(u64),
    /// Behind a batch that was read earlier.
    After(Position),
}

impl Start {
    fn position(self) -> Option<Position> {
        match self {
            Start::After(position) => Some(position),
            Start::Beginning | Start::Newest(_) => None,
        }
    }
}

/// A batch as it was sent.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    meta: Arc<BatchMeta>,
    /// The lines that haven't been taken out yet.
    lines: Bytes,
    /// Where the batch is, for errors.
    segment: String,
    end: u64,
}

/// One line of a batch.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// The batch that it came in.
    pub batch: Arc<BatchMeta>,
    /// What it is.
    pub kind: RecordKind,
    /// The JSON as it was sent, without the end of line.
    pub line: Bytes,
}

/// The end of a segment that a crash has left: part of a batch that never was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file.
    pub segment: String,
    /// How many bytes aren't used.
    pub bytes: u64,
}

/// How far the collector's own reader goes: to what is durable now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Durable {
    pub(crate) number: u64,
    pub(crate) len: u64,
}

impl Reader {
    /// Reads a capture folder, whether or not a collector is writing there: what is in it now.
    ///
    /// # Errors
    /// The folder can't be read.
    pub async fn open(folder: impl AsRef<Path>) -> Result<Reader, ReadError> {
        Reader::open_from(folder, Start::Beginning).await
    }

    /// The same, from another start: what follows a batch, without reading what comes before.
    ///
    /// # Errors
    /// The folder can't be read.
    pub async fn open_from(folder: impl AsRef<Path>, start: Start) -> Result<Reader, ReadError> {
        let folder = folder.as_ref();
        let objects = local_objects(folder).map_err(|source| {
            let source = io::Error::other(source);
            ReadError::Folder { path: folder.into(), source }
        })?;
        Reader::plan(folder, objects, None, start).await
    }

    /// The same where closed segments are kept in another object store.
    ///
    /// # Errors
    /// The folder or the object store can't be read.
    pub async fn open_with(
        folder: impl AsRef<Path>,
        objects: Arc<dyn ObjectStore>,
    ) -> Result<Reader, ReadError> {
        Reader::plan(folder.as_ref(), objects, None, Start::Beginning).await
    }

    /// Reads an object store that collectors share, also while they write there: what is in it now, each batch once.
    ///
    /// # Errors
    /// The object store can't be read.
    pub async fn shared(store: Arc<dyn ObjectStore>) -> Result<Reader, ReadError> {
        Reader::shared_from(store, Start::Beginning).await
    }

    /// The same, from another start. What comes after a position is in objects with a later name: what another collector named earlier, and has put
    /// there since, isn't.
    ///
    /// # Errors
    /// The object store can't be read.
    pub async fn shared_from(store: Arc<dyn ObjectStore>, start: Start) -> Result<Reader, ReadError> {
        let (ahead, after) = (Some(Ahead::new(store, start).await?), start.position());
        Ok(Reader { ahead, seen: Some(HashMap::new()), after, position: after, ..Reader::default() })
    }

    pub(crate) async fn plan(
        folder: &Path,
        objects: Arc<dyn ObjectStore>,
        durable: Option<Durable>,
        start: Start,
    ) -> Result<Reader, ReadError> {
        // Files first, and held open: a segment which is put away meanwhile is found in one place, and used from one.
        let open = open_files(folder)?;
        let newest = open.last().map(|(number, _, _)| *number);
        let limit = |number| match durable {
            Some(durable) if number == durable.number => durable.len,
            Some(durable) if number > durable.number => 0,
            _ => u64::MAX,
        };
        let closed = list_objects(&*objects).await?;
        let last = closed.last().map(|(number, ..)| *number).max(newest).unwrap_or(0);
        let first = match start {
            Start::Beginning => Position { segment: 0, offset: 0 },
            Start::Newest(count) => Position { segment: (last + 1).saturating_sub(count), offset: 0 },
            Start::After(position) => position,
        };
        let offset = |number| if number == first.segment { first.offset } else { 0 };
        let mut segments = Vec::new();
        for (number, path, size) in closed {
            if number >= first.segment && open.iter().all(|(open, _, _)| *open != number) {
                let name = path.to_string();
                let source = Source::object(objects.clone(), path, size)?;
                let reader = FrameReader::new(name, source, limit(number), false);
                segments.push((number, reader.behind(offset(number)).await?));
            }
        }
        for (number, path, file) in open {
            if number >= first.segment {
                let name = path.display().to_string();
                let may_be_torn = Some(number) == newest;
                let reader = FrameReader::new(name, Source::File(Some(file)), limit(number), may_be_torn);
                segments.push((number, reader.behind(offset(number)).await?));
            }
        }
        segments.sort_by_key(|(number, _)| *number);
        Ok(Reader { segments: segments.into(), position: start.position(), ..Reader::default() })
    }

    /// The next batch; `None` at the end. What [`Reader::next`] has left of the one before is skipped.
    ///
    /// # Errors
    /// A segment can't be read. The reader doesn't go on after that.
    pub async fn next_batch(&mut self) -> Result<Option<StoredBatch>, ReadError> {
        self.batch = None;
        loop {
            if self.segments.is_empty()
                && let Some(ahead) = &mut self.ahead
            {
                self.segments.extend(ahead.next().await?);
            }
            let Some((number, reader)) = self.segments.front_mut() else { return Ok(None) };
            let (number, start) = (*number, reader.offset());
            let frame = match (reader.next().await, &mut self.ahead) {
                (Ok(Next::Frame(frame)), _) => frame,
                (Ok(Next::End(torn)), _) => {
                    self.torn = torn.map(|bytes| TornTail { segment: reader.name().to_owned(), bytes });
                    self.segments.pop_front();
                    continue;
                }
                (Err(error), Some(ahead)) => {
                    ahead.go_on_without(error).await?;
                    self.segments.pop_front();
                    continue;
                }
                (Err(error), None) => return Err(error),
            };
            if frame.kind == Kind::Segment {
                let name = self.ahead.as_ref().and_then(|_| SegmentLine::name_in(&frame.payload));
                self.begun = Position { segment: name.map_or(number, |name| name.time), offset: start };
                continue;
            }
            let meta = wire::stored_meta(&frame.payload).map_err(|bad| reader.damaged(frame.end, bad))?;
            let segment = reader.name().to_owned();
            if !self.pass(number, frame.end) || self.seen.as_mut().is_some_and(|seen| !is_new(seen, &meta)) {
                continue;
            }
            let mut lines = frame.payload;
            take_line(&mut lines);
            return Ok(Some(StoredBatch { meta: Arc::new(meta), lines, segment, end: frame.end }));
        }
    }

    /// Notes that the batch that ends at this offset came by; whether it is behind where reading began.
    fn pass(&mut self, number: u64, end: u64) -> bool {
        if self.ahead.is_none() {
            self.position = Some(Position { segment: number, offset: end });
            return true;
        }
        let here = Position { segment: self.begun.segment, offset: end.saturating_sub(self.begun.offset) };
        // What is joined is read as a whole: what comes after it may have been put there before its end.
        self.position = self.position.max(Some(here));
        self.after.is_none_or(|after| here > after)
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// A segment can't be read. The reader doesn't go on after that.
    pub async fn next(&mut self) -> Result<Option<StoredRecord>, ReadError> {
        loop {
            if let Some(batch) = &mut self.batch
                && let Some(record) = batch.next_record()?
            {
                return Ok(Some(record));
            }
            self.batch = self.next_batch().await?;
            if self.batch.is_none() {
                return Ok(None);
            }
        }
    }

    /// Behind the last batch that was given; `None` where there was none yet.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// What a crash has left, of the part read so far.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }
}

impl StoredBatch {
    /// Where it came from.
    pub fn meta(&self) -> &Arc<BatchMeta> {
        &self.meta
    }

    /// The next of its records; `None` at the end.
    ///
    /// # Errors
    /// The line isn't what was accepted once.
    pub fn next_record(&mut self) -> Result<Option<StoredRecord>, ReadError> {
        if self.lines.is_empty() {
            return Ok(None);
        }
        let line = take_line(&mut self.lines);
        let kind = wire::stored_kind(&line).map_err(|reason| self.damaged(reason))?;
        Ok(Some(StoredRecord { batch: self.meta.clone(), kind, line }))
    }

    /// A record of this batch can't be read.
    pub(crate) fn damaged(&self, reason: impl ToString) -> ReadError {
        let reason = reason.to_string();
        ReadError::Damaged { segment: self.segment.clone(), offset: self.end, reason }
    }
}

fn is_new(seen: &mut HashMap<String, Ranges>, meta: &BatchMeta) -> bool {
    match seen.get_mut(&meta.vm) {
        Some(numbers) => numbers.insert(meta.seq),
        None => seen.entry(meta.vm.clone()).or_default().insert(meta.seq),
    }
}

/// The folder itself as object store.
pub(crate) fn local_objects(folder: &Path) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    // Without fsync an object could be gone after a power failure when the open segment is already removed.
    Ok(Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true)))
}

fn open_files(folder: &Path) -> Result<Vec<(u64, PathBuf, File)>, ReadError> {
    let mut files = Vec::new();
    for number in list_open(folder)? {
        let path = open_path(folder, number);
        match File::open(&path) {
            Ok(file) => files.push((number, path, file)),
            // Put away since it was listed.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ReadError::Folder { path, source }),
        }
    }
    Ok(files)
}

fn take_line(lines: &mut Bytes) -> Bytes {
    let end = lines.iter().position(|b| *b == b'\n').unwrap_or(lines.len());
    let line = lines.split_to(end);
    // The end of line itself.
    let _ = lines.split_to(lines.len().min(1));
    line
}
