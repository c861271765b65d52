//! The status of a resource, as a function of the old status and the new state. A status without
//! news stays equal, and isn't written.

use crate::resource::{Condition, TrafficReplayStatus};
use crate::time;
use k8s_openapi::jiff::Timestamp;

/// Condition: the sidecars answer from the mocks. Unknown once the EnvoyFilters are applied, since
/// no sidecar is asked; false where they can't be applied.
pub(crate) const MOCKS_READY: &str = "MocksReady";
/// Condition: the EnvoyFilters are applied until the resource is removed, or the replay has
/// succeeded.
pub(crate) const READY: &str = "Ready";
/// Condition: the replay has ended, with either result.
pub(crate) const FINISHED: &str = "Finished";

/// State of a condition, without its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConditionState {
    pub(crate) status: ConditionStatus,
    /// Reason in one word.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Status of a condition: met, not met, or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl ConditionState {
    pub(crate) fn met(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: ConditionStatus::True, reason, message: message.into() }
    }

    pub(crate) fn unmet(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: ConditionStatus::False, reason, message: message.into() }
    }

    pub(crate) fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: ConditionStatus::Unknown, reason, message: message.into() }
    }
}

/// The status to start from. Of an earlier generation's status, only the conditions and `active`
/// stay until they are set again.
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
    /// Sets a condition. Its transition time changes only with its status.
    pub(crate) fn set(&mut self, condition_type: &str, state: &ConditionState, now: Timestamp) {
        let known = self.conditions.iter_mut().find(|known| known.type_ == condition_type);
        let same = known.as_ref().filter(|known| known.status == state.status.name());
        let condition = Condition {
            type_: condition_type.to_owned(),
            status: state.status.name().to_owned(),
            reason: state.reason.to_owned(),
            message: state.message.chars().take(1024).collect(),
            last_transition_time: same
                .map_or_else(|| time::text(now), |known| known.last_transition_time.clone()),
            observed_generation: self.observed_generation,
        };
        match known {
            Some(known) => *known = condition,
            None => self.conditions.push(condition),
        }
    }

    /// Removes a condition.
    pub(crate) fn remove(&mut self, condition_type: &str) {
        self.conditions.retain(|known| known.type_ != condition_type);
    }

    /// Conditions whose status or reason is new: each becomes an event.
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
    fn repeated_condition_changes_nothing() {
        let mut status = of_generation(&TrafficReplayStatus::default(), 1, at(0));
        status.set(READY, &ConditionState::met("Responding", "as asked"), at(1));
        let before = status.clone();
        let mut again = of_generation(&status, 1, at(5));
        again.set(READY, &ConditionState::met("Responding", "as asked"), at(6));
        assert_eq!(again, before);
        assert_eq!(again.news(&before).count(), 0);
    }

    #[test]
    fn transition_time_changes_with_the_status() {
        let mut status = of_generation(&TrafficReplayStatus::default(), 1, at(0));
        status.set(READY, &ConditionState::met("Responding", "as asked"), at(1));
        let before = status.clone();
        status.set(READY, &ConditionState::unmet("TargetNotFound", "gone"), at(7));
        assert_eq!(status.conditions[0].last_transition_time, "2026-11-21T12:00:07Z");
        status.set(READY, &ConditionState::unmet("InvalidSpec", "worse"), at(9));
        assert_eq!(status.conditions[0].last_transition_time, "2026-11-21T12:00:07Z");
        assert_eq!(status.news(&before).map(|c| &*c.reason).collect::<Vec<_>>(), ["InvalidSpec"]);
    }

    #[test]
    fn new_generation_starts_a_new_status() {
        let mut status = of_generation(&TrafficReplayStatus::default(), 1, at(0));
        status.finished_time = Some("2026-11-21T12:00:05Z".to_owned());
        status.reconcile_failures = 3;
        let next = of_generation(&status, 2, at(9));
        assert_eq!((next.finished_time, next.reconcile_failures), (None, 0));
        assert_eq!(next.started_time.as_deref(), Some("2026-11-21T12:00:09Z"));
        assert_eq!(next.observed_generation, Some(2));
    }
}
