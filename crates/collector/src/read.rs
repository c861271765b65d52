//! Streams what a capture store holds, in the order in which it was stored, from closed and open segments, also while a
//! collector writes there. Holds one batch at a time. Never writes, and needs no lock.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, local::LocalFileSystem};

use crate::error::ReadError;
use crate::frame::Kind;
use crate::segment::open_path;
use crate::source::{FrameReader, Next, Source, list_objects, list_open};
use crate::wire::{self, BatchMeta, RecordKind};

/// Streams batches or records.
pub struct Reader {
    segments: VecDeque<FrameReader>,
    batch: Option<StoredBatch>,
    torn: Option<TornTail>,
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
        let folder = folder.as_ref();
        let objects = local_objects(folder).map_err(|source| {
            let source = io::Error::other(source);
            ReadError::Folder { path: folder.into(), source }
        })?;
        Reader::open_with(folder, objects).await
    }

    /// The same where closed segments are kept in another object store.
    ///
    /// # Errors
    /// The folder or the object store can't be read.
    pub async fn open_with(
        folder: impl AsRef<Path>,
        objects: Arc<dyn ObjectStore>,
    ) -> Result<Reader, ReadError> {
        Reader::plan(folder.as_ref(), objects, None).await
    }

    pub(crate) async fn plan(
        folder: &Path,
        objects: Arc<dyn ObjectStore>,
        durable: Option<Durable>,
    ) -> Result<Reader, ReadError> {
        // Files first, and held open: a segment which is put away meanwhile is found in one place, and used from one.
        let open = open_files(folder)?;
        let newest = open.last().map(|(number, _, _)| *number);
        let limit = |number| match durable {
            Some(durable) if number == durable.number => durable.len,
            Some(durable) if number > durable.number => 0,
            _ => u64::MAX,
        };
        let mut segments = Vec::new();
        for (number, path, size) in list_objects(&*objects).await? {
            if open.iter().all(|(open, _, _)| *open != number) {
                let name = path.to_string();
                let source = Source::object(objects.clone(), path, size)?;
                segments.push((number, FrameReader::new(name, source, limit(number), false)));
            }
        }
        for (number, path, file) in open {
            let name = path.display().to_string();
            let may_be_torn = Some(number) == newest;
            segments
                .push((number, FrameReader::new(name, Source::File(Some(file)), limit(number), may_be_torn)));
        }
        segments.sort_by_key(|(number, _)| *number);
        let segments = segments.into_iter().map(|(_, reader)| reader).collect();
        Ok(Reader { segments, batch: None, torn: None })
    }

    /// The next batch; `None` at the end. What [`Reader::next`] has left of the one before is skipped.
    ///
    /// # Errors
    /// A segment can't be read. The reader doesn't go on after that.
    pub async fn next_batch(&mut self) -> Result<Option<StoredBatch>, ReadError> {
        self.batch = None;
        while let Some(reader) = self.segments.front_mut() {
            let frame = match reader.next().await? {
                Next::Frame(frame) => frame,
                Next::End(torn) => {
                    self.torn = torn.map(|bytes| TornTail { segment: reader.name().to_owned(), bytes });
                    self.segments.pop_front();
                    continue;
                }
            };
            if frame.kind == Kind::Segment {
                continue;
            }
            let meta = wire::stored_meta(&frame.payload).map_err(|bad| reader.damaged(frame.end, bad))?;
            let mut lines = frame.payload;
            take_line(&mut lines);
            let segment = reader.name().to_owned();
            return Ok(Some(StoredBatch { meta: Arc::new(meta), lines, segment, end: frame.end }));
        }
        Ok(None)
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
