//! The names of objects in a bucket. Collectors write objects into `segments/`. Small ones are
//! compacted into `joined/`, which is listed after `segments/`: an object in neither list was moved
//! between them, and its name tells which compacted object holds it. (The folder's name is older
//! than the word "compact" and part of the format.)

use std::time::Duration;

use object_store::{ObjectStore, path::Path as ObjectPath};

use crate::error::ReadError;
use crate::segment::CLOSED_SUFFIX;

const SEGMENTS: &str = "segments";
const COMPACTED: &str = "joined";
/// The number of digits in the largest number of microseconds.
const MAX_DIGITS: usize = 20;

/// The folder of objects as collectors wrote them.
pub(super) fn segments_folder() -> ObjectPath {
    ObjectPath::from(SEGMENTS)
}

/// The folder of compacted objects.
pub(super) fn compacted_folder() -> ObjectPath {
    ObjectPath::from(COMPACTED)
}

/// The name of an object that a collector wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentName {
    /// The collector's identifier. It is drawn at each start, so that no two collectors use one
    /// name.
    pub(super) replica: String,
    /// The number of the object within the collector. It counts up, with gaps after failures.
    pub(super) number: u64,
    /// The time of writing, in microseconds since 1970. Names sort roughly in the order of writing.
    pub(super) time: u64,
}

impl SegmentName {
    pub(super) fn new(now: Duration, replica: &str, number: u64) -> SegmentName {
        let time = u64::try_from(now.as_micros()).unwrap_or(0);
        SegmentName { replica: replica.to_owned(), number, time }
    }

    /// The name without folder and suffix. The object's first line repeats it, so that a segment is
    /// recognised inside a compacted object.
    pub(super) fn stem(&self) -> String {
        format!("{:020}-{}-{:010}", self.time, self.replica, self.number)
    }

    pub(super) fn path(&self) -> ObjectPath {
        ObjectPath::from(format!("{SEGMENTS}/{}{CLOSED_SUFFIX}", self.stem()))
    }

    pub(super) fn from_path(path: &ObjectPath) -> Option<SegmentName> {
        let (folder, name) = path.as_ref().rsplit_once('/')?;
        (folder == SEGMENTS).then_some(())?;
        SegmentName::from_stem(name.strip_suffix(CLOSED_SUFFIX)?)
    }

    pub(super) fn from_stem(stem: &str) -> Option<SegmentName> {
        let parts: Vec<_> = stem.split('-').collect();
        let [time, replica, number] = parts[..] else { return None };
        (!replica.is_empty()).then_some(())?;
        Some(SegmentName { time: digits(time)?, replica: replica.to_owned(), number: digits(number)? })
    }
}

/// The name of an object that holds several objects of one collector.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CompactedName {
    /// The time of the earliest object in it. It may not be the first's: clocks may be set back.
    pub(super) first: u64,
    /// The time of the latest object in it.
    pub(super) last: u64,
    pub(super) replica: String,
    /// The number of the first object in it.
    pub(super) from: u64,
    /// The number of the last object in it.
    pub(super) to: u64,
}

impl CompactedName {
    /// The name for objects of one collector, which are in the order of their numbers.
    pub(super) fn from_run(run: &[SegmentName]) -> Option<CompactedName> {
        let times = || run.iter().map(|object| object.time);
        Some(CompactedName {
            first: times().min()?,
            last: times().max()?,
            replica: run.first()?.replica.clone(),
            from: run.first()?.number,
            to: run.last()?.number,
        })
    }

    pub(super) fn path(&self) -> ObjectPath {
        let CompactedName { first, last, replica, from, to } = self;
        ObjectPath::from(format!(
            "{COMPACTED}/{first:020}-{last:020}-{replica}-{from:010}-{to:010}{CLOSED_SUFFIX}"
        ))
    }

