//! From what has been seen to rules, each with its evidence.

use super::endpoint::Endpoint;
use super::issued::Hashed;
use super::known;
use super::pairs::Compared;
use super::seen::{Seen, Values};
use hashbrown::HashSet;
use std::collections::BTreeMap;
use understudy_core::rules::{HeaderName, Place, Rule};

/// A proposal about one place.
pub(super) struct Single {
    pub(super) endpoint: Endpoint,
    pub(super) says: Says,
    pub(super) place: String,
    pub(super) why: String,
    pub(super) exchanges: u64,
    /// True if it rests on the look of values in one recording.
    pub(super) assumed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Mask,
    Volatile,
    Names,
    Now,
    Clock,
    /// By distance from a time of the request in the same text.
    NowAndClock,
    Ignore,
    Jwt,
    Maps,
    Require,
    Callers,
}

/// The treatment that one place is evidence for.
struct Judged {
    says: Says,
    place: String,
    why: String,
    assumed: bool,
}

/// The proposals for each place by itself.
pub(super) fn proposals(
    seen: &Seen,
    compared: Option<&BTreeMap<(Endpoint, String), Compared>>,
) -> Vec<Single> {
    let per_call = headers_per_call(seen);
    let mut singles: Vec<Single> = Vec::new();
    for ((endpoint, place), values) in &seen.places {
        let key = (endpoint.clone(), place.clone());
        let compared = compared.and_then(|compared| compared.get(&key).copied());
        let is_new_each_time = per_call.contains(&(endpoint.backend.clone(), place.clone()));
        let judged = judge(seen, endpoint, place, values, compared);
        let judged = judged.or_else(|| is_new_each_time.then(|| header_of_one_call(place)));
        let Some(Judged { says, place, why, assumed }) = judged else { continue };
        let known = singles.iter().rev().take_while(|single| single.endpoint == *endpoint);
        if known.into_iter().all(|single| single.place != place) {
            let exchanges = values.exchanges;
            singles.push(Single { endpoint: endpoint.clone(), says, place, why, exchanges, assumed });
        }
    }
    singles.extend(maps(seen));
    singles
}

fn judge(
    seen: &Seen,
    endpoint: &Endpoint,
    place: &str,
    values: &Values,
    compared: Option<Compared>,
) -> Option<Judged> {
    let proved =
        |says: Says, why: String| Some(Judged { says, place: place.to_owned(), why, assumed: false });
    if let Some(number) = place.strip_prefix("path.") {
        let number: usize = number.parse().ok()?;
        endpoint.path.split('/').nth(number).filter(|segment| *segment == "*")?;
    }
    if let Some(header) = known::ws_security(place) {
        let why = known::WS_SECURITY.to_owned();
        return Some(Judged { says: Says::Ignore, place: header, why, assumed: false });
    }
    if seen.json_rpc.contains(endpoint) && matches!(place, "body/id" | "body/*/id") {
        return proved(Says::Mask, known::JSON_RPC_ID.to_owned());
    }
    if seen.json_rpc.contains(endpoint) && place == "body/params/_meta/progressToken" {
        return proved(Says::Mask, known::MCP_TOKEN.to_owned());
    }
    let issued = values.whole.keys().any(|value| seen.issued.is(*value));
    if seen.oauth.contains(endpoint) && matches!(place, "query.state" | "query.nonce") && !issued {
        return proved(Says::Mask, known::OAUTH_STATE.to_owned());
    }
    let known = known::field_at(place).filter(|_| !issued);
    if values.jwts == values.exchanges && !issued {
        let why = known
            .map_or("a JSON Web Token that no answer issued: its times and signature don't count", |k| k.why);
        return proved(Says::Jwt, why.to_owned());
    }
    if let Some(known) = known {
        let referred = known.names && all_introduced_before(seen, values);
        if known.refers && !referred {
            return None;
        }
        return proved(if referred { Says::Names } else { Says::Mask }, known.why.to_owned());
    }
    // The same in a second recording: it doesn't change by itself.
    let constant = compared.is_some_and(|compared| compared.same > 0 && compared.different == 0);
    let changes = compared.filter(|compared| compared.different > 0);
    let all = values.exchanges;
    if values.nanos == all && !constant {
        // A client omits the field if there are none.
        let why = format!("nanoseconds of the time of the request in {} of {all} exchanges", values.nanos);
        return proved(Says::Ignore, why);
    }
    let judged = (!constant).then(|| by_identifiers(seen, place, values)).flatten();
    let judged = judged.or_else(|| if constant { None } else { by_times(seen, place, values) });
    match (judged, changes) {
        (Some(judged), Some(_)) => Some(Judged { assumed: false, ..judged }),
        (Some(judged), None) => Some(judged),
        (None, Some(Compared { same, different })) => {
            let why =
                format!("other in the second recording in {different} of {} exchanges", same + different);
            proved(Says::Mask, why)
        }
        (None, None) => None,
    }
}

