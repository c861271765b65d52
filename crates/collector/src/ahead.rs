//! What an object store that collectors share holds, in order, of which there may be very many small objects: the next few are on their way
//! while one is read. Holds no more than those. Where one is gone because it was joined with others, it goes on with what has them.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as ObjectPath};
use tokio::task::JoinHandle;

use crate::error::ReadError;
use crate::names::{self, Joined, Published, joined_folder};
use crate::read::Start;
use crate::source::{FrameReader, OBJECT_PIECE, Source, list_folder, list_shared};

/// So many small objects are asked for before it is their turn.
const AHEAD: usize = 16;

pub(crate) struct Ahead {
    store: Arc<dyn ObjectStore>,
    objects: VecDeque<(ObjectPath, u64)>,
    coming: VecDeque<Coming>,
    /// Of these, and of those that were read, what is joined.
    joined: HashSet<Joined>,
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
        match start {
            Start::Beginning => {}
            Start::Newest(count) => {
                let left = objects.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
                objects.drain(..left);
            }
            Start::After(position) => objects.retain(|(path, _)| {
                let last = Joined::of(path).map_or_else(|| names::order(path), |joined| joined.last);
                last >= position.segment
            }),
        }
        let joined = objects.iter().filter_map(|(path, _)| Joined::of(path)).collect();
        Ok(Ahead { store, objects, coming: VecDeque::new(), joined })
    }

    /// The next object, with what its name says of the order; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(u64, FrameReader)>, ReadError> {
        loop {
            self.ask();
            let Some(Coming { path, size, whole }) = self.coming.pop_front() else { return Ok(None) };
            let (name, order) = (path.to_string(), names::order(&path));
            let source = match whole {
                Some(task) => {
                    let failed = |source| ReadError::Objects { segment: name.clone(), source };
                    match task.await.map_err(|source| failed(source.into()))? {
                        Ok(bytes) => Source::whole(self.store.clone(), path, bytes)?,
                        Err(source) => {
                            self.go_on_without(failed(source)).await?;
                            continue;
                        }
                    }
                }
                None => Source::object(self.store.clone(), path, size)?,
            };
            return Ok(Some((order, FrameReader::new(name, source, u64::MAX, false))));
        }
    }

    /// Finds what has the segments of an object that is gone, to be read next. Batches that came by already come again.
    ///
    /// # Errors
    /// `error`, where it says something else or nothing has them.
    pub(crate) async fn go_on_without(&mut self, error: ReadError) -> Result<(), ReadError> {
        let ReadError::Objects { segment, source: object_store::Error::NotFound { .. } } = &error else {
            return Err(error);
        };
        let Some(lost) = Published::of(&ObjectPath::from(segment.as_str())) else { return Err(error) };
        if self.joined.iter().any(|joined| joined.covers(&lost)) {
            return Ok(());
        }
        for (path, size) in list_folder(&*self.store, &joined_folder()).await? {
            if let Some(joined) = Joined::of(&path)
                && joined.covers(&lost)
                && self.joined.insert(joined)
            {
                self.objects.push_front((path, size));
            }
        }
        if self.joined.iter().any(|joined| joined.covers(&lost)) { Ok(()) } else { Err(error) }
    }

    fn ask(&mut self) {
        while self.coming.len() < AHEAD
            && let Some((path, size)) = self.objects.pop_front()
        {
            let whole = (size <= OBJECT_PIECE).then(|| {
                let (store, path) = (self.store.clone(), path.clone());
                tokio::spawn(async move { store.get(&path).await?.bytes().await })
            });
            self.coming.push_back(Coming { path, size, whole });
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.coming.iter().filter_map(|coming| coming.whole.as_ref()).for_each(JoinHandle::abort);
    }
}
