//! From what has been seen to rules, each with its evidence.

use super::endpoint::Endpoint;
use super::known;
use super::pairs::Compared;
use super::seen::{Seen, Values};
use hashbrown::HashSet;
use std::collections::BTreeMap;
use understudy_core::rules::{HeaderName, Place, Rule};

/// A proposal about one place.
pub(super) struct Single {
    endpoint: Endpoint,
    says: Says,
    place: String,
    why: String,
    exchanges: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Mask,
    Volatile,
    Times,
    Dates,
    Ignore,
    Jwt,
    Maps,
    Require,
}

/// What the places speak for, each by itself.
pub(super) fn proposals(
    seen: &Seen,
    compared: Option<&BTreeMap<(Endpoint, String), Compared>>,
) -> Vec<Single> {
    let mut singles: Vec<Single> = Vec::new();
    for ((endpoint, place), values) in &seen.places {
        let key = (endpoint.clone(), place.clone());
        let compared = compared.and_then(|compared| compared.get(&key).copied());
        let Some((says, place, why)) = judge(seen, endpoint, place, values, compared) else { continue };
        let known = singles.iter().rev().take_while(|single| single.endpoint == *endpoint);
        if known.into_iter().all(|single| single.place != place) {
            let exchanges = values.exchanges;
            singles.push(Single { endpoint: endpoint.clone(), says, place, why, exchanges });
        }
    }
    singles.extend(by_accept(seen));
    singles.extend(maps(seen));
    singles
}

fn judge(
    seen: &Seen,
    endpoint: &Endpoint,
    place: &str,
    values: &Values,
    compared: Option<Compared>,
) -> Option<(Says, String, String)> {
    let here = || place.to_owned();
    if let Some(number) = place.strip_prefix("path.") {
        let number: usize = number.parse().ok()?;
        endpoint.path.split('/').nth(number).filter(|segment| *segment == "*")?;
    }
    if let Some(header) = known::ws_security(place) {
        return Some((Says::Ignore, header, known::WS_SECURITY.to_owned()));
    }
    if seen.json_rpc.contains(endpoint) && matches!(place, "body/id" | "body/*/id") {
        return Some((Says::Mask, here(), known::JSON_RPC_ID.to_owned()));
    }
    if seen.json_rpc.contains(endpoint) && place == "body/params/_meta/progressToken" {
        return Some((Says::Mask, here(), known::MCP_TOKEN.to_owned()));
    }
    let issued = values.whole.iter().any(|value| seen.issued.is(*value));
    let known = known::field_at(place).filter(|_| !issued);
    if values.jwts == values.exchanges && !issued {
        let why = known
            .map_or("a JSON Web Token that no answer issued: its times and signature don't count", |k| k.why);
        return Some((Says::Jwt, here(), why.to_owned()));
    }
    if let Some(known) = known {
        return Some((Says::Mask, here(), known.why.to_owned()));
    }
    // The same in a second recording: it doesn't change by itself.
    let constant = compared.is_some_and(|compared| compared.same > 0 && compared.different == 0);
    if values.nanos == values.exchanges && !constant {
        // Where there are none, the field isn't sent.
        let why = format!(
            "nanoseconds of the time of the request in {} of {} exchanges",
            values.nanos, values.exchanges
        );
        return Some((Says::Ignore, here(), why));
    }
    if let Some((says, why)) = by_tokens(seen, values) {
        return (!constant).then(|| (says, here(), why));
    }
    if values.days == values.exchanges && seen.has_today(endpoint) {
        let why = match values.today == values.days {
            true => "the day of the request",
            false => "a day beside the day of the request, by its distance from that",
        };
        return Some((
            Says::Dates,
            here(),
            format!("{why} in {} of {} exchanges", values.days, values.exchanges),
        ));
    }
    let Compared { same, different } = compared?;
    (different > 0).then(|| {
        (
            Says::Mask,
            here(),
            format!("other in the second recording in {different} of {} exchanges", same + different),
        )
    })
}

