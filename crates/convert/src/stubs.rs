//! From stubs to exchanges: which of several stubs for one request answers, and in which order. For formats that have stubs and states
//! instead of a recording's times.

use crate::error::ConvertError;
use crate::import::Import;
use crate::sequences;
use crate::states::{Order, State};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use understudy_core::digest::Digest;
use understudy_core::exchange::Exchange;
use understudy_core::rules::{HeaderName, PathPattern, Place, Rule};
use understudy_core::table::Sequence;
use understudy_snapshot::answerable::unanswerable;

/// A stub for one exact request.
pub(super) struct Stub {
    /// What it is called in messages.
    pub(super) item: String,
    /// Request and response; the time is set later.
    pub(super) exchange: Exchange,
    /// Of several for one request the smallest answers, then the last.
    pub(super) priority: i64,
    /// When it answers.
    pub(super) state: Option<State>,
    /// The headers that it asks for, or asks to be absent, in lower case. It accepts any others.
    pub(super) headers: BTreeSet<String>,
}

/// Why a stub has no place in a snapshot, or what is wrong with it.
pub(super) enum Refusal {
    LeftOut(String),
    Bad(ConvertError),
}

impl From<ConvertError> for Refusal {
    fn from(error: ConvertError) -> Self {
        Self::Bad(error)
    }
}

pub(super) fn left_out<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::LeftOut(why.into()))
}

/// Adds a stub that was read, with notes on what changed in it; or notes why it is left out.
pub(super) fn add(
    item: String,
    stub: Result<Stub, Refusal>,
    changed: Vec<String>,
    found: &mut Vec<Stub>,
    import: &mut Import<'_>,
) -> Result<(), ConvertError> {
    match stub {
        Ok(stub) => {
            changed.into_iter().for_each(|reason| import.notes.changed(item.as_str(), reason));
            found.push(Stub { item, ..stub });
        }
        Err(Refusal::LeftOut(why)) => import.notes.left_out(item, why),
        Err(Refusal::Bad(error)) => return Err(error),
    }
    Ok(())
}

/// Hands over what the stubs answer. `start` says in which state a scenario begins, where its format does.
pub(super) fn put(
    stubs: Vec<Stub>,
    start: fn(&str) -> Option<&str>,
    import: &mut Import<'_>,
) -> Result<(), ConvertError> {
    let orders = orders(&stubs, start);
    let reached = |stub: &Stub| {
        stub.state
            .as_ref()
            .is_none_or(|state| orders[&state.scenario].place(state.required.as_deref()).is_some())
    };
    let mut requests: HashMap<Digest, Vec<usize>> = HashMap::new();
    for (at, stub) in stubs.iter().enumerate() {
        if let Some(why) = unanswerable(&stub.exchange) {
            import.notes.left_out(stub.item.as_str(), why.to_string());
        } else if !reached(stub) {
            import
                .notes
                .left_out(stub.item.as_str(), "its scenario never comes into the state that it requires");
        } else {
            requests.entry(sequences::digest(&stub.exchange)).or_default().push(at);
        }
    }
    let mut requests: Vec<_> = requests.into_values().collect();
    requests.sort_unstable();
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut ends: BTreeMap<&str, Vec<Sequence>> = BTreeMap::new();
    for of_one in &requests {
        let answers = answers(&stubs, of_one, &orders, import);
        if answers.len() > 1 {
            let first = &stubs[answers[0]];
            ends.entry(&first.exchange.backend).or_default().push(sequence(&stubs, &answers, start, import));
        } else if stubs[answers[0]].state.as_ref().is_some_and(|state| state.required.is_some()) {
            let reason = "it answers in one state of its scenario there, and always here";
            import.notes.changed(stubs[answers[0]].item.as_str(), reason);
        }
        // The answers take the places that they have in the file, in the order in which they come.
        let mut sorted = answers.clone();
        sorted.sort_unstable();
        places.extend(sorted.into_iter().zip(answers));
    }
    set_ends(ends, import);
    places.sort_unstable();
    for (number, (_, at)) in (1..).zip(places) {
        let time = import.options.now + number * 1000;
        add_rules(&stubs[at], &mut import.done.rules);
        import.put_answerable(&stubs[at].item, Exchange { time, ..stubs[at].exchange.clone() })?;
    }
    Ok(())
}

