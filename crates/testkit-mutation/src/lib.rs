//! Mutation tests of matching. Each field of each recorded request is changed, one at a time. A
//! change of a compared field must give a miss, or the recorded answer to the changed request; a
//! change of an excluded field must give the same answer.
//!
//! The expected outcome comes from two sources: `reference` reads requests without the code under
//! test, and each change states its effect. The engine that the filter runs has to agree with both.

mod answer;
mod change;
mod engine;
mod graphql;
mod json;
mod multipart;
mod pairs;
mod protobuf;
mod reference;
mod request;
mod said;
mod tree;
mod xml;

use change::Meaning;
use engine::Engine;
use reference::{Leaf, Reading};
use request::Case;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use understudy_core::config::Mode;
use understudy_core::exchange::Exchange;
use understudy_core::rules::Rule;
use understudy_snapshot::Snapshot;
use understudy_snapshot::answerable::unanswerable;

/// Outcome of the changes.
#[derive(Clone, Debug, Default)]
pub struct Mutations {
    /// Number of significant changes that missed.
    pub missed: usize,
    /// Number of significant changes that were answered from another recorded exchange.
    pub named_another: usize,
    /// Number of insignificant changes that got the same answer.
    pub matched: usize,
    /// Failures, a line each.
    pub exceptions: Vec<String>,
}

impl Mutations {
    fn and(mut self, other: Self) -> Self {
        self.missed += other.missed;
        self.named_another += other.named_another;
        self.matched += other.matched;
        self.exceptions.extend(other.exceptions);
        self
    }
}

impl std::fmt::Display for Mutations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { missed, named_another, matched, .. } = self;
        write!(
            f,
            "mutations: {missed} meaningful missed, {named_another} named another answer, {matched} volatile matched"
        )
    }
}

/// Applies all changes to the requests of a snapshot.
pub fn mutations(folder: &Path) -> Mutations {
    let snapshot = Snapshot::open(folder).expect("a snapshot");
    let table = understudy_compile::table::build(&snapshot).expect("a table").bytes;
    let header = snapshot.header();
    let all = snapshot.exchanges().expect("exchanges").map(|located| located.expect("an exchange").exchange);
    let recorded: Vec<Exchange> = all
        .filter(|exchange| {
            header.backend(&exchange.backend).mode == Mode::Mock && unanswerable(exchange).is_none()
        })
        .collect();
    let suite = Suite::new(&recorded, &header.rules);
    let mut seen = HashSet::new();
    let all = recorded.iter().filter(|exchange| {
        let request = &exchange.request;
        seen.insert((&exchange.backend, &request.method, &request.path, &request.body.bytes))
    });
    suite.each(&all.collect::<Vec<_>>(), &table)
}

struct Suite<'a> {
    rules: &'a [Rule],
    by_id: HashMap<&'a str, (&'a Exchange, Reading<'a>)>,
    requests: HashSet<Vec<Leaf>>,
}

impl<'a> Suite<'a> {
    fn new(recorded: &'a [Exchange], rules: &'a [Rule]) -> Self {
        let read =
            |exchange: &'a Exchange| (exchange.id.as_str(), (exchange, reference::read(exchange, rules)));
        let by_id: HashMap<_, _> = recorded.iter().map(read).collect();
        let requests = by_id.values().map(|(_, reading)| reading.leaves.clone()).collect();
        Self { rules, by_id, requests }
    }

    /// Runs the changes of all exchanges on all cores.
    fn each(&self, exchanges: &[&Exchange], table: &[u8]) -> Mutations {
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut engine, mut outcome) = (Engine::new(table), Mutations::default());
            while let Some(exchange) = exchanges.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.exchange(exchange, &mut engine, &mut outcome);
            }
            outcome
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .fold(Mutations::default(), |all, worker| all.and(worker.join().expect("a worker")))
        })
    }

    fn exchange(&self, exchange: &Exchange, engine: &mut Engine<'_>, outcome: &mut Mutations) {
        let (_, original) = &self.by_id[exchange.id.as_str()];
        let baseline = engine.ask(exchange).map(|(id, _)| id);
        for case in request::cases(exchange, original) {
            if let Err(problem) = self.case(&case, original, baseline.as_deref(), engine, outcome) {
                let request = &exchange.request;
                let (method, path) =
                    (String::from_utf8_lossy(&request.method), String::from_utf8_lossy(&request.path));
                let id = &exchange.id;
                outcome
                    .exceptions
                    .push(format!("{id} {method} {}{path}: {}: {problem}", exchange.backend, case.what));
            }
        }
    }

    /// Returns whether two requests only differ by their callers, and no answer issued the secret
    /// of the recorded one: then a new secret may stand for it.
    fn is_of_own_caller(&self, recorded: &Reading<'_>, live: &Reading<'_>) -> bool {
        let issued = |value: &[u8]| {
            let secret = value.rsplit(|&b| b == b' ').next().unwrap_or_default();
            let mut answers = self.by_id.values().filter_map(|(exchange, _)| exchange.response.as_ref());
            answers.any(|answer| answer.body.bytes.windows(secret.len().max(1)).any(|part| part == secret))
        };
        recorded.leaves.len() == live.leaves.len()
            && recorded.leaves.iter().zip(&live.leaves).all(|(old, new)| {
                let is_caller = old.0.starts_with("header.") && old.1 == 'r' && old.0 == new.0;
                old == new || is_caller && !issued(&old.2)
            })
    }

    fn case(
        &self,
        case: &Case,
        original: &Reading<'_>,
        baseline: Option<&str>,
        engine: &mut Engine<'_>,
        outcome: &mut Mutations,
    ) -> Result<(), String> {
        let reading = reference::read(&case.exchange, self.rules);
        let same = reading.leaves == original.leaves;
        match case.meaning {
            Meaning::Counts if same => {
                return Err("it counts, and the reference sees no difference".to_owned());
            }
            Meaning::Volatile if !same => {
                return Err(format!(
                    "it doesn't count, and the reference sees {}",
                    difference(original, &reading)
                ));
            }
            _ => {}
        }
        let recorded = self.requests.contains(&reading.leaves);
        let Some((id, reply)) = engine.ask(&case.exchange) else {
            outcome.missed += 1;
            return if recorded { Err("missed, and it was recorded".to_owned()) } else { Ok(()) };
        };
        let (matched, of_matched) = &self.by_id[id.as_str()];
        if of_matched.leaves != reading.leaves && !self.is_of_own_caller(of_matched, &reading) {
            return Err(format!("answered from {id}, which differs: {}", difference(of_matched, &reading)));
        }
        if same && reading.taken == original.taken && Some(id.as_str()) != baseline {
            return Err(format!("answered from {id}, and as it is from {baseline:?}"));
        }
        answer::check(matched, of_matched, &case.exchange, &reading, &reply)
            .map_err(|wrong| format!("from {id}: {wrong}"))?;
        *(if same { &mut outcome.matched } else { &mut outcome.named_another }) += 1;
        Ok(())
    }
}

/// Describes the first difference.
fn difference(recorded: &Reading<'_>, live: &Reading<'_>) -> String {
    let show = |leaf: Option<&Leaf>| match leaf {
        Some((place, kind, text)) => format!("{place} {kind} {:?}", String::from_utf8_lossy(text)),
        None => "nothing".to_owned(),
    };
    let (mut a, mut b) = (recorded.leaves.iter(), live.leaves.iter());
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return "nothing".to_owned(),
            (a, b) => return format!("{} recorded, {} live", show(a), show(b)),
        }
    }
}
