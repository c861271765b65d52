//! The annotations of the pod that a proxy belongs to. Istio puts them into the proxy's node
//! metadata.
//!
//! An annotation opts a pod in to mocking. Unclear annotations don't: an unknown mode, or two
//! annotations that contradict each other.

/// The prefixes of the annotations: Understudy's, and the one of Speedscale's contract.
pub const GROUPS: [&str; 2] = ["replay.understudy.dev", "replay.speedscale.com"];

/// The last part of the name of the annotation that turns mocking on.
pub const MODE: &str = "mode";
/// The last part of the name of the annotation that names a snapshot.
pub const SNAPSHOT: &str = "snapshot-id";
/// The mode that mocks the backends until the annotation is removed.
pub const RESPONDER_ONLY: &str = "responder-only";

/// The other modes of the contract: replays. The filter neither starts nor ends them.
const REPLAYS: [&str; 2] = ["full-replay", "generator-only"];
/// The maximum number of characters that a message quotes of an annotation.
const QUOTED_MAX: usize = 100;

/// The annotations of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Consent of the workload to mocking.
    pub consent: Consent,
    /// The requested snapshot.
    pub snapshot: Option<String>,
}

/// Consent of a workload to mocking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// No annotation.
    #[default]
    None,
    /// The workload has opted in.
    Given,
    /// The annotations can't be used. The text has the reason and a remedy.
    Not(String),
}

impl Workload {
    /// Reads the annotations. `annotation` returns the value of an annotation by its full name.
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

/// The one annotation of the two that is present.
///
/// # Errors
/// Both are present and contradict each other.
fn one_of(both: [Option<(String, String)>; 2]) -> Result<Option<(String, String)>, String> {
    match both {
        [Some((ours, a)), Some((theirs, b))] if a != b => Err(format!(
            "the annotations {ours}: {} and {theirs}: {} contradict each other: remove one",
            quoted(&a),
            quoted(&b)
        )),
        [ours, theirs] => Ok(ours.or(theirs)),
    }
}

fn consent_of(name: &str, value: &str) -> Consent {
    if value == RESPONDER_ONLY {
        return Consent::Given;
    }
    let why = if REPLAYS.contains(&value) {
        format!(
            "{name}: {value} is for a replay, and the filter doesn't start replays: {RESPONDER_ONLY} turns mocking on"
        )
    } else {
        format!("{name}: {} is not a known mode: {RESPONDER_ONLY} turns mocking on", quoted(value))
    };
    Consent::Not(why)
}

/// A quoted annotation value, shortened, on one line.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_MAX).collect();
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
    fn only_responder_only_mode_opts_in() {
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
    fn unusable_annotations_state_reason() {
        let check = |annotations: &[(&str, &str)], expect: &str| match read(annotations).consent {
            Consent::Not(why) => assert!(why.contains(expect), "{why}"),
            other => panic!("{annotations:?}: {other:?}"),
        };
        let mode = "replay.speedscale.com/mode";
        check(&[(mode, "responder")], "replay.speedscale.com/mode: \"responder\" is not a known mode");
        check(&[(mode, "Responder-Only")], "\"Responder-Only\" is not a known mode");
        check(&[(mode, "full-replay")], "full-replay is for a replay");
        check(&[(mode, "generator-only")], "generator-only is for a replay");
        check(&[(mode, "a\nb")], r#""a\nb""#);
        check(
            &[(mode, "responder-only"), ("replay.understudy.dev/mode", "off")],
            "replay.understudy.dev/mode: \"off\" and replay.speedscale.com/mode: \"responder-only\" contradict each other",
        );
        check(
            &[
                (mode, "responder-only"),
                ("replay.understudy.dev/snapshot-id", "a"),
                ("replay.speedscale.com/snapshot-id", "b"),
            ],
            "contradict each other",
        );
        let long = "x".repeat(5000);
        let Consent::Not(why) = read(&[(mode, &long)]).consent else { panic!("no mode") };
        assert!(why.len() < 300, "{why}");
    }

    #[test]
    fn snapshot_is_read_from_either_group() {
        let snapshot = |annotations: &[(&str, &str)]| read(annotations).snapshot;
        assert_eq!(snapshot(&[]), None);
        assert_eq!(snapshot(&[("replay.speedscale.com/snapshot-id", "a")]).as_deref(), Some("a"));
        assert_eq!(snapshot(&[("replay.understudy.dev/snapshot-id", "b")]).as_deref(), Some("b"));
    }

    #[test]
    fn value_without_utf8_does_not_opt_in() {
        let workload = Workload::read(|_| Some(vec![0xff, 0xfe]));
        assert!(matches!(workload.consent, Consent::Not(_)));
    }
}
