//! The segments of an object store that collectors share, in order, of which there may be very many small ones: the next few are on their way
//! while one is read. Holds no more than those.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as ObjectPath};
use tokio::task::JoinHandle;

use crate::error::ReadError;
use crate::read::{Position, Start};
use crate::segment::segment_order;
use crate::source::{FrameReader, OBJECT_PIECE, Source, list_shared};

/// So many small objects are asked for before it is their turn.
const AHEAD: usize = 16;

pub(crate) struct Ahead {
    store: Arc<dyn ObjectStore>,
    objects: VecDeque<(ObjectPath, u64)>,
    coming: VecDeque<Coming>,
    after: Option<Position>,
}

struct Coming {
    path: ObjectPath,
    size: u64,
    /// A long one is read piece by piece when it is its turn.
    whole: Option<JoinHandle<object_store::Result<Bytes>>>,
}

impl Ahead {
    /// What is in the store now, from there on.
    pub(crate) async fn new(store: Arc<dyn ObjectStore>, start: Start) -> Result<Ahead, ReadError> {
        let mut objects: VecDeque<_> = list_shared(&*store).await?.into();
        let mut after = None;
        match start {
            Start::Beginning => {}
            Start::Newest(count) => {
                let left = objects.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
                objects.drain(..left);
            }
            Start::After(position) => {
                objects.retain(|(path, _)| segment_order(path) >= position.segment);
                after = Some(position);
            }
        }
        Ok(Ahead { store, objects, coming: VecDeque::new(), after })
    }

    /// The next segment, with what its name says of the order; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(u64, FrameReader)>, ReadError> {
        while self.coming.len() < AHEAD
            && let Some((path, size)) = self.objects.pop_front()
        {
            let whole = (size <= OBJECT_PIECE).then(|| {
                let (store, path) = (self.store.clone(), path.clone());
                tokio::spawn(async move { store.get(&path).await?.bytes().await })
            });
            self.coming.push_back(Coming { path, size, whole });
        }
        let Some(Coming { path, size, whole }) = self.coming.pop_front() else { return Ok(None) };
        let (name, order) = (path.to_string(), segment_order(&path));
        let source = match whole {
            Some(task) => {
                let failed = |source| ReadError::Objects { segment: name.clone(), source };
                let read = task.await.map_err(|source| failed(source.into()))?;
                Source::whole(self.store.clone(), path, read.map_err(failed)?)?
            }
            None => Source::object(self.store.clone(), path, size)?,
        };
        let reader = FrameReader::new(name, source, u64::MAX, false);
        let offset = self.after.filter(|after| after.segment == order).map_or(0, |after| after.offset);
        Ok(Some((order, reader.behind(offset).await?)))
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.coming.iter().filter_map(|coming| coming.whole.as_ref()).for_each(JoinHandle::abort);
    }
}
