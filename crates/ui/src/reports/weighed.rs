//! A rule for a request that missed, as the user chooses it, and its effects.

use super::judged::missed;
use crate::form::Form;
use understudy_analyse::learn::miss::{self, Differs, Leave, Offer, Weighed};
use understudy_core::exchange::Exchange;
use understudy_core::rules::Rule;
use understudy_replay::report::Report;
use understudy_snapshot::{Snapshot, unsaid};

/// The user's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The recorded exchange that the request should match.
    pub(crate) with: String,
    /// The chosen treatment of places, by name: a rule's key, or `counts`. Other places follow the
    /// proposal.
    pub(crate) places: Vec<(String, String)>,
}

impl Choice {
    /// Reads a form: `with`, and for each place the fields `place` and `leave`.
    pub(crate) fn read(form: &Form) -> Self {
        let places = form.all("place").zip(form.all("leave"));
        let places = places.map(|(place, leave)| (place.to_owned(), leave.to_owned())).collect();
        Self { with: form.get("with").to_owned(), places }
    }

    /// The key under which a place is left out; `None` if it counts.
    pub(crate) fn of(&self, differs: &Differs) -> Option<Leave> {
        let place = differs.place.as_ref()?;
        match self.places.iter().find(|(name, _)| name == place.as_str()) {
            Some((_, leave)) => Leave::of(leave),
            None => differs.proposed,
        }
    }
}

/// The rule and its effects.
#[derive(Clone, Debug)]
pub(crate) struct Weighing {
    pub(crate) offer: Offer,
    /// The rule without the parts that rules state already; `None` if nothing is left.
    pub(crate) rule: Option<(Rule, Weighed)>,
    /// The reason why the rule is refused, if it is.
    pub(crate) refused: Option<String>,
}

/// Weighs the choice for a request of a report.
pub(crate) fn weigh(
    snapshot: &Snapshot,
    report: &Report,
    number: usize,
    choice: &Choice,
) -> Result<Weighing, String> {
    let failed = |error: understudy_snapshot::SnapshotError| error.to_string();
    let gone = || {
        "the report doesn't contain the complete request: replay again, and open the new report".to_owned()
    };
    let asked =
        missed(report).find(|(at, ..)| *at == number).and_then(|(.., whole)| whole).ok_or_else(gone)?;
    let none = || {
        format!(
            "exchange {:?} isn't in the snapshot any more, or isn't served as an answer: load the page again",
            choice.with
        )
    };
    let recorded = miss::find(snapshot, &choice.with).map_err(failed)?.ok_or_else(none)?;
    let rules = &snapshot.header().rules;
    let offer = miss::offer(&recorded, asked, rules);
    let Some(rule) = offer.rule(&origin(report), |differs| choice.of(differs)) else {
        return Ok(Weighing { offer, rule: None, refused: None });
    };
    let Some(unsaid) = unsaid(rules, &rule).filter(|unsaid| unsaid.places().count() == rule.places().count())
    else {
        let refused =
            "a rule in force names this place already: change that rule in snapshot.yaml, or undo it first";
        return Ok(Weighing { offer, rule: None, refused: Some(refused.to_owned()) });
    };
    let others: Vec<&Exchange> =
        missed(report).filter(|(at, ..)| *at != number).filter_map(|(.., whole)| whole).collect();
    let weighed = miss::weigh(snapshot, &unsaid, asked, &others).map_err(failed)?;
    let refused = weighed.refused(&unsaid);
    Ok(Weighing { offer, rule: Some((unsaid, weighed)), refused })
}

/// The origin of a rule, for its evidence.
fn origin(report: &Report) -> String {
    // A full stop would end the evidence.
    let plain =
        |text: &str| text.chars().filter(|c| !c.is_control()).take(60).collect::<String>().replace(". ", ".");
    let started = report.started.split('.').next().unwrap_or_default().trim_end_matches('Z');
    match &report.build_tag {
        Some(tag) => format!("the replay of {}Z (build {})", plain(started), plain(tag)),
        None => format!("the replay of {}Z", plain(started)),
    }
}
