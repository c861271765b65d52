//! What a resource's status says, as a function of what was there and what is now: written only when something is new.

use crate::resource::{Condition, TrafficReplayStatus};
use crate::time;
use k8s_openapi::jiff::Timestamp;

/// The mocks are in place, as far as the API server is asked.
pub(crate) const MOCKS_READY: &str = "MocksReady";
/// Mocks answer, or the replay has succeeded.
pub(crate) const READY: &str = "Ready";
/// The replay has ended, well or not.
pub(crate) const FINISHED: &str = "Finished";

/// One condition, without its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) holds: Holds,
    /// One word.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Yes,
    No,
    Unknown,
}

impl Holds {
    fn name(self) -> &'static str {
        match self {
            Self::Yes => "True",
            Self::No => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl Said {
    pub(crate) fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self { holds: Holds::Yes, reason, message: message.into() }
    }

    pub(crate) fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self { holds: Holds::No, reason, message: message.into() }
    }

    pub(crate) fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self { holds: Holds::Unknown, reason, message: message.into() }
    }
}

/// What a status begins with: that of an earlier generation says nothing of this one.
pub(crate) fn of_generation(
    old: &TrafficReplayStatus,
    generation: i64,
    now: Timestamp,
) -> TrafficReplayStatus {
    if old.observed_generation == Some(generation) && old.started_time.is_some() {
        return old.clone();
    }
    TrafficReplayStatus {
        conditions: old.conditions.clone(),
        started_time: Some(time::text(now)),
        observed_generation: Some(generation),
        active: old.active,
        ..TrafficReplayStatus::default()
    }
}

impl TrafficReplayStatus {
    /// Sets a condition. Its time is that of the last change of whether it holds.
    pub(crate) fn say(&mut self, what: &str, said: &Said, now: Timestamp) {
        let known = self.conditions.iter_mut().find(|known| known.type_ == what);
        let same = known.as_ref().filter(|known| known.status == said.holds.name());
        let condition = Condition {
            type_: what.to_owned(),
            status: said.holds.name().to_owned(),
            reason: said.reason.to_owned(),
            message: said.message.chars().take(1024).collect(),
            last_transition_time: same
                .map_or_else(|| time::text(now), |known| known.last_transition_time.clone()),
            observed_generation: self.observed_generation,
        };
        match known {
            Some(known) => *known = condition,
            None => self.conditions.push(condition),
        }
    }

    /// A condition that is no longer about anything.
    pub(crate) fn forget(&mut self, what: &str) {
        self.conditions.retain(|known| known.type_ != what);
    }

    /// The conditions that are new, or say something else than before: what events tell.
    pub(crate) fn news<'a>(&'a self, old: &'a Self) -> impl Iterator<Item = &'a Condition> {
        self.conditions.iter().filter(move |new| {
            let same = |known: &&Condition| {
                known.type_ == new.type_ && known.status == new.status && known.reason == new.reason
            };
            !old.conditions.iter().any(|known| same(&known))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u8) -> Timestamp {
        format!("2026-11-21T12:00:{second:02}Z").parse().unwrap()
    }

    #[test]
    fn what_is_said_again_changes_nothing() {
        let mut status = of_generation(&TrafficReplayStatus::default(), 1, at(0));
        status.say(READY, &Said::yes("Responding", "as asked"), at(1));
        let before = status.clone();
        let mut again = of_generation(&status, 1, at(5));
        again.say(READY, &Said::yes("Responding", "as asked"), at(6));
        assert_eq!(again, before);
        assert_eq!(again.news(&before).count(), 0);
    }

    #[test]
    fn a_change_has_its_time() {
        let mut status = of_generation(&TrafficReplayStatus::default(), 1, at(0));
        status.say(READY, &Said::yes("Responding", "as asked"), at(1));
        let before = status.clone();
        status.say(READY, &Said::no("TargetNotFound", "gone"), at(7));
        assert_eq!(status.conditions[0].last_transition_time, "2026-11-21T12:00:07Z");
        status.say(READY, &Said::no("InvalidSpec", "worse"), at(9));
        assert_eq!(status.conditions[0].last_transition_time, "2026-11-21T12:00:07Z");
        assert_eq!(status.news(&before).map(|c| &*c.reason).collect::<Vec<_>>(), ["InvalidSpec"]);
    }

    #[test]
    fn a_new_generation_begins_anew() {
        let mut status = of_generation(&TrafficReplayStatus::default(), 1, at(0));
        status.finished_time = Some("2026-11-21T12:00:05Z".to_owned());
        status.reconcile_failures = 3;
        let next = of_generation(&status, 2, at(9));
        assert_eq!((next.finished_time, next.reconcile_failures), (None, 0));
        assert_eq!(next.started_time.as_deref(), Some("2026-11-21T12:00:09Z"));
        assert_eq!(next.observed_generation, Some(2));
    }
}
