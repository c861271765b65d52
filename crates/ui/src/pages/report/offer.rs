//! A rule that would make a request match, as shown: the places that it leaves out, its other
//! effects, or the reason why there is none.

use super::Loaded;
use crate::page::PageError;
use crate::pages::rules::{ShownRule, shown};
use crate::reports::{Choice, Weighing, weigh};
use crate::routes::App;
use crate::show::{count, visible};
use std::sync::Arc;
use understudy_analyse::learn::miss::{Leave, Weighed};

/// An offered rule.
pub(super) struct Offered {
    pub(super) with: String,
    pub(super) state: State,
}

/// The state of the offer.
pub(super) enum State {
    /// The rule is being weighed.
    Waiting,
    /// The rule can't be weighed.
    Failed(String),
    Ready(Box<Ready>),
}

/// A weighed rule.
pub(super) struct Ready {
    pub(super) places: Vec<Choosable>,
    /// Differences that no rule can leave out.
    pub(super) stuck: Vec<String>,
    pub(super) rule: Option<ShownRule>,
    /// Its effects.
    pub(super) does: Vec<String>,
    /// The reason why it is refused.
    pub(super) refused: String,
    /// True if it can be saved.
    pub(super) can: bool,
}

/// A place with the ways to leave it out.
pub(super) struct Choosable {
    pub(super) place: String,
    pub(super) shown: String,
    pub(super) why: String,
    pub(super) options: Vec<(&'static str, &'static str, bool)>,
    pub(super) chosen: &'static str,
}

impl Offered {
    pub(super) async fn new(
        app: &App,
        loaded: &Loaded,
        number: usize,
        choice: &Choice,
    ) -> Result<Self, PageError> {
        let (snapshot, whole, own) = (loaded.book.snapshot()?, loaded.shared(), choice.clone());
        let work = move || match &*whole {
            Ok(report) => weigh(&snapshot, report, number, &own),
            Err(problem) => Err(problem.clone()),
        };
        let key = (loaded.book.state()?, number, choice.clone());
        let weighed = loaded.opened.weighed.get(key, app.patience, work).await;
        let state = match weighed.as_ref().map(Arc::as_ref) {
            None => State::Waiting,
            Some(Err(problem)) => State::Failed(visible(problem)),
            Some(Ok(weighing)) => State::Ready(Box::new(Ready::of(weighing, choice))),
        };
        Ok(Self { with: choice.with.clone(), state })
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// The offer as shown.
    pub(super) fn with_shown(&self) -> String {
        visible(&self.with)
    }
}

impl Ready {
    fn of(weighing: &Weighing, choice: &Choice) -> Self {
        let differs = &weighing.offer.differs;
        let places = differs.iter().filter_map(|differs| {
            let place = differs.place.as_ref()?;
            let chosen = choice.of(differs).map_or("counts", Leave::key);
            let option = |(key, text)| (key, text, key == chosen);
            Some(Choosable {
                place: place.as_str().to_owned(),
                shown: visible(place.as_str()),
                why: visible(&differs.why),
                options: OPTIONS.into_iter().map(option).collect(),
                chosen,
            })
        });
        let stuck = differs.iter().filter(|differs| differs.place.is_none());
        let (rule, does, helps) = match &weighing.rule {
            Some((rule, weighed)) => (Some(shown(rule)), does(weighed), weighed.answers > 0),
            None => (None, Vec::new(), false),
        };
        Self {
            places: places.collect(),
            stuck: stuck.map(|differs| visible(&differs.difference.key)).collect(),
            refused: weighing.refused.as_deref().map(visible).unwrap_or_default(),
            can: rule.is_some() && helps && weighing.refused.is_none(),
            rule,
            does,
        }
    }
}

/// The choices for a place.
const OPTIONS: [(&str, &str); 7] = [
    ("counts", "counts"),
    ("mask", "mask: anything may be there"),
    ("volatile", "volatile: random values and times in it"),
    ("times", "times: times in it"),
    ("dates", "dates: days, by distance from today"),
    ("ignore", "ignore: may be there or not"),
    ("jwt", "jwt: a token’s lasting claims count"),
];

fn does(weighed: &Weighed) -> Vec<String> {
    let requests =
        |number: u64| format!("{} recorded request{}", count(number), if number == 1 { "" } else { "s" });
    let mut does = vec![format!("It is about {}.", requests(weighed.about))];
    let ids = visible(&weighed.matched.iter().map(|id| format!("#{id}")).collect::<Vec<_>>().join(", "));
    does.push(match (weighed.answers, weighed.contents) {
        (0, _) => "The request would still not match: other parts differ too.".to_owned(),
        (1, _) => format!("The request would be answered with exchange {ids}."),
        (answers, 1) => format!("The request would match {}, which all have equal answers: {ids}.", requests(answers)),
        (answers, contents) => format!(
            "The request would match {}, with {contents} different answers, served in turn; requests with recorded values get the answers to these: {ids}.",
            requests(answers)
        ),
    });
    if !weighed.others.is_empty() {
        let others = weighed.others.len();
        does.push(format!("{others} more of this report’s requests that didn’t match would then match."));
    }
    does
}
