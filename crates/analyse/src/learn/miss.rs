//! From a request that missed to a rule: what of it would have to be left out to make it one with a recorded request, and what else that
//! would do. Proposes and weighs; never changes anything.

use super::endpoint::Endpoint;
use super::protobuf::Names;
use super::seen::{is_passing_jwt, place_of};
use hashbrown::{HashMap, HashSet};
use understudy_core::canonical::{self, Part, RequestView, Signature, parts};
use understudy_core::digest::{self, Digest};
use understudy_core::engine::differences;
use understudy_core::exchange::Exchange;
use understudy_core::rules::{Place, Root, Rule, Rules, Shape, dates, is_identifier, tokens};
use understudy_core::verdict::{Change, Difference};
use understudy_snapshot::Snapshot;
use understudy_snapshot::SnapshotError;
use understudy_snapshot::answerable::unanswerable;
use understudy_snapshot::served::served;

/// So many clashes are named.
const CLASHES: usize = 10;
/// So many recorded requests that would be matched are named.
const MATCHED: usize = 20;

/// How a place is left out: the keys of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Something must be there.
    Mask,
    /// What passes in it doesn't count.
    Volatile,
    /// Times in it don't count.
    Times,
    /// Days count by their distance from that of the request.
    Dates,
    /// It may be there or not.
    Ignore,
    /// A token's lasting claims count.
    Jwt,
}

impl Leave {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Mask, Self::Volatile, Self::Times, Self::Dates, Self::Ignore, Self::Jwt];

    /// The key in `snapshot.yaml`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Volatile => "volatile",
            Self::Times => "times",
            Self::Dates => "dates",
            Self::Ignore => "ignore",
            Self::Jwt => "jwt",
        }
    }

    /// The one with this key.
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|leave| leave.key() == key)
    }

    /// Whether what is left out is known by its look to change by itself, and not only because somebody says so.
    fn is_evident(self) -> bool {
        !matches!(self, Self::Mask | Self::Ignore)
    }
}

/// Where two requests differ, and what could be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differs {
    /// The place as a rule names it; `None` where no rule can leave it out.
    pub place: Option<Place>,
    /// The first difference there, for people.
    pub difference: Difference,
    /// What speaks for itself; `None` where nothing does.
    pub proposed: Option<Leave>,
    /// Why, or why not.
    pub why: String,
}

/// What would have to be left out for a request to be one with a recorded one.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The recorded exchange.
    pub exchange: String,
    /// The differences, each place once.
    pub differs: Vec<Differs>,
    about: Option<Rule>,
}

/// What a rule would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// How many recorded requests it is about.
    pub about: u64,
    /// The recorded exchanges that would answer the request, the first of them.
    pub matched: Vec<String>,
    /// How many there are.
    pub answers: u64,
    /// How many different answers they have.
    pub contents: u64,
    /// Recorded requests that were two, were answered differently and would be one: the first of them, as identifiers.
    pub clashes: Vec<(String, String)>,
    /// Which of the other requests would match, by their numbers.
    pub others: Vec<usize>,
}

/// Holds a request against a recorded one.
pub fn offer(recorded: &Exchange, live: &Exchange, rules: &[Rule]) -> Offer {
    let rules = Rules::new(rules.to_vec());
    let (then, now) = (signed(recorded, &rules), signed(live, &rules));
    let (old, new) = (parts(&then), parts(&now));
    let mut found = differences(old.clone(), new.clone());
    if then.get(b"backend") != now.get(b"backend") {
        let text = |signature: &Signature| signature.get(b"backend").map(lossy);
        let (recorded, live) = (text(&then), text(&now));
        found.push(Difference { key: "backend".into(), change: Change::Changed, recorded, live });
    }
    let plain = Rules::default();
    let ends = [recorded, live].map(|exchange| Endpoint::of(&signed(exchange, &plain)));
    let about = match &ends {
        [Some(a), Some(b)] if a == b => Some(a.rule()),
        _ => None,
    };
    let names = now.get(b"content-type").map_or(Names::Members, Names::of);
    let mut differs: Vec<Differs> = Vec::new();
    for difference in found {
        let one = differing(difference, about.as_ref(), names, (&old, &new));
        if one.place.is_none() || differs.iter().all(|known| known.place != one.place) {
            differs.push(one);
        }
    }
    Offer { exchange: recorded.id.clone(), differs, about }
}

