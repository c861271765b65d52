//! Finds rules without an effect, or with another effect than they seem to have, by applying them
//! to the recorded requests.

use super::{Finding, Severity};
use crate::layout::HEADER_FILE;
use std::collections::BTreeSet;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::exchange::Exchange;
use understudy_core::rules::{Place, Root, Rule, Rules, dates, instants, tokens};

/// Use of the rules by the recorded requests.
pub(super) struct RuleUse {
    all: Vec<Used>,
    lines: Vec<u64>,
    /// Pairs of rules that applied to the same request.
    together: BTreeSet<(usize, usize)>,
    signature: Signature,
}

/// One rule, and its use.
struct Used {
    rule: Rule,
    /// The rule alone, to find the requests that it applies to.
    alone: Rules,
    /// Number of requests that the rule applied to.
    requests: u64,
    places: Vec<PlaceUse>,
    /// The headers that it requires and that no request had.
    absent: Vec<String>,
}

/// A place that a rule names.
struct PlaceUse {
    list: &'static str,
    place: Place,
    /// A rule that leaves out any value at the place.
    any: Rules,
    /// A rule that treats the place as the rule does.
    own: Rules,
    /// True if a request had a value at the place.
    stands: bool,
    /// True if the rule had an effect on such a value.
    works: bool,
}

impl RuleUse {
    pub(super) fn new(rules: &[Rule], lines: Vec<u64>) -> Self {
        let all = rules.iter().map(Used::new).collect();
        Self { all, lines, together: BTreeSet::new(), signature: Signature::default() }
    }

    /// First line of each rule.
    pub(super) fn lines(&self) -> &[u64] {
        &self.lines
    }

    /// Applies the rules to a request whose exchange is served as an answer.
    pub(super) fn request(&mut self, exchange: &Exchange) {
        if self.all.is_empty() {
            return;
        }
        let view = RequestView::from(exchange);
        self.signature.set(&view, &Rules::default());
        let text = |key: &[u8]| self.signature.get(key).unwrap_or_default().to_vec();
        let (method, path) = (text(b"method"), text(b"path"));
        let operation = self.signature.get(b"operation").map(<[u8]>::to_vec);
        let backend = exchange.backend.as_bytes();
        let mut about: Vec<usize> = Vec::new();
        for (number, used) in self.all.iter_mut().enumerate() {
            if !used.alone.apply(backend, &method, &path, operation.as_deref()).is_empty() {
                used.requests += 1;
                used.look(&view, &mut self.signature);
                about.push(number);
            }
        }
        for (i, &first) in about.iter().enumerate() {
            self.together.extend(about.iter().skip(i + 1).map(|&second| (first, second)));
        }
    }

    /// Findings about the rules.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (number, used) in self.all.iter().enumerate() {
            let mut tell = |code, message| findings.push(self.finding(number, code, message));
            if used.rule.is_empty() {
                tell("rule-says-nothing", "the rule has no effect: name places, or remove it".to_owned());
            } else if used.requests == 0 {
                tell(
                    "rule-matches-nothing",
                    "the rule applies to no recorded request: check its backend, method, path and operation"
                        .to_owned(),
                );
            } else {
                used.places(&mut tell);
            }
        }
        for &(first, second) in &self.together {
            findings.extend(self.twice(first, second));
        }
        findings
    }

    /// Findings about places that two rules name, if both applied to the same request.
    fn twice(&self, first: usize, second: usize) -> Vec<Finding> {
        let (Some(earlier), Some(later)) = (self.all.get(first), self.all.get(second)) else {
            return Vec::new();
        };
        let line = self.lines.get(first).copied().unwrap_or_default();
        let named =
            |place: &PlaceUse| earlier.places.iter().find(|known| known.place == place.place).map(|p| p.list);
        let twice = later.places.iter().filter_map(|place| Some((place, named(place)?)));
        twice
            .map(|(place, list)| {
                let message = format!(
                    "{} is listed here under `{}` and in the rule of line {line} under `{list}`, and both rules apply to some of the same requests: list it once",
                    place.place, place.list
                );
                self.finding(second, "rule-shadowed", message)
            })
            .collect()
    }

    fn finding(&self, number: usize, code: &'static str, message: String) -> Finding {
        let (rule, line) = (self.all.get(number), self.lines.get(number).copied());
        Finding {
            code,
            severity: Severity::Warning,
            backend: rule.and_then(|used| used.rule.backend.clone()),
            file: HEADER_FILE,
            line,
            exchange: None,
            count: 1,
            message,
        }
    }
}

