//! Streams what a capture store holds, also while a collector writes to it. Holds one batch at a
//! time. Never writes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::error::ReadError;
use crate::frame::FrameKind;
use crate::source::{FrameReader, NextFrame};
use crate::wire::{self, BatchMeta, RecordKind};

/// Streams the batches or records of a store.
pub struct Reader {
    walk: Box<dyn SegmentWalk>,
    /// The segment that is being read.
    segment: Option<WalkedSegment>,
    batch: Option<StoredBatch>,
    torn: Option<TornTail>,
}

/// A place in a store: after a batch. It stays valid when a segment is sealed or compacted. In a
/// bucket it is after the latest batch read, so only a reader that has reached the end may continue
/// from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// The place where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The first batch in the store.
    Beginning,
    /// The first batch of the newest segments, of which there are this many.
    Newest(u64),
    /// After a batch that was read earlier.
    After(Position),
}

impl Start {
    pub(crate) fn position(self) -> Option<Position> {
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
    /// The lines that `next_record` hasn't returned yet.
    lines: Bytes,
    /// The segment's name, for errors.
    segment: String,
    /// The offset of the batch's end in the segment, for errors.
    end: u64,
}

/// One line of a batch.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// The first line of its batch.
    pub batch: Arc<BatchMeta>,
    /// Its kind.
    pub kind: RecordKind,
    /// The JSON as it was sent, without the end of line.
    pub line: Bytes,
}

/// The end of a segment after a crash: part of a batch that was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's file.
    pub segment: String,
    /// The number of unused bytes.
    pub bytes: u64,
}

/// The order in which a reader walks the segments of a store. Each kind of store implements it.
pub(crate) trait SegmentWalk: Send {
    /// The next segment; `None` at the end.
    fn next_segment(&mut self) -> BoxFuture<'_, Result<Option<WalkedSegment>, ReadError>>;

    /// Called if a segment can't be read on. `Ok` continues with the next segment.
    fn segment_failed(&mut self, error: ReadError) -> BoxFuture<'_, Result<(), ReadError>>;

    /// Called with the first payload of each segment.
    fn begin_segment(&mut self, place: FramePlace, payload: &[u8]);

    /// Notes that a batch was read. Returns whether the reader should return it.
    fn admit(&mut self, place: FramePlace, meta: &BatchMeta) -> bool;

    /// The place after the batches read so far.
    fn position(&self) -> Option<Position>;
}

/// A segment on a walk.
pub(crate) struct WalkedSegment {
    /// Its place in the order of segments.
    pub(crate) order: u64,
    pub(crate) frames: FrameReader,
}

/// The place of a frame.
#[derive(Clone, Copy)]
pub(crate) struct FramePlace {
    /// The order of its segment.
    pub(crate) order: u64,
    /// Its first offset in the segment.
    pub(crate) start: u64,
    /// The offset after its last byte.
    pub(crate) end: u64,
}

impl Reader {
    pub(crate) fn new(walk: impl SegmentWalk + 'static) -> Reader {
        Reader { walk: Box::new(walk), segment: None, batch: None, torn: None }
    }

    /// The next batch; `None` at the end. Records of the batch before that [`Reader::next`] hasn't
    /// returned are skipped.
    ///
    /// # Errors
    /// A segment can't be read. The reader doesn't continue after that.
    pub async fn next_batch(&mut self) -> Result<Option<StoredBatch>, ReadError> {
        self.batch = None;
        loop {
            if self.segment.is_none() {
                self.segment = self.walk.next_segment().await?;
            }
            let Some(WalkedSegment { order, frames }) = &mut self.segment else { return Ok(None) };
            let start = frames.offset();
            let frame = match frames.next().await {
                Ok(NextFrame::Frame(frame)) => frame,
                Ok(NextFrame::End(torn)) => {
                    self.torn = torn.map(|bytes| TornTail { segment: frames.name().to_owned(), bytes });
                    self.segment = None;
                    continue;
                }
                Err(error) => {
                    self.walk.segment_failed(error).await?;
                    self.segment = None;
                    continue;
                }
            };
            let place = FramePlace { order: *order, start, end: frame.end };
            if frame.kind == FrameKind::Segment {
                self.walk.begin_segment(place, &frame.payload);
                continue;
            }
            let meta = wire::stored_meta(&frame.payload).map_err(|bad| frames.damaged(frame.end, bad))?;
            if !self.walk.admit(place, &meta) {
                continue;
            }
            let segment = frames.name().to_owned();
            let mut lines = frame.payload;
            take_line(&mut lines);
            return Ok(Some(StoredBatch { meta: Arc::new(meta), lines, segment, end: frame.end }));
        }
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// A segment can't be read. The reader doesn't continue after that.
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

    /// The place after the last batch returned. Before the first batch: the place where reading
    /// began, or `None` if that is the beginning of the store.
    pub fn position(&self) -> Option<Position> {
        self.walk.position()
    }

    /// The torn end of the segments read so far, if a crash has left one.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }
}

impl StoredBatch {
    /// The first line of the batch.
    pub fn meta(&self) -> &Arc<BatchMeta> {
        &self.meta
    }

    /// The next of its records; `None` at the end.
    ///
    /// # Errors
    /// The line isn't what was once accepted.
    pub fn next_record(&mut self) -> Result<Option<StoredRecord>, ReadError> {
        if self.lines.is_empty() {
            return Ok(None);
        }
        let line = take_line(&mut self.lines);
        let kind = wire::stored_kind(&line).map_err(|reason| self.damaged(reason))?;
        Ok(Some(StoredRecord { batch: self.meta.clone(), kind, line }))
    }

    /// The error for a record of this batch that can't be read.
    pub(crate) fn damaged(&self, reason: impl ToString) -> ReadError {
        let reason = reason.to_string();
        ReadError::Damaged { segment: self.segment.clone(), offset: self.end, reason }
    }
}

fn take_line(lines: &mut Bytes) -> Bytes {
    let end = lines.iter().position(|b| *b == b'\n').unwrap_or(lines.len());
    let line = lines.split_to(end);
    // The end of line itself.
    let _ = lines.split_to(lines.len().min(1));
    line
}