impl Offer {
    /// The rule that leaves out what is chosen; with its evidence, which says where it comes from: `from`. `None` where nothing is chosen, or no
    /// rule can be about both requests.
    pub fn rule(&self, from: &str, chosen: impl Fn(&Differs) -> Option<Leave>) -> Option<Rule> {
        let mut rule = self.about.clone()?;
        let mut why = Vec::new();
        for differs in &self.differs {
            let (Some(place), Some(leave)) = (&differs.place, chosen(differs)) else { continue };
            let list = match leave {
                Leave::Mask => &mut rule.mask,
                Leave::Volatile => &mut rule.volatile,
                Leave::Times => &mut rule.times,
                Leave::Dates => &mut rule.dates,
                Leave::Ignore => &mut rule.ignore,
                Leave::Jwt => &mut rule.jwt,
            };
            list.push(place.clone());
            let evidence = if differs.why.is_empty() { String::new() } else { format!(", {}", differs.why) };
            why.push(format!(
                "{}: other in {from} than in exchange {}{evidence}",
                place.as_str(),
                self.exchange
            ));
        }
        rule.why = Some(why.join(". "));
        (!rule.is_empty()).then_some(rule)
    }
}

impl Weighed {
    /// Why a rule must not be made: it would give somebody's answer to others. What looks like a value that passes may be left out all the same:
    /// who asks with recorded values gets their answer.
    pub fn refused(&self, rule: &Rule) -> Option<String> {
        let doubtful = rule.lists().into_iter().any(|(key, places)| {
            !places.is_empty() && Leave::of(key).is_some_and(|leave| !leave.is_evident())
        });
        let (a, b) = self.clashes.first().filter(|_| doubtful)?;
        Some(format!(
            "exchanges {a} and {b} would be one request, and were answered differently: this value may choose the answer"
        ))
    }
}

/// Weighs a rule: what it would do in the snapshot as it is, for the request that missed and for others that did.
///
/// # Errors
/// The snapshot can't be read.
pub fn weigh(
    snapshot: &Snapshot,
    new: &Rule,
    asked: &Exchange,
    others: &[&Exchange],
) -> Result<Weighed, SnapshotError> {
    let mut all = snapshot.header().rules.clone();
    let before = Rules::new(all.clone());
    all.push(new.clone());
    let (after, alone) = (Rules::new(all), Rules::new(vec![new.clone()]));
    let wanted = signed(asked, &after).digest();
    let mut weighed = Weighed::default();
    let mut contents: HashSet<u64> = HashSet::new();
    let mut met: HashMap<Digest, (Digest, u64, String)> = HashMap::new();
    super::each(snapshot, |exchange| {
        let plain = signed(exchange, &Rules::default());
        let digest = signed(exchange, &after).digest();
        let content = content(exchange);
        if is_about(&alone, exchange, &plain) {
            weighed.about += 1;
            let was = signed(exchange, &before).digest();
            let (first, answer, id) =
                met.entry(digest).or_insert_with(|| (was, content, exchange.id.clone()));
            if *first != was && *answer != content && weighed.clashes.len() < CLASHES {
                weighed.clashes.push((id.clone(), exchange.id.clone()));
            }
        } else {
            met.entry(digest).or_insert_with(|| (digest, content, exchange.id.clone()));
        }
        if digest == wanted {
            weighed.answers += 1;
            contents.insert(content);
            if weighed.matched.len() < MATCHED {
                weighed.matched.push(exchange.id.clone());
            }
        }
    })?;
    weighed.contents = contents.len() as u64;
    let would = |other: &Exchange| met.contains_key(&signed(other, &after).digest());
    weighed.others = (0..).zip(others).filter(|(_, other)| would(other)).map(|(number, _)| number).collect();
    Ok(weighed)
}

/// The recorded exchange with an identifier, where it is answered from.
///
/// # Errors
/// The snapshot can't be read.
pub fn find(snapshot: &Snapshot, id: &str) -> Result<Option<Exchange>, SnapshotError> {
    for located in snapshot.exchanges()? {
        let exchange = located?.exchange;
        if exchange.id == id {
            return Ok(Some(exchange).filter(|exchange| unanswerable(exchange).is_none()));
        }
    }
    Ok(None)
}