/// Adds the rules for the headers of a stub: those that it names count, and no others do.
fn add_rules(stub: &Stub, rules: &mut Vec<Rule>) {
    let Exchange { backend, request, .. } = &stub.exchange;
    if !rules.iter().any(|rule| rule.backend.as_ref() == Some(backend)) {
        rules.push(Rule {
            backend: Some(backend.clone()),
            ignore: Place::parse("header.*").into_iter().collect(),
            why: Some("header.*: a stub accepts headers that it doesn't name".to_owned()),
            ..Rule::default()
        });
    }
    let names: Vec<HeaderName> =
        stub.headers.iter().filter_map(|name| HeaderName::try_from(name.clone()).ok()).collect();
    if names.is_empty() {
        return;
    }
    let method = Some(String::from_utf8_lossy(&request.method).into_owned());
    let path = sequences::path(&stub.exchange).replace('*', "%2A");
    let path = PathPattern::try_from(path).ok();
    let is_same = |rule: &Rule| {
        rule.backend.as_ref() == Some(backend) && rule.method == method && rule.path == path && path.is_some()
    };
    match rules.iter_mut().find(|rule| is_same(rule)) {
        Some(rule) => {
            rule.require.extend(names);
            rule.require.sort();
            rule.require.dedup();
        }
        None => rules.push(Rule {
            backend: Some(backend.clone()),
            method,
            path,
            require: names,
            ..Rule::default()
        }),
    }
}

fn orders(stubs: &[Stub], start: fn(&str) -> Option<&str>) -> HashMap<String, Order> {
    let mut scenarios: HashMap<&str, Vec<&State>> = HashMap::new();
    for state in stubs.iter().filter_map(|stub| stub.state.as_ref()) {
        scenarios.entry(&state.scenario).or_default().push(state);
    }
    scenarios.into_iter().map(|(name, states)| (name.to_owned(), Order::of(&states, start(name)))).collect()
}

/// Those of the stubs for one request that answer, in the order in which they do. Never none of some.
fn answers(
    stubs: &[Stub],
    of_one: &[usize],
    orders: &HashMap<String, Order>,
    import: &mut Import<'_>,
) -> Vec<usize> {
    let scenario =
        of_one.iter().find_map(|&at| stubs[at].state.as_ref()).map(|state| state.scenario.as_str());
    let mut by_place: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &at in of_one {
        let stub = &stubs[at];
        let place = match (&stub.state, scenario) {
            (None, None) => Some(0),
            (Some(state), Some(scenario)) if state.scenario == scenario => {
                orders[scenario].place(state.required.as_deref())
            }
            (None, Some(_)) => None,
            (Some(_), _) => None,
        };
        match place {
            Some(place) => by_place.entry(place).or_default().push(at),
            None => import.notes.left_out(
                stub.item.as_str(),
                "stubs of a scenario answer the same request; what answers outside of it can't be carried over",
            ),
        }
    }
    let mut chosen = Vec::new();
    for rivals in by_place.into_values() {
        // The smallest number; of equals the last.
        let Some(&best) = rivals.iter().rev().min_by_key(|&&at| stubs[at].priority) else { continue };
        for &at in rivals.iter().filter(|&&at| at != best) {
            let reason = format!("{} answers the same request", stubs[best].item);
            import.notes.left_out(stubs[at].item.as_str(), reason);
        }
        chosen.push(best);
    }
    chosen
}

/// How a sequence of answers ends. Says so where it isn't the request alone that moves it on.
fn sequence(
    stubs: &[Stub],
    answers: &[usize],
    start: fn(&str) -> Option<&str>,
    import: &mut Import<'_>,
) -> Sequence {
    let states: Vec<_> = answers.iter().filter_map(|&at| stubs[at].state.as_ref()).collect();
    let (Some(first), Some(last)) = (states.first(), states.last()) else { return Sequence::Cycle };
    let leads = states.windows(2).all(|pair| pair[0].next.is_some() && pair[0].next == pair[1].required);
    let begins = start(&first.scenario).is_none_or(|start| first.required.as_deref() == Some(start));
    let others = stubs.iter().enumerate().filter(|(at, _)| !answers.contains(at));
    let alone = others.filter_map(|(_, stub)| stub.state.as_ref()).all(|state| {
        state.scenario != first.scenario || state.next.is_none() || state.next == state.required
    });
    if !(leads && begins && alone) {
        let item = stubs[answers[0]].item.as_str();
        import.notes.changed(
            item,
            "other requests move its scenario on there; here its answers come one after the other",
        );
    }
    match &last.next {
        None => Sequence::StickLast,
        next if *next == first.required => Sequence::Cycle,
        next if *next == last.required => Sequence::StickLast,
        Some(_) => Sequence::Fail,
    }
}

/// What comes after the last answer is said of a backend, not of a request.
fn set_ends(ends: BTreeMap<&str, Vec<Sequence>>, import: &mut Import<'_>) {
    for (backend, ends) in ends {
        let Some(&first) = ends.first() else { continue };
        if ends.iter().any(|end| *end != first) {
            let reason = "its sequences of answers end in different ways there; here each begins again";
            import.notes.changed(backend, reason);
        } else if first != Sequence::Cycle {
            import.done.sequences.insert(backend.to_owned(), first);
        }
    }
}