fn by_tokens(seen: &Seen, values: &Values) -> Option<(Says, String)> {
    let all = values.exchanges;
    let random = !values.random.is_empty();
    let random_passes = !values.random.keys().any(|value| seen.issued.is(*value));
    let times_pass = values.times_near > 0 && values.times_far == 0;
    let times = values.times_near + values.times_far > 0;
    let random_why = || {
        format!(
            "{} random in {} of {all} exchanges, none issued by an answer",
            values.random.len(),
            values.with_tokens
        )
    };
    let times_why = || format!("the time of the request in {} of {all} exchanges", values.with_tokens);
    match (random, times) {
        (true, false) if random_passes => Some((Says::Volatile, random_why())),
        (false, true) if times_pass => Some((Says::Times, times_why())),
        (true, true) if times_pass && random_passes => {
            Some((Says::Volatile, format!("{}; {}", random_why(), times_why())))
        }
        (true, true) if times_pass => Some((Says::Times, times_why())),
        _ => None,
    }
}

/// `accept` counts where recorded answers to one request differ by it.
fn by_accept(seen: &Seen) -> Vec<Single> {
    let mut singles: BTreeMap<Endpoint, Single> = BTreeMap::new();
    for accepts in seen.accepts.values() {
        let single_valued = accepts.answers.values().all(|answers| answers.len() == 1);
        let different: HashSet<u64> = accepts.answers.values().flatten().copied().collect();
        if single_valued && different.len() > 1 {
            let why = "recorded answers to one request differ by it".to_owned();
            let endpoint = accepts.endpoint.clone();
            let exchanges = accepts.answers.len() as u64;
            let (says, place) = (Says::Require, "accept".to_owned());
            let single = Single { endpoint: endpoint.clone(), says, place, why, exchanges };
            singles.insert(endpoint, single);
        }
    }
    singles.into_values().collect()
}

/// Where maps are known to be.
fn maps(seen: &Seen) -> Vec<Single> {
    let mut singles: BTreeMap<Endpoint, Single> = BTreeMap::new();
    for ((endpoint, _), values) in seen.places.iter().filter(|((_, place), _)| place.starts_with("body/")) {
        let known = known::MAPS.iter().find(|(service, _)| endpoint.path.starts_with(service));
        let Some((_, why)) = known else { continue };
        let (says, place, why) = (Says::Maps, "body".to_owned(), (*why).to_owned());
        let single = || Single { endpoint: endpoint.clone(), says, place, why, exchanges: 0 };
        let single = singles.entry(endpoint.clone()).or_insert_with(single);
        single.exchanges = single.exchanges.max(values.exchanges);
    }
    singles.into_values().collect()
}

fn rule(single: &Single) -> Option<Rule> {
    let mut rule = single.endpoint.rule();
    let place = || Place::parse(&single.place).map(|place| vec![place]);
    match single.says {
        Says::Mask => rule.mask = place().ok()?,
        Says::Volatile => rule.volatile = place().ok()?,
        Says::Times => rule.times = place().ok()?,
        Says::Dates => rule.dates = place().ok()?,
        Says::Ignore => rule.ignore = place().ok()?,
        Says::Jwt => rule.jwt = place().ok()?,
        Says::Maps => rule.protobuf_maps = Some(true),
        Says::Require => rule.require = vec![HeaderName::try_from(single.place.clone()).ok()?],
    }
    rule.why = Some(format!("{}: {}", single.place, single.why));
    rule.exchanges = Some(single.exchanges);
    Some(rule)
}

/// One rule for each endpoint.
pub(super) fn joined(singles: Vec<Single>) -> Vec<Rule> {
    let mut joined: BTreeMap<Endpoint, Rule> = BTreeMap::new();
    for single in singles {
        let Some(one) = rule(&single) else { continue };
        let all = joined.entry(single.endpoint.clone()).or_insert_with(|| single.endpoint.rule());
        all.mask.extend(one.mask);
        all.volatile.extend(one.volatile);
        all.times.extend(one.times);
        all.dates.extend(one.dates);
        all.ignore.extend(one.ignore);
        all.jwt.extend(one.jwt);
        all.protobuf_maps = all.protobuf_maps.or(one.protobuf_maps);
        all.require.extend(one.require);
        all.exchanges = all.exchanges.max(one.exchanges);
        let why = one.why.unwrap_or_default();
        all.why = Some(match all.why.take() {
            Some(known) => format!("{known}. {why}"),
            None => why,
        });
    }
    joined.into_values().collect()
}
