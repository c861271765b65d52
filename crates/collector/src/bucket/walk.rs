//! Walks the segments in a bucket in order. A bucket may hold very many small objects, so the next
//! few are fetched while one is read. If an object is gone because it was compacted, the walk
//! continues with the compacted object. Each batch is returned once, however often it is in the
//! bucket.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as ObjectPath};
use tokio::task::JoinHandle;

use super::names::{self, CompactedName, ListedObject, SegmentName, compacted_folder};
use crate::error::ReadError;
use crate::ranges::Ranges;
use crate::read::{FramePlace, Position, SegmentWalk, Start, WalkedSegment};
use crate::segment::SegmentLine;
use crate::source::{ByteSource, FrameReader, OBJECT_PIECE};
use crate::wire::BatchMeta;

/// The maximum number of objects that are fetched ahead.
const AHEAD: usize = 16;

pub(super) struct BucketWalk {
    objects: Arc<dyn ObjectStore>,
    listed: VecDeque<ListedObject>,
    fetched: VecDeque<FetchedObject>,
    /// Compacted objects seen so far, read or pending.
    compacted: HashSet<CompactedName>,
    /// The place where the segment that is being read began. In a compacted object each segment
    /// keeps its own name and offsets.
    begun: Position,
    /// Batches up to here were read earlier.
    after: Option<Position>,
    /// The batches read so far, by VM. A sender that wasn't acknowledged sends its batch to another
    /// collector, so that a batch may be in the bucket twice.
    seen: HashMap<String, Ranges>,
    position: Option<Position>,
}

struct FetchedObject {
    path: ObjectPath,
    size: u64,
    /// The content of a small object. A long one is read in pieces when its turn comes.
    content: Option<JoinHandle<object_store::Result<Bytes>>>,
}

impl BucketWalk {
    /// Lists the bucket, from `start` on. Objects are ordered by name: one that is written later
    /// under an earlier timestamp is skipped by a walk that starts after it.
    pub(super) async fn open(objects: Arc<dyn ObjectStore>, start: Start) -> Result<BucketWalk, ReadError> {
        let mut listed: VecDeque<_> = names::list_all(&*objects).await?.into();
        match start {
            Start::Beginning => {}
            Start::Newest(count) => {
                let left = listed.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
                listed.drain(..left);
            }
            Start::After(position) => listed.retain(|object| {
                let compacted = CompactedName::from_path(&object.path);
                let last = compacted.map_or_else(|| names::order(&object.path), |name| name.last);
                last >= position.segment
            }),
        }
        let compacted = listed.iter().filter_map(|object| CompactedName::from_path(&object.path)).collect();
        Ok(BucketWalk {
            objects,
            listed,
            fetched: VecDeque::new(),
            compacted,
            begun: Position::default(),
            after: start.position(),
            seen: HashMap::new(),
            position: start.position(),
        })
    }

    async fn next(&mut self) -> Result<Option<WalkedSegment>, ReadError> {
        loop {
            self.fetch_ahead();
            let Some(FetchedObject { path, size, content }) = self.fetched.pop_front() else {
                return Ok(None);
            };
            let name = path.to_string();
            let order = names::order(&path);
            let source = match content {
                Some(task) => {
                    let failed = |source| ReadError::Objects { segment: name.clone(), source };
                    match task.await.map_err(|source| failed(source.into()))? {
                        Ok(bytes) => ByteSource::loaded(self.objects.clone(), path, bytes)?,
                        Err(source) => {
                            self.find_compacted(failed(source)).await?;
                            continue;
                        }
                    }
                }
                None => ByteSource::object(self.objects.clone(), path, size)?,
            };
            return Ok(Some(WalkedSegment {
                order,
                frames: FrameReader::new(name, source, u64::MAX, false),
            }));
        }
    }

    /// Finds the compacted object that holds an object which is gone, to read it next. Batches that
    /// were returned before are then skipped.
    ///
    /// # Errors
    /// `error`, if it has another cause, or if no compacted object holds the segment.
    async fn find_compacted(&mut self, error: ReadError) -> Result<(), ReadError> {
        let ReadError::Objects { segment, source: object_store::Error::NotFound { .. } } = &error else {
            return Err(error);
        };
        let Some(lost) = SegmentName::from_path(&ObjectPath::from(segment.as_str())) else {
            return Err(error);
        };
        if self.compacted.iter().any(|name| name.covers(&lost)) {
            return Ok(());
        }
        for object in names::list(&*self.objects, &compacted_folder()).await? {
            if let Some(name) = CompactedName::from_path(&object.path)
                && name.covers(&lost)
                && self.compacted.insert(name)
            {
                self.listed.push_front(object);
            }
        }
        if self.compacted.iter().any(|name| name.covers(&lost)) { Ok(()) } else { Err(error) }
    }

    fn fetch_ahead(&mut self) {
        while self.fetched.len() < AHEAD
            && let Some(ListedObject { path, size }) = self.listed.pop_front()
        {
            let content = (size <= OBJECT_PIECE).then(|| {
                let (objects, path) = (self.objects.clone(), path.clone());
                tokio::spawn(async move { objects.get(&path).await?.bytes().await })
            });
            self.fetched.push_back(FetchedObject { path, size, content });
        }
    }
}

impl SegmentWalk for BucketWalk {
    fn next_segment(&mut self) -> BoxFuture<'_, Result<Option<WalkedSegment>, ReadError>> {
        Box::pin(self.next())
    }

    fn segment_failed(&mut self, error: ReadError) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(self.find_compacted(error))
    }

    fn begin_segment(&mut self, place: FramePlace, payload: &[u8]) {
        let name = SegmentLine::parse(payload).ok().and_then(|line| SegmentName::from_stem(&line.name?));
        let segment = name.map_or(place.order, |name| name.time);
        self.begun = Position { segment, offset: place.start };
    }

    fn admit(&mut self, place: FramePlace, meta: &BatchMeta) -> bool {
        let offset = place.end.saturating_sub(self.begun.offset);
        let here = Position { segment: self.begun.segment, offset };
        // A compacted object is read as a whole, and later objects may have been written before its
        // last segment. So the position only moves forward.
        self.position = self.position.max(Some(here));
        self.after.is_none_or(|after| here > after) && is_new(&mut self.seen, meta)
    }

    fn position(&self) -> Option<Position> {
        self.position
    }
}

impl Drop for BucketWalk {
    fn drop(&mut self) {
        self.fetched.iter().filter_map(|object| object.content.as_ref()).for_each(JoinHandle::abort);
    }
}

fn is_new(seen: &mut HashMap<String, Ranges>, meta: &BatchMeta) -> bool {
    match seen.get_mut(&meta.vm) {
        Some(numbers) => numbers.insert(meta.seq),
        None => seen.entry(meta.vm.clone()).or_default().insert(meta.seq),
    }
}
