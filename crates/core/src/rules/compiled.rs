//! Rules as the data path applies them: found by backend, told apart by what they are about.

use super::{Fault, Place, Root, Rule, Step};
use crate::config::OnMiss;
use crate::sequence::Sequence;
use hashbrown::HashMap;

/// The rules of a snapshot, ready to be applied.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    all: Vec<Rule>,
    by_backend: HashMap<Vec<u8>, Vec<usize>>,
    for_any: Vec<usize>,
    need_time: bool,
}

/// What the rules say of one request. It borrows from them and allocates only where some apply.
#[derive(Clone, Debug, Default)]
pub struct Actions<'a> {
    applied: Vec<(u32, &'a Rule)>,
}

/// A place, what to do there, and its number.
pub(crate) type Said<'a> = (What, PlaceId, &'a Place);

/// A place that a rule names, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceId {
    rule: u32,
    place: u32,
}

impl PlaceId {
    /// The number of its rule, in the order of the rules.
    pub fn rule(self) -> usize {
        usize::try_from(self.rule).unwrap_or(usize::MAX)
    }
}

/// What to do with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Its value doesn't count.
    Mask,
    /// What in it has the shape of a UUID, a long hexadecimal number or a time doesn't count.
    Volatile,
    /// The same for times alone.
    Times,
    /// Days count by how far they are from the day of the request.
    Dates,
    /// It doesn't count at all.
    Ignore,
    /// Only a token's lasting claims count.
    Jwt,
    /// A name that an earlier request introduced, or the recorded one.
    Name,
    /// The time or the day of the request.
    Now,
    /// Times and days count by their distance from that of the request.
    Clock,
    /// A header that says who calls.
    Caller,
}

impl Rules {
    /// Makes rules ready.
    pub fn new(all: Vec<Rule>) -> Self {
        let reads_clock =
            |rule: &Rule| !(rule.dates.is_empty() && rule.now.is_empty() && rule.clock.is_empty());
        let need_time = all.iter().any(reads_clock);
        let mut rules = Self { all, need_time, ..Self::default() };
        for (at, rule) in rules.all.iter().enumerate() {
            match &rule.backend {
                Some(name) => rules.by_backend.entry(name.as_bytes().to_vec()).or_default().push(at),
                None => rules.for_any.push(at),
            }
        }
        rules
    }

    /// The rules, in their order.
    pub fn all(&self) -> &[Rule] {
        &self.all
    }

    /// Whether some of them need to know when a request was made.
    pub fn need_time(&self) -> bool {
        self.need_time
    }

    /// Returns whether the rule that a place stands in rests on an assumption.
    pub fn is_assumed(&self, id: PlaceId) -> bool {
        self.all.get(id.rule()).is_some_and(|rule| rule.assumed == Some(true))
    }

    /// Whether some of them let answers leave later.
    pub fn make_delays(&self) -> bool {
        self.all.iter().filter_map(|rule| rule.fault.as_ref()).any(|fault| fault.delay.is_some())
    }

    /// A rule's fault, by the rule's number.
    pub fn fault(&self, rule: usize) -> Option<&Fault> {
        self.all.get(rule)?.fault.as_ref()
    }

    /// A place by its number.
    pub fn place(&self, id: PlaceId) -> Option<&Place> {
        self.all.get(usize::try_from(id.rule).ok()?)?.places().nth(usize::try_from(id.place).ok()?)
    }

    /// Whether no rule can apply to a backend, whatever is asked of it.
    pub fn is_empty_for(&self, backend: &[u8]) -> bool {
        self.for_any.is_empty() && !self.by_backend.contains_key(backend)
    }

    /// What the rules say of a request; `path` in normal form. Rules further down win where they contradict.
    pub fn apply(&self, backend: &[u8], method: &[u8], path: &[u8], operation: Option<&[u8]>) -> Actions<'_> {
        if self.is_empty_for(backend) {
            return Actions::default();
        }
        let own = self.by_backend.get(backend).map(Vec::as_slice).unwrap_or_default();
        let mut found: Vec<usize> = Vec::new();
        for &at in own.iter().chain(&self.for_any) {
            let about = self.all.get(at).is_some_and(|rule| is_about(rule, method, path, operation));
            if about {
                found.push(at);
            }
        }
        found.sort_unstable();
        let numbered = |at: usize| Some((u32::try_from(at).ok()?, self.all.get(at)?));
        Actions { applied: found.into_iter().filter_map(numbered).collect() }
    }
}

