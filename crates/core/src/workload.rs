//! What the workload that a proxy belongs to says of itself: the annotations of its pod, which Istio puts into the proxy's node metadata.
//!
//! An annotation turns mocking on, so what is unclear turns nothing on: a mode that isn't known, or two annotations that disagree.

/// The prefixes of the annotations: ours, and the one of the contract that users of Speedscale know.
pub const GROUPS: [&str; 2] = ["replay.understudy.dev", "replay.speedscale.com"];

/// The end of the name of the annotation that turns mocking on.
pub const MODE: &str = "mode";
/// The end of the name of the annotation that names a snapshot.
pub const SNAPSHOT: &str = "snapshot-id";
/// The value of the mode that answers for the backends until it is removed.
pub const RESPONDER_ONLY: &str = "responder-only";

/// The other modes of the contract: replays, which end. The filter has no part in starting or ending them.
const REPLAYS: [&str; 2] = ["full-replay", "generator-only"];
/// So much of what a person wrote is told.
const TOLD_MAX: usize = 100;

/// What a workload says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Whether it wants its backends mocked.
    pub consent: Consent,
    /// The snapshot that it asks for.
    pub snapshot: Option<String>,
}

/// Whether a workload wants its backends mocked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// It says nothing.
    #[default]
    None,
    /// It does.
    Given,
    /// It says something, which isn't this; why, and what to do.
    Not(String),
}

impl Workload {
    /// Asks for the annotations that count, by their whole names.
    pub fn read(annotation: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let both = |end: &str| {
            GROUPS.map(|group| {
                let name = format!("{group}/{end}");
                let value = annotation(&name)?;
                let value = String::from_utf8_lossy(&value).trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            })
        };
        let (mode, mut consent) = match one_of(both(MODE)) {
            Ok(mode) => (mode, Consent::None),
            Err(why) => (None, Consent::Not(why)),
        };
        if let Some((name, value)) = mode {
            consent = consent_of(&name, &value);
        }
        let snapshot = match one_of(both(SNAPSHOT)) {
            Ok(snapshot) => snapshot.map(|(_, value)| value),
            Err(why) => {
                consent = Consent::Not(why);
                None
            }
        };
        Self { consent, snapshot }
    }
}

/// The one of both that is there; an error where they disagree.
fn one_of(both: [Option<(String, String)>; 2]) -> Result<Option<(String, String)>, String> {
    match both {
        [Some((ours, a)), Some((theirs, b))] if a != b => Err(format!(
            "the annotations {ours}: {} and {theirs}: {} disagree: remove one",
            told(&a),
            told(&b)
        )),
        [ours, theirs] => Ok(ours.or(theirs)),
    }
}

fn consent_of(name: &str, value: &str) -> Consent {
    if value == RESPONDER_ONLY {
        return Consent::Given;
    }
    let why = if REPLAYS.contains(&value) {
        format!("{name}: {value} is for a replay, which isn't the filter's to start: {RESPONDER_ONLY} mocks")
    } else {
        format!("{name}: {} is no mode that is known: {RESPONDER_ONLY} mocks", told(value))
    };
    Consent::Not(why)
}

/// What a person wrote, short and on one line.
fn told(text: &str) -> String {
    let short: String = text.chars().take(TOLD_MAX).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(annotations: &[(&str, &str)]) -> Workload {
        Workload::read(|name| {
            annotations.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes().to_vec())
        })
    }

    #[test]
    fn only_the_one_mode_turns_mocking_on() {
        let given = |annotations: &[(&str, &str)]| read(annotations).consent == Consent::Given;
        assert!(given(&[("replay.speedscale.com/mode", "responder-only")]));
        assert!(given(&[("replay.understudy.dev/mode", "responder-only")]));
        assert!(given(&[("replay.speedscale.com/mode", " responder-only\n")]));
        assert!(given(&[
            ("replay.speedscale.com/mode", "responder-only"),
            ("replay.understudy.dev/mode", "responder-only")
        ]));
        assert!(!given(&[]));
        assert!(!given(&[("replay.speedscale.com/mode", "")]));
        assert!(!given(&[("mode", "responder-only")]));
        assert!(!given(&[("replay.speedscale.com/snapshot-id", "payment")]));
    }

    #[test]
    fn what_turns_nothing_on_says_why() {
        let check = |annotations: &[(&str, &str)], expect: &str| match read(annotations).consent {
            Consent::Not(why) => assert!(why.contains(expect), "{why}"),
            other => panic!("{annotations:?}: {other:?}"),
        };
        let mode = "replay.speedscale.com/mode";
        check(&[(mode, "responder")], "replay.speedscale.com/mode: \"responder\" is no mode that is known");
        check(&[(mode, "Responder-Only")], "\"Responder-Only\" is no mode that is known");
        check(&[(mode, "full-replay")], "full-replay is for a replay");
        check(&[(mode, "generator-only")], "generator-only is for a replay");
        check(&[(mode, "a\nb")], r#""a\nb""#);
        check(
            &[(mode, "responder-only"), ("replay.understudy.dev/mode", "off")],
            "replay.understudy.dev/mode: \"off\" and replay.speedscale.com/mode: \"responder-only\" disagree",
        );
        check(
            &[
                (mode, "responder-only"),
                ("replay.understudy.dev/snapshot-id", "a"),
                ("replay.speedscale.com/snapshot-id", "b"),
            ],
            "disagree",
        );
        let long = "x".repeat(5000);
        let Consent::Not(why) = read(&[(mode, &long)]).consent else { panic!("no mode") };
        assert!(why.len() < 300, "{why}");
    }

    #[test]
    fn a_snapshot_is_asked_for_by_name() {
        let snapshot = |annotations: &[(&str, &str)]| read(annotations).snapshot;
        assert_eq!(snapshot(&[]), None);
        assert_eq!(snapshot(&[("replay.speedscale.com/snapshot-id", "a")]).as_deref(), Some("a"));
        assert_eq!(snapshot(&[("replay.understudy.dev/snapshot-id", "b")]).as_deref(), Some("b"));
    }

    #[test]
    fn what_is_no_text_is_no_mode() {
        let workload = Workload::read(|_| Some(vec![0xff, 0xfe]));
        assert!(matches!(workload.consent, Consent::Not(_)));
    }
}