fn signed(exchange: &Exchange, rules: &Rules) -> Signature {
    let mut signature = Signature::default();
    signature.set(&RequestView::from(exchange), rules);
    signature
}

fn is_about(alone: &Rules, exchange: &Exchange, plain: &Signature) -> bool {
    let text = |key: &[u8]| plain.get(key).unwrap_or_default();
    let actions =
        alone.apply(exchange.backend.as_bytes(), text(b"method"), text(b"path"), plain.get(b"operation"));
    !actions.is_empty()
}

/// What is answered, but for headers: those of two answers always differ in something.
fn content(exchange: &Exchange) -> u64 {
    let Some(answer) = served(exchange) else { return 0 };
    let mut bytes = answer.status.to_le_bytes().to_vec();
    bytes.extend_from_slice(answer.trailers.as_block());
    bytes.extend_from_slice(answer.body);
    digest::prefix(&digest::sha1(&bytes))
}

fn differing(
    difference: Difference,
    about: Option<&Rule>,
    names: Names,
    (old, new): (&[Part], &[Part]),
) -> Differs {
    let key = difference.key.as_str();
    let value = |parts: &[Part], other: &[Part]| {
        let same = |part: &&Part| other.iter().any(|o| o.key == part.key && o.value == part.value);
        let of_key: Vec<&Part> = parts.iter().filter(|part| part.key == key).collect();
        let part = of_key.iter().find(|part| !same(part)).or(of_key.first()).copied()?;
        Some(if key.starts_with("body") { canonical::json_text(&part.value) } else { part.value.clone() })
    };
    let (then, now) = (value(old, new), value(new, old));
    let place = about.and_then(|rule| place(key, names, rule, (then.as_deref(), now.as_deref())));
    let (proposed, why) = match (&place, then, now) {
        (None, ..) => (None, "no rule leaves this out".to_owned()),
        (Some(_), Some(then), Some(now)) => judge(key, &then, &now),
        (Some(_), ..) => (Some(Leave::Ignore), "not always there".to_owned()),
    };
    Differs { place, difference, proposed, why }
}

/// The place of a part in rules about these requests, where a rule can leave it out.
fn place(key: &str, names: Names, about: &Rule, values: (Option<&[u8]>, Option<&[u8]>)) -> Option<Place> {
    let place = Place::parse(&place_of(key, names)?).ok()?;
    if let Root::Path(number) = place.root() {
        let pattern = about.path.as_ref()?.as_str();
        pattern.split('/').nth(usize::try_from(*number).ok()?).filter(|segment| *segment == "*")?;
        let (Some(then), Some(now)) = values else { return None };
        return (is_identifier(then) && is_identifier(now)).then_some(place);
    }
    Some(place)
}

/// What two values of one place speak for.
fn judge(key: &str, then: &[u8], now: &[u8]) -> (Option<Leave>, String) {
    let say = |leave, why: &str| (Some(leave), why.to_owned());
    if is_passing_jwt(then) && is_passing_jwt(now) {
        return say(Leave::Jwt, "both are JSON Web Tokens");
    }
    let (a, b) = (tokens(then), tokens(now));
    let rest = |text: &[u8], tokens: &[understudy_core::rules::Token]| {
        let mut rest = text.to_vec();
        for token in tokens.iter().rev() {
            rest.splice(token.range.clone(), token.shape.placeholder().iter().copied());
        }
        rest
    };
    if !a.is_empty() && rest(then, &a) == rest(now, &b) {
        return match a.iter().all(|token| token.shape == Shape::Time) {
            true => say(Leave::Times, "both times"),
            false => say(Leave::Volatile, "both random"),
        };
    }
    let day = |text: &[u8]| dates(text).first().is_some_and(|(range, _)| range.len() == text.len());
    if day(then) && day(now) {
        return say(Leave::Dates, "both days");
    }
    match key {
        // All of a body that isn't understood: whoever wants that says so.
        "body" => (None, String::new()),
        _ => (Some(Leave::Mask), String::new()),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