/// Returns whether each value in a place stood in an earlier request that may have introduced it.
fn all_introduced_before(seen: &Seen, values: &Values) -> bool {
    let introduced = |value: &Hashed, here: u64| {
        let first = seen.issued.first_use(*value);
        first.is_some_and(|first| first.introduces && first.time < here)
    };
    match values.random.is_empty() {
        true => values.whole.iter().all(|(value, here)| introduced(value, *here)),
        false => values.random.iter().all(|(value, found)| introduced(value, found.first)),
    }
}

/// The makers of the identifiers in a place, by the order of the recording.
#[derive(Default)]
struct Makers {
    /// Answers that came before any request had them.
    answers: usize,
    /// The client's configuration: read before anything introduced them, or computed from a
    /// content, or from another time than that of the run.
    configuration: usize,
    /// The client, for this call: they carry the time of their request.
    call: usize,
    /// The client, as names that an earlier request introduced.
    earlier: usize,
    /// The client, as names that this request introduces.
    new: usize,
}

impl Makers {
    fn of(seen: &Seen, values: &Values) -> Self {
        let mut makers = Self::default();
        for (value, identifier) in &values.random {
            let first = seen.issued.first_use(*value);
            let count = match (identifier.made_now, first) {
                _ if seen.issued.is(*value) => &mut makers.answers,
                _ if identifier.digest => &mut makers.configuration,
                (_, Some(first)) if first.time < identifier.first => match first.introduces {
                    true => &mut makers.earlier,
                    false => &mut makers.configuration,
                },
                (Some(false), _) => &mut makers.configuration,
                (Some(true), _) => &mut makers.call,
                (None, Some(first)) if first.introduces => &mut makers.new,
                (None, _) => &mut makers.configuration,
            };
            *count += 1;
        }
        makers
    }
}

fn by_identifiers(seen: &Seen, place: &str, values: &Values) -> Option<Judged> {
    if values.random.is_empty() {
        return None;
    }
    let (all, with) = (values.exchanges, values.with_tokens);
    let judged = |says: Says, why: String, assumed: bool| {
        // Times in the same text are the service's too.
        let times = values.times.now == values.times.exchanges && values.times.with_others == 0;
        let whole = values.times.exchanges == 0 || times && says == Says::Volatile;
        whole.then(|| Judged { says, place: place.to_owned(), why, assumed })
    };
    match Makers::of(seen, values) {
        Makers { configuration: 1.., .. } => None,
        Makers { earlier: 1.., call: 0, new: 0, .. } => {
            let why = format!("a name that an earlier request introduced in {with} of {all} exchanges");
            judged(Says::Names, why, true)
        }
        Makers { answers: 1.., .. } => None,
        Makers { new: 0, call: 1.., .. } => {
            let why =
                format!("an identifier that carries the time of its request in {with} of {all} exchanges");
            judged(Says::Volatile, why, false)
        }
        _ => {
            let random = values.random.len();
            let why = format!(
                "{random} random in {with} of {all} exchanges, introduced by the client and issued by no answer"
            );
            judged(Says::Volatile, why, true)
        }
    }
}

