//! The names of objects in a store that collectors share. Collectors put objects into `segments/`; small ones are joined into `joined/`, which
//! is listed after `segments/`: an object that is in neither list was moved between them, and its name says where it is.

use std::time::Duration;

use object_store::path::Path as ObjectPath;

const SUFFIX: &str = ".ndjson.zst";
/// Longer than the digits of any number of microseconds.
const MAX_DIGITS: usize = 20;

/// The folder of what is joined.
pub(crate) fn joined_folder() -> ObjectPath {
    ObjectPath::from("joined")
}

/// What a collector has put there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Published {
    /// Its collector, drawn at each start: no two give an object the same name.
    pub(crate) replica: String,
    /// Its number there; counts up, with gaps where something failed.
    pub(crate) number: u64,
    /// When it was put there, in microseconds since 1970, so that the order of the names is roughly that of the segments.
    pub(crate) time: u64,
}

impl Published {
    pub(crate) fn new(now: Duration, replica: &str, number: u64) -> Published {
        Published { replica: replica.to_owned(), number, time: u64::try_from(now.as_micros()).unwrap_or(0) }
    }

    /// What its first line says of itself, so that it is known wherever it is.
    pub(crate) fn stem(&self) -> String {
        format!("{:020}-{}-{:010}", self.time, self.replica, self.number)
    }

    pub(crate) fn path(&self) -> ObjectPath {
        ObjectPath::from(format!("segments/{}{SUFFIX}", self.stem()))
    }

    pub(crate) fn of(path: &ObjectPath) -> Option<Published> {
        let (folder, name) = path.as_ref().rsplit_once('/')?;
        (folder == "segments").then_some(())?;
        Published::of_stem(name.strip_suffix(SUFFIX)?)
    }

    pub(crate) fn of_stem(stem: &str) -> Option<Published> {
        let mut parts = stem.split('-');
        let (time, replica, number) = (parts.next()?, parts.next()?, parts.next()?);
        let published =
            Published { time: digits(time)?, replica: replica.to_owned(), number: digits(number)? };
        (parts.next().is_none() && !replica.is_empty()).then_some(published)
    }
}

/// Objects of one collector, joined.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Joined {
    /// When the earliest of them was put there: clocks may be set back.
    pub(crate) first: u64,
    /// When the latest was.
    pub(crate) last: u64,
    pub(crate) replica: String,
    /// The number of the first.
    pub(crate) from: u64,
    /// The number of the last.
    pub(crate) to: u64,
}

impl Joined {
    /// Of these, which are one collector's, in the order of their numbers.
    pub(crate) fn from_run(run: &[Published]) -> Option<Joined> {
        let times = || run.iter().map(|object| object.time);
        let (from, to) = (run.first()?, run.last()?.number);
        let (first, last) = (times().min()?, times().max()?);
        Some(Joined { first, last, replica: from.replica.clone(), from: from.number, to })
    }

    pub(crate) fn path(&self) -> ObjectPath {
        let Joined { first, last, replica, from, to } = self;
        ObjectPath::from(format!("joined/{first:020}-{last:020}-{replica}-{from:010}-{to:010}{SUFFIX}"))
    }

    pub(crate) fn of(path: &ObjectPath) -> Option<Joined> {
        let (folder, name) = path.as_ref().rsplit_once('/')?;
        (folder == "joined").then_some(())?;
        let parts: Vec<_> = name.strip_suffix(SUFFIX)?.split('-').collect();
        let [first, last, replica, from, to] = parts[..] else { return None };
        let replica = replica.to_owned();
        Some(Joined {
            first: digits(first)?,
            last: digits(last)?,
            replica,
            from: digits(from)?,
            to: digits(to)?,
        })
    }

    /// Whether an object that isn't there any more is in this one.
    pub(crate) fn covers(&self, object: &Published) -> bool {
        self.replica == object.replica && (self.from..=self.to).contains(&object.number)
    }
}

/// Whether an object of a shared store holds segments.
pub(crate) fn is_segment(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

/// By what objects of a shared store are sorted: the number that the name begins with.
pub(crate) fn order(path: &ObjectPath) -> u64 {
    let name = path.filename().unwrap_or_default();
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    name[..digits].parse().unwrap_or(0)
}

fn digits(text: &str) -> Option<u64> {
    let plain = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        let of = |time, number| Published { replica: "9f86d081884c7d65".into(), number, time };
        for (time, number) in [(0, 1), (1_700_000_000_123_456, 42), (u64::MAX, u64::MAX)] {
            let published = of(time, number);
            assert_eq!(Published::of(&published.path()), Some(published.clone()));
            assert_eq!(Published::of_stem(&published.stem()), Some(published.clone()));
            assert_eq!(order(&published.path()), time);
            assert_eq!(Joined::of(&published.path()), None);
        }
        let joined = Joined::from_run(&[of(5, 7), of(6, 8), of(9, 11)]).unwrap();
        assert_eq!(Joined::of(&joined.path()), Some(joined.clone()));
        assert_eq!((order(&joined.path()), Published::of(&joined.path())), (5, None));
        for (number, covered) in [(6, false), (7, true), (9, true), (11, true), (12, false)] {
            assert_eq!(joined.covers(&of(0, number)), covered, "{number}");
        }
        assert!(!joined.covers(&Published { replica: "other".into(), ..of(0, 7) }));
        for other in
            ["segments/0000000001.ndjson.zst", "segments/readme.txt", "probe", "segments/1--2.ndjson.zst"]
        {
            assert_eq!(Published::of(&ObjectPath::from(other)), None, "{other}");
        }
    }
}
