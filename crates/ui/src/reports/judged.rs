//! The current verdicts on the requests of a report that didn't match: the filter's engine judges
//! them with the current snapshot.

use understudy_compile::matcher::Matcher;
use understudy_compile::table;
use understudy_core::exchange::Exchange;
use understudy_core::verdict::{Kind, Nearest, Reason};
use understudy_replay::report::{JudgedCall, Report};
use understudy_snapshot::Snapshot;

/// The maximum number of judged requests. Each takes the filter's time for the nearest requests.
const JUDGED: usize = 5_000;
/// The number of nearest requests that are kept for each.
const NEAREST: usize = 5;

/// The current verdicts by the number of the request in the report.
pub(crate) type Verdicts = Result<Vec<(usize, Now)>, String>;

/// The current verdict on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Now {
    /// It is answered.
    Match {
        /// The recorded exchange that answers it.
        exchange: String,
        /// The places that rules leave out.
        but: Vec<String>,
    },
    /// It misses, or is passed through.
    Miss {
        /// The reason.
        reason: &'static str,
        /// The nearest recorded requests.
        nearest: Vec<Nearest>,
    },
    /// Its backend isn't mocked any more.
    Unmocked,
    /// It can't be judged.
    Failed(String),
    /// The report doesn't hold the whole request.
    Unknown,
    /// It is after the maximum number of judged requests.
    Unjudged,
}

/// The requests that didn't match, with their numbers, as far as the report holds them.
pub(crate) fn missed(report: &Report) -> impl Iterator<Item = (usize, &JudgedCall, Option<&Exchange>)> {
    let verdicts = report.responder.iter().flat_map(|responder| &responder.verdicts).enumerate();
    let missed = verdicts.filter(|(_, asked)| asked.verdict != "match");
    missed.map(|(number, asked)| (number, asked, asked.whole.as_ref().map(|whole| &whole.0)))
}

/// Judges them all.
pub(crate) fn judge(snapshot: &Snapshot, report: &Report) -> Verdicts {
    let built = table::build(snapshot).map_err(|error| error.to_string())?;
    let mut matcher = Matcher::refusing(&built.bytes).map_err(|error| error.to_string())?;
    let mut now = Vec::new();
    for (number, _, whole) in missed(report) {
        let Some(whole) = whole.filter(|_| now.len() < JUDGED) else {
            now.push((number, if now.len() < JUDGED { Now::Unknown } else { Now::Unjudged }));
            continue;
        };
        now.push((number, one(&mut matcher, whole)));
    }
    Ok(now)
}

fn one(matcher: &mut Matcher<'_>, asked: &Exchange) -> Now {
    let record = match matcher.judge(asked) {
        Ok(record) => record,
        Err(error) => return Now::Failed(error.to_string()),
    };
    match record.and_then(|record| record.verdict) {
        None => Now::Unmocked,
        Some(verdict) if verdict.kind == Kind::Match => {
            let (exchange, but) =
                verdict.matched.map(|matched| (matched.exchange, matched.normalised)).unwrap_or_default();
            Now::Match { exchange, but }
        }
        Some(verdict) => Now::Miss {
            reason: verdict.reason.unwrap_or(Reason::NoEntry).message(),
            nearest: verdict.nearest.into_iter().take(NEAREST).collect(),
        },
    }
}