fn by_times(seen: &Seen, place: &str, values: &Values) -> Option<Judged> {
    let times = &values.times;
    if times.exchanges == 0 || !values.random.is_empty() {
        return None;
    }
    let issued = !times.texts.is_empty() && times.texts.iter().all(|text| seen.issued.is(*text));
    // A service that has just created something has the same second in its answer as its client.
    let by_accident = issued && times.whole_seconds == times.exchanges;
    if issued && !by_accident {
        return None;
    }
    let (all, n) = (values.exchanges, times.exchanges);
    let judged = |says: Says, what: &str| {
        let why = format!("{what} in {n} of {all} exchanges");
        // One time alone may be near its request by accident.
        Some(Judged { says, place: place.to_owned(), why, assumed: n < 2 || by_accident })
    };
    if times.now == n && (times.with_others == 0 || times.round == 0) {
        return judged(Says::Now, "the time or the day of the request");
    }
    if times.now == n {
        return judged(Says::NowAndClock, "times at a round distance from that of the request");
    }
    if times.now == 0 && times.round == n {
        return judged(Says::Clock, "a time at a round distance from that of the request");
    }
    if times.now == 0 && times.round_by_proxy == n {
        return judged(Says::Clock, "a time whole hours or days from that of the request");
    }
    None
}

/// Headers of a backend that hold another random value in each of its requests, of which there are
/// three at least: they are new with each call.
fn headers_per_call(seen: &Seen) -> HashSet<(String, String)> {
    #[derive(Default)]
    struct Header {
        exchanges: u64,
        with_tokens: u64,
        values: HashSet<u64>,
    }
    let mut headers: BTreeMap<(String, String), Header> = BTreeMap::new();
    for ((endpoint, place), values) in
        seen.places.iter().filter(|((_, place), _)| place.starts_with("header."))
    {
        let header = headers.entry((endpoint.backend.clone(), place.clone())).or_default();
        header.exchanges += values.exchanges;
        header.with_tokens += values.with_tokens;
        header.values.extend(values.whole.keys().copied());
    }
    let is_new_each_time = |header: &Header| {
        header.exchanges >= 3
            && header.with_tokens == header.exchanges
            && header.values.len() as u64 == header.exchanges
            && !header.values.iter().any(|value| seen.issued.is(*value))
    };
    headers.into_iter().filter(|(_, header)| is_new_each_time(header)).map(|(key, _)| key).collect()
}

fn header_of_one_call(place: &str) -> Judged {
    let why = "a header that is new with each request to its backend".to_owned();
    Judged { says: Says::Volatile, place: place.to_owned(), why, assumed: true }
}

/// The endpoints that are known to have maps.
fn maps(seen: &Seen) -> Vec<Single> {
    let mut singles: BTreeMap<Endpoint, Single> = BTreeMap::new();
    for ((endpoint, _), values) in seen.places.iter().filter(|((_, place), _)| place.starts_with("body/")) {
        let known = known::MAPS.iter().find(|(service, _)| endpoint.path.starts_with(service));
        let Some((_, why)) = known else { continue };
        let (says, place, why) = (Says::Maps, "body".to_owned(), (*why).to_owned());
        let single = || Single { endpoint: endpoint.clone(), says, place, why, exchanges: 0, assumed: false };
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
        Says::Names => rule.names = place().ok()?,
        Says::Now => rule.now = place().ok()?,
        Says::Clock => rule.clock = place().ok()?,
        Says::NowAndClock => {
            rule.now = place().ok()?;
            rule.clock = place().ok()?;
        }
        Says::Ignore => rule.ignore = place().ok()?,
        Says::Jwt => rule.jwt = place().ok()?,
        Says::Callers => rule.callers = place().ok()?,
        Says::Maps => rule.protobuf_maps = Some(true),
        Says::Require => rule.require = vec![HeaderName::try_from(single.place.clone()).ok()?],
    }
    rule.learnt = Some(Rule::LEARNT);
    rule.assumed = single.assumed.then_some(true);
    rule.why = Some(format!("{}: {}", single.place, single.why));
    rule.exchanges = Some(single.exchanges);
    Some(rule)
}

/// One rule for each endpoint, and one more for what is assumed of it.
pub(super) fn joined(singles: &[Single]) -> Vec<Rule> {
    let mut joined: BTreeMap<(Endpoint, bool), Rule> = BTreeMap::new();
    for single in singles {
        let Some(one) = rule(single) else { continue };
        let key = (single.endpoint.clone(), single.assumed);
        let all = joined.entry(key).or_insert_with(|| single.endpoint.rule());
        for (known, new) in all.lists_mut().into_iter().zip(one.lists()) {
            known.extend_from_slice(new.1);
        }
        all.assumed = one.assumed;
        all.learnt = one.learnt;
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
