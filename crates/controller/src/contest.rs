//! Another manager that changes what we have made, again and again: it's repaired ever later, instead of both writing without end.

use kube::api::DynamicObject;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// So many repairs are made at once, in a row.
const AT_ONCE: u32 = 3;
/// The longest wait before a repair.
const LONGEST: Duration = Duration::from_secs(300);
/// After this time without a change by another, all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// What was made, by the identifier of the resource that it was made for and its own name: how it was left, and how often it was repaired.
#[derive(Default)]
pub(crate) struct Contests {
    made: Mutex<HashMap<(String, String), Made>>,
}

#[derive(Default)]
struct Made {
    /// Of the object as we left it.
    uid: Option<String>,
    generation: i64,
    version: Option<String>,
    /// Of what was applied.
    wanted: u64,
    repairs: u32,
    last: Option<Instant>,
}

impl Made {
    fn wait(&self) -> Duration {
        match self.repairs.checked_sub(AT_ONCE) {
            Some(more) => Duration::from_secs(2_u64.saturating_pow(more.min(16))).min(LONGEST),
            None => Duration::ZERO,
        }
    }

    /// How long it's still to be left as it is.
    fn left(&self) -> Duration {
        let since = self.last.map_or(FORGOTTEN, |last| last.elapsed());
        if since >= FORGOTTEN { Duration::ZERO } else { self.wait().saturating_sub(since) }
    }
}

impl Contests {
    /// Whether what is there is what was made last, and that is what is wanted now: there's nothing to write.
    pub(crate) fn is_as_made(
        &self,
        uid: &str,
        name: &str,
        there: Option<&DynamicObject>,
        wanted: &Value,
    ) -> bool {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let version = there.and_then(|there| there.metadata.resource_version.as_ref());
        let known = made.get(&(uid.to_owned(), name.to_owned()));
        known.is_some_and(|known| {
            version.is_some() && known.version.as_ref() == version && known.wanted == hash(wanted)
        })
    }

    /// Whether what is there was changed since we made it, or is gone; then, how long that's to be left as it is.
    pub(crate) fn changed(&self, uid: &str, name: &str, there: Option<&DynamicObject>) -> Option<Duration> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.get(&(uid.to_owned(), name.to_owned()))?;
        let changed = there.is_none_or(|there| there.metadata.generation.unwrap_or(0) > known.generation);
        changed.then(|| known.left())
    }

    /// It's made as it is to be; `changed`: it wasn't any longer.
    pub(crate) fn made(&self, uid: &str, name: &str, wanted: &Value, applied: &DynamicObject, changed: bool) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.entry((uid.to_owned(), name.to_owned())).or_default();
        let (generation, identity) = (applied.metadata.generation.unwrap_or(0), applied.metadata.uid.clone());
        // What the watch hasn't told of yet isn't gone.
        let other = identity != known.uid || generation > known.generation;
        let repaired = changed && other && known.uid.is_some();
        (known.generation, known.uid) = (generation, identity);
        (known.version, known.wanted) = (applied.metadata.resource_version.clone(), hash(wanted));
        if repaired {
            let long_ago = known.last.is_none_or(|last| last.elapsed() >= FORGOTTEN);
            known.repairs = if long_ago { 1 } else { known.repairs.saturating_add(1) };
            known.last = Some(Instant::now());
        }
    }

    /// Who is contested, and when to look again: for a while after the last repair too, lest it's said in turns.
    pub(crate) fn contested(&self, uid: &str) -> Option<(String, Duration)> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().filter(|((owner, _), known)| owner == uid && known.repairs >= AT_ONCE).find_map(
            |((_, name), known)| {
                let calm = FORGOTTEN.saturating_sub(known.last?.elapsed());
                let next = if known.left().is_zero() { calm } else { known.left() };
                (!calm.is_zero()).then(|| (name.clone(), next))
            },
        )
    }

    /// The resource is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).retain(|(owner, _), _| owner != uid);
    }
}

fn hash(wanted: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    wanted.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_as_it_was_made_is_not_written_again() {
        let contests = Contests::default();
        let object = |version: &str| {
            let metadata = json!({"uid": "one", "generation": 1, "resourceVersion": version});
            serde_json::from_value::<DynamicObject>(json!({"metadata": metadata})).unwrap()
        };
        let (one, other) = (json!({"spec": 1}), json!({"spec": 2}));
        let is =
            |there: Option<&DynamicObject>, wanted: &Value| contests.is_as_made("u", "n/a", there, wanted);
        assert!(!is(Some(&object("7")), &one), "another process has made it, if anybody has");
        contests.made("u", "n/a", &one, &object("7"), false);
        assert!(is(Some(&object("7")), &one));
        assert!(!is(Some(&object("7")), &other), "something else is wanted");
        assert!(!is(Some(&object("8")), &one), "somebody has changed it, if only its labels");
        assert!(!is(None, &one), "it is gone");
    }

    fn object(uid: &str, generation: i64) -> DynamicObject {
        let metadata = json!({"uid": uid, "generation": generation});
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_repair_that_does_not_last_is_made_ever_later() {
        let contests = Contests::default();
        contests.made("u", "n/a", &Value::Null, &object("one", 1), false);
        assert_eq!(contests.changed("u", "n/a", Some(&object("one", 1))), None);
        let (mut generation, mut waits) = (1, Vec::new());
        for _ in 0..6 {
            generation += 1;
            let wait =
                contests.changed("u", "n/a", Some(&object("one", generation))).expect("it was changed");
            waits.push(wait.as_secs());
            tokio::time::advance(wait).await;
            generation += 1;
            contests.made("u", "n/a", &Value::Null, &object("one", generation), true);
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4]);
        assert_eq!(contests.contested("u").unwrap().0, "n/a");
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(contests.contested("u"), None);
        assert_eq!(contests.changed("u", "n/a", Some(&object("one", generation + 1))), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_deleted_each_time_is_contested_too() {
        let contests = Contests::default();
        contests.made("u", "n/a", &Value::Null, &object("one", 1), false);
        for uid in ["two", "three", "four"] {
            assert_eq!(contests.changed("u", "n/a", None), Some(Duration::ZERO));
            contests.made("u", "n/a", &Value::Null, &object(uid, 1), true);
        }
        assert!(contests.changed("u", "n/a", None).unwrap() > Duration::ZERO);
    }

    #[test]
    fn a_watch_that_is_behind_and_what_was_never_ours_are_no_contest() {
        let contests = Contests::default();
        assert_eq!(contests.changed("u", "n/a", None), None);
        assert_eq!(contests.changed("u", "n/a", Some(&object("one", 7))), None);
        for _ in 0..9 {
            contests.made("u", "n/a", &Value::Null, &object("one", 7), true);
        }
        assert_eq!(contests.contested("u"), None);
        contests.forget("u");
        assert_eq!(contests.changed("u", "n/a", Some(&object("one", 8))), None);
    }
}