impl Used {
    fn new(rule: &Rule) -> Self {
        let lists = rule.lists().into_iter();
        let places =
            lists.flat_map(|(list, places)| places.iter().map(move |place| PlaceUse::new(list, place)));
        Self {
            rule: rule.clone(),
            alone: Rules::new(vec![rule.clone()]),
            requests: 0,
            places: places.collect(),
            absent: rule.require.iter().map(|name| name.as_str().to_owned()).collect(),
        }
    }

    fn look(&mut self, request: &RequestView<'_>, signature: &mut Signature) {
        self.absent.retain(|name| request.headers.get(name.as_bytes()).is_none());
        for place in self.places.iter_mut().filter(|place| !place.works) {
            place.look(request, signature);
        }
    }

    fn places(&self, tell: &mut impl FnMut(&'static str, String)) {
        for name in &self.absent {
            tell(
                "rule-place-nothing",
                format!("none of its requests has the header {name}: it can't be required"),
            );
        }
        for PlaceUse { list, place, stands, works, .. } in &self.places {
            match (stands, works, place.root()) {
                (_, true, _) => {}
                (false, ..) if matches!(place.root(), Root::Path(_)) => tell(
                    "rule-place-nothing",
                    format!(
                        "{place}: this segment looks like an identifier in none of its requests, and no other segment is left out"
                    ),
                ),
                (false, ..) => tell("rule-place-nothing", format!("none of its requests has {place}")),
                (true, false, _) => tell(
                    "rule-volatile-nothing",
                    format!(
                        "{place} never has a value for `{list}` ({}): use `mask` if the whole value changes",
                        shapes(list)
                    ),
                ),
            }
        }
    }
}

fn shapes(list: &str) -> &'static str {
    match list {
        "volatile" => "a UUID, a long hexadecimal number, a time or an identifier with a time in it",
        "times" | "now" | "clock" => "a time",
        "dates" => "a day such as 2026-11-21",
        _ => "a JSON Web Token",
    }
}

impl PlaceUse {
    fn new(list: &'static str, place: &Place) -> Self {
        let places = || vec![place.clone()];
        let any = Rule { mask: places(), ..Rule::default() };
        let own = match list {
            "volatile" => Rule { volatile: places(), ..Rule::default() },
            "times" => Rule { times: places(), ..Rule::default() },
            "dates" => Rule { dates: places(), ..Rule::default() },
            "jwt" => Rule { jwt: places(), ..Rule::default() },
            "now" => Rule { now: places(), ..Rule::default() },
            "clock" => Rule { clock: places(), ..Rule::default() },
            // The other lists leave out the whole value.
            _ => any.clone(),
        };
        let (any, own) = (Rules::new(vec![any]), Rules::new(vec![own]));
        Self { list, place: place.clone(), any, own, stands: false, works: false }
    }

    fn look(&mut self, request: &RequestView<'_>, signature: &mut Signature) {
        // A header that a rule names isn't always part of the signature: naming it also allows
        // answers to echo it.
        if let Root::Header(name) = self.place.root() {
            // `header.*` stands for all that no rule requires.
            if name == "*" {
                (self.stands, self.works) = (true, true);
                return;
            }
            let value = request.headers.get(name.as_bytes());
            self.stands |= value.is_some();
            self.works |= value.is_some_and(|value| match self.list {
                "volatile" | "times" => !tokens(value).is_empty(),
                "now" | "clock" => !instants(value).is_empty(),
                "dates" => !dates(value).is_empty(),
                _ => true,
            });
            return;
        }
        let mut takes = |rules: &Rules| {
            signature.set(request, rules);
            !signature.values().is_empty()
        };
        self.stands = self.stands || takes(&self.any);
        self.works = self.stands && takes(&self.own);
    }
}