fn is_about(rule: &Rule, method: &[u8], path: &[u8], operation: Option<&[u8]>) -> bool {
    let operation_fits = |wanted: &String| {
        let operation = operation.unwrap_or_default();
        match wanted.strip_suffix('*') {
            Some(start) => operation.starts_with(start.as_bytes()),
            None => operation == wanted.as_bytes(),
        }
    };
    rule.method.as_ref().is_none_or(|wanted| wanted.as_bytes() == method)
        && rule.path.as_ref().is_none_or(|pattern| pattern.matches(path))
        && rule.operation.as_ref().is_none_or(operation_fits)
}

impl<'a> Actions<'a> {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty()
    }

    /// What is said of the miss.
    pub fn on_miss(&self) -> Option<OnMiss> {
        self.applied.iter().rev().find_map(|(_, rule)| rule.on_miss)
    }

    /// What is said of several answers.
    pub fn sequence(&self) -> Option<Sequence> {
        self.applied.iter().rev().find_map(|(_, rule)| rule.sequence)
    }

    /// Whether live values are put into answers.
    pub fn echoes(&self) -> bool {
        self.applied.iter().rev().find_map(|(_, rule)| rule.echo).unwrap_or(true)
    }

    /// Whether the entries of protobuf maps may come in any order.
    pub(crate) fn protobuf_maps(&self) -> bool {
        self.applied.iter().rev().find_map(|(_, rule)| rule.protobuf_maps).unwrap_or(false)
    }

    /// The numbers of the rules that make faults, the last one first.
    pub fn faults(&self) -> impl Iterator<Item = usize> + '_ {
        let with_fault = self.applied.iter().rev().filter(|(_, rule)| rule.fault.is_some());
        with_fault.filter_map(|(number, _)| usize::try_from(*number).ok())
    }

    /// The headers that are named as not to count.
    pub fn headers_left_out(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.places().filter_map(|(_, _, place)| match place.root() {
            Root::Header(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The headers that are part of the identity, beside those that always are.
    pub(crate) fn required(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.applied.iter().flat_map(|(_, rule)| &rule.require).map(super::HeaderName::as_str)
    }

    /// All places with what is to be done there.
    pub(crate) fn places(&self) -> impl Iterator<Item = Said<'a>> + '_ {
        self.applied.iter().flat_map(|&(number, rule)| {
            let named = rule.by_what().into_iter();
            let named = named.flat_map(|(what, places)| places.iter().map(move |place| (what, place)));
            (0..)
                .zip(named)
                .map(move |(at, (what, place))| (what, PlaceId { rule: number, place: at }, place))
        })
    }

    /// What the last rule says of a place.
    fn last(&self, is: impl Fn(&Place) -> bool) -> Option<Said<'a>> {
        self.places().filter(|(_, _, place)| is(place)).last()
    }

    /// What is to be done with a segment of the path, counted from 1.
    pub(crate) fn segment(&self, number: u32) -> Option<Said<'a>> {
        self.last(|place| *place.root() == Root::Path(number))
    }

    /// What is to be done with a query parameter.
    pub(crate) fn query(&self, name: &[u8]) -> Option<Said<'a>> {
        self.last(|place| matches!(place.root(), Root::Query(n) if n == name))
    }

    /// The instruction for a header, by its name in lower case. `header.*` stands for each that no
    /// rule requires.
    pub(crate) fn header(&self, name: &[u8]) -> Option<Said<'a>> {
        let named = |wanted: &[u8]| {
            self.last(|place| matches!(place.root(), Root::Header(n) if n.as_bytes() == wanted))
        };
        named(name).or_else(|| named(b"*").filter(|_| !self.requires(name)))
    }

    /// Returns whether a rule makes a header count, by its name in lower case.
    pub(crate) fn requires(&self, name: &[u8]) -> bool {
        self.required().any(|required| required.as_bytes() == name)
    }

    /// Returns whether a header says who calls.
    pub(crate) fn is_caller(&self, name: &[u8]) -> bool {
        matches!(self.header(name), Some((What::Caller, ..)))
    }

    /// The places that hold the time of the request, in the order of the rules.
    pub(crate) fn now(&self) -> impl Iterator<Item = Said<'a>> + '_ {
        self.places().filter(|(what, ..)| *what == What::Now)
    }

    /// What is to be done with a form's field.
    pub(crate) fn field(&self, name: &[u8]) -> Option<Said<'a>> {
        let fits = |place: &Place| match place.root() {
            Root::Body(steps) => match steps.as_slice() {
                [Step::Key(key)] => key == name,
                [Step::Any] => true,
                _ => false,
            },
            _ => false,
        };
        self.last(fits)
    }

    /// The places in the body, with the steps to them.
    pub(crate) fn body(&self) -> impl Iterator<Item = (What, PlaceId, &'a [Step])> + '_ {
        self.places().filter_map(|(what, id, place)| match place.root() {
            Root::Body(steps) => Some((what, id, steps.as_slice())),
            _ => None,
        })
    }
}
