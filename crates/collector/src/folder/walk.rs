//! Walks the segments of a capture folder in order, closed and open ones, also while a collector
//! writes to it. Needs no lock and never writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use object_store::ObjectStore;

use super::layout::{list_closed, list_open, open_path};
use super::state::DurableEnd;
use crate::error::ReadError;
use crate::read::{FramePlace, Position, SegmentWalk, Start, WalkedSegment};
use crate::source::{ByteSource, FrameReader};
use crate::wire::BatchMeta;

pub(super) struct FolderWalk {
    segments: VecDeque<WalkedSegment>,
    position: Option<Position>,
}

impl FolderWalk {
    /// Plans a walk from `start`. With `durable`, the walk ends there.
    pub(super) async fn open(
        folder: &Path,
        objects: Arc<dyn ObjectStore>,
        durable: Option<DurableEnd>,
        start: Start,
    ) -> Result<FolderWalk, ReadError> {
        // Files are listed first and held open: a segment that is sealed meanwhile is then still
        // read, from one of its two places.
        let open = open_files(folder)?;
        let newest = open.last().map(|segment| segment.number);
        let limit = |number| match durable {
            Some(durable) if number == durable.number => durable.len,
            Some(durable) if number > durable.number => 0,
            _ => u64::MAX,
        };
        let closed = list_closed(&*objects).await?;
        let last = closed.last().map(|segment| segment.number).max(newest).unwrap_or(0);
        let first = match start {
            Start::Beginning => Position { segment: 0, offset: 0 },
            Start::Newest(count) => Position { segment: (last + 1).saturating_sub(count), offset: 0 },
            Start::After(position) => position,
        };
        let offset = |number| if number == first.segment { first.offset } else { 0 };
        let mut segments = Vec::new();
        for segment in closed {
            let number = segment.number;
            if number >= first.segment && open.iter().all(|open| open.number != number) {
                let name = segment.path.to_string();
                let source = ByteSource::object(objects.clone(), segment.path, segment.size)?;
                let frames = FrameReader::new(name, source, limit(number), false);
                let frames = frames.behind(offset(number)).await?;
                segments.push(WalkedSegment { order: number, frames });
            }
        }
        for OpenFile { number, path, file } in open {
            if number >= first.segment {
                let name = path.display().to_string();
                let may_be_torn = Some(number) == newest;
                let frames = FrameReader::new(name, ByteSource::file(file), limit(number), may_be_torn);
                let frames = frames.behind(offset(number)).await?;
                segments.push(WalkedSegment { order: number, frames });
            }
        }
        segments.sort_by_key(|segment| segment.order);
        Ok(FolderWalk { segments: segments.into(), position: start.position() })
    }
}

impl SegmentWalk for FolderWalk {
    fn next_segment(&mut self) -> BoxFuture<'_, Result<Option<WalkedSegment>, ReadError>> {
        Box::pin(std::future::ready(Ok(self.segments.pop_front())))
    }

    fn segment_failed(&mut self, error: ReadError) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(std::future::ready(Err(error)))
    }

    fn begin_segment(&mut self, _place: FramePlace, _payload: &[u8]) {}

    fn admit(&mut self, place: FramePlace, _meta: &BatchMeta) -> bool {
        self.position = Some(Position { segment: place.order, offset: place.end });
        true
    }

    fn position(&self) -> Option<Position> {
        self.position
    }
}

struct OpenFile {
    number: u64,
    path: PathBuf,
    file: File,
}

fn open_files(folder: &Path) -> Result<Vec<OpenFile>, ReadError> {
    let mut files = Vec::new();
    for number in list_open(folder)? {
        let path = open_path(folder, number);
        match File::open(&path) {
            Ok(file) => files.push(OpenFile { number, path, file }),
            // Sealed since it was listed.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ReadError::Folder { path, source }),
        }
    }
    Ok(files)
}