    pub(super) fn from_path(path: &ObjectPath) -> Option<CompactedName> {
        let (folder, name) = path.as_ref().rsplit_once('/')?;
        (folder == COMPACTED).then_some(())?;
        let parts: Vec<_> = name.strip_suffix(CLOSED_SUFFIX)?.split('-').collect();
        let [first, last, replica, from, to] = parts[..] else { return None };
        Some(CompactedName {
            first: digits(first)?,
            last: digits(last)?,
            replica: replica.to_owned(),
            from: digits(from)?,
            to: digits(to)?,
        })
    }

    /// Returns whether an object that is no longer listed is in this one.
    pub(super) fn covers(&self, object: &SegmentName) -> bool {
        self.replica == object.replica && (self.from..=self.to).contains(&object.number)
    }
}

/// The number that an object's name begins with, by which objects are sorted.
pub(super) fn order(path: &ObjectPath) -> u64 {
    let name = path.filename().unwrap_or_default();
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    name[..digits].parse().unwrap_or(0)
}

fn digits(text: &str) -> Option<u64> {
    let plain = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// An object that holds segments.
#[derive(Clone, Debug)]
pub(super) struct ListedObject {
    pub(super) path: ObjectPath,
    pub(super) size: u64,
}

/// Lists the objects that hold segments, roughly in the order of writing.
pub(super) async fn list_all(objects: &dyn ObjectStore) -> Result<Vec<ListedObject>, ReadError> {
    // The order of the two lists matters: a compacted object is in the second folder before its
    // parts are deleted from the first.
    let mut all = list(objects, &segments_folder()).await?;
    all.extend(list(objects, &compacted_folder()).await?);
    all.sort_unstable_by(|a, b| (order(&a.path), &a.path).cmp(&(order(&b.path), &b.path)));
    Ok(all)
}

/// Lists the objects that hold segments in one folder.
pub(super) async fn list(
    objects: &dyn ObjectStore,
    folder: &ObjectPath,
) -> Result<Vec<ListedObject>, ReadError> {
    let list = objects.list_with_delimiter(Some(folder)).await;
    let list = list.map_err(|source| ReadError::Objects { segment: String::new(), source })?;
    let is_segment = |path: &ObjectPath| path.filename().is_some_and(|name| name.ends_with(CLOSED_SUFFIX));
    let segments = list.objects.into_iter().filter(|meta| is_segment(&meta.location));
    Ok(segments.map(|meta| ListedObject { path: meta.location, size: meta.size }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_written_and_parsed_are_equal() {
        let named = |time, number| SegmentName { replica: "9f86d081884c7d65".into(), number, time };
        for (time, number) in [(0, 1), (1_700_000_000_123_456, 42), (u64::MAX, u64::MAX)] {
            let name = named(time, number);
            assert_eq!(SegmentName::from_path(&name.path()), Some(name.clone()));
            assert_eq!(SegmentName::from_stem(&name.stem()), Some(name.clone()));
            assert_eq!(order(&name.path()), time);
            assert_eq!(CompactedName::from_path(&name.path()), None);
        }
        let compacted = CompactedName::from_run(&[named(5, 7), named(6, 8), named(9, 11)]).unwrap();
        assert_eq!(CompactedName::from_path(&compacted.path()), Some(compacted.clone()));
        assert_eq!((order(&compacted.path()), SegmentName::from_path(&compacted.path())), (5, None));
        for (number, covered) in [(6, false), (7, true), (9, true), (11, true), (12, false)] {
            assert_eq!(compacted.covers(&named(0, number)), covered, "{number}");
        }
        assert!(!compacted.covers(&SegmentName { replica: "other".into(), ..named(0, 7) }));
        for other in
            ["segments/0000000001.ndjson.zst", "segments/readme.txt", "probe", "segments/1--2.ndjson.zst"]
        {
            assert_eq!(SegmentName::from_path(&ObjectPath::from(other)), None, "{other}");
        }
    }
}
