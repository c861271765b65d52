//! Statements of a snapshot's rules about a place, read only from their text.

use crate::tree::Tree;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use understudy_core::rules::{Place, Rule, Shape, dates, instants, tokens};

/// A second in microseconds.
pub(super) const SECOND: u64 = 1_000_000;
/// A day in seconds.
const DAY: u64 = 86_400;

/// The part of a value that isn't compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Mask,
    Volatile,
    Times,
    Dates,
    Ignore,
    Jwt,
    Names,
    Now,
    Clock,
    Caller,
}

/// Statements of the rules about one request.
pub(super) struct Said<'a> {
    places: Vec<(What, &'a str)>,
    pub(super) required: Vec<&'a str>,
}

impl<'a> Said<'a> {
    pub(super) fn of(rules: &'a [Rule], backend: &str, method: &[u8], path: &str, operation: &[u8]) -> Self {
        let mut said = Self { places: Vec::new(), required: Vec::new() };
        for rule in rules {
            let is_about = rule.backend.as_ref().is_none_or(|wanted| wanted == backend)
                && rule.method.as_ref().is_none_or(|wanted| wanted.as_bytes() == method)
                && rule.path.as_ref().is_none_or(|pattern| fits(pattern.as_str(), path))
                && rule.operation.as_ref().is_none_or(|wanted| match wanted.strip_suffix('*') {
                    Some(start) => operation.starts_with(start.as_bytes()),
                    None => operation == wanted.as_bytes(),
                });
            if is_about {
                said.take(rule);
            }
        }
        said
    }

    fn take(&mut self, rule: &'a Rule) {
        let lists = [
            (What::Mask, &rule.mask),
            (What::Volatile, &rule.volatile),
            (What::Times, &rule.times),
            (What::Dates, &rule.dates),
            (What::Ignore, &rule.ignore),
            (What::Jwt, &rule.jwt),
            (What::Names, &rule.names),
            (What::Now, &rule.now),
            (What::Clock, &rule.clock),
            (What::Caller, &rule.callers),
        ];
        for (what, places) in lists {
            self.places.extend(places.iter().map(Place::as_str).map(|place| (what, place)));
        }
        self.required.extend(rule.require.iter().map(|name| name.as_str()));
    }

    /// The statement about a place.
    pub(super) fn of_place(&self, place: &str) -> Option<What> {
        let fits = |named: &str| match named.starts_with("body/") {
            true => fits(named, place),
            false => named == place,
        };
        let found = self.places.iter().rfind(|(_, named)| fits(named)).map(|(what, _)| *what);
        found.or_else(|| {
            let name = place.strip_prefix("header.").filter(|name| !self.required.contains(name))?;
            self.places
                .iter()
                .rfind(|(_, named)| *named == "header.*" && !name.is_empty())
                .map(|(what, _)| *what)
        })
    }

    /// The places whose times or days rules compare with the time of the request.
    pub(super) fn clock_places(&self) -> impl Iterator<Item = &'a str> {
        let read = |(what, _): &&(What, _)| matches!(what, What::Dates | What::Now | What::Clock);
        self.places.iter().filter(read).map(|(_, place)| *place)
    }
}

/// Steps with wildcards: `*` for one, `**` at the end for all that follow.
fn fits(pattern: &str, text: &str) -> bool {
    let (wanted, steps): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), text.split('/').collect());
    let one = |(wanted, step): (&&str, &&str)| *wanted == "*" || wanted == step;
    match wanted.split_last() {
        Some((&"**", start)) => steps.len() >= start.len() && start.iter().zip(&steps).all(one),
        _ => wanted.len() == steps.len() && wanted.iter().zip(&steps).all(one),
    }
}

/// A value without the parts that rules leave out, and these parts. `now`: the time of the request,
/// in seconds since 1970.
pub(super) fn lasting(what: Option<What>, text: &[u8], now: u64) -> (Vec<u8>, Vec<Vec<u8>>) {
    let inner = match what {
        Some(What::Volatile | What::Times | What::Dates | What::Names | What::Now | What::Clock) => {
            let has_some = |text: &[u8]| !tokens(text).is_empty() || !dates(text).is_empty();
            in_base64(text).filter(|inner| !has_some(text) && has_some(inner))
        }
        _ => None,
    };
    let text = inner.as_deref().unwrap_or(text);
    let marked: Vec<(std::ops::Range<usize>, String)> = match what {
        Some(What::Volatile | What::Times) => tokens(text)
            .into_iter()
            .filter(|token| what == Some(What::Volatile) || token.shape == Shape::Time)
            .map(|token| (token.range, format!("\u{1}{:?}", token.shape)))
            .collect(),
        Some(What::Names) => {
            let found: Vec<_> =
                tokens(text).into_iter().map(|token| (token.range, "\u{1}".to_owned())).collect();
            if found.is_empty() { vec![(0..text.len(), "\u{1}".to_owned())] } else { found }
        }
        Some(What::Now) => instants(text)
            .into_iter()
            .filter(|instant| instant.seconds.abs_diff(now) <= 2 * DAY)
            .map(|instant| (instant.range, "\u{1}now".to_owned()))
            .collect(),
        Some(What::Clock) => instants(text)
            .into_iter()
            .map(|instant| {
                let distance = match instant.day {
                    true => (instant.seconds / DAY).cast_signed() - (now / DAY).cast_signed(),
                    false => instant.seconds.cast_signed() - now.cast_signed(),
                };
                (instant.range, format!("\u{1}{distance}"))
            })
            .collect(),
        Some(What::Dates) => dates(text)
            .into_iter()
            .map(|(range, day)| (range, format!("\u{1}{}", day.cast_signed() - (now / DAY).cast_signed())))
            .collect(),
        Some(What::Jwt) => match claims(text) {
            Some(lasting) => vec![(0..text.len(), format!("\u{1}{lasting:?}"))],
            None => Vec::new(),
        },
        Some(What::Mask | What::Caller) => vec![(0..text.len(), "\u{1}".to_owned())],
        Some(What::Ignore) | None => Vec::new(),
    };
    let (mut out, mut taken, mut done) = (Vec::new(), Vec::new(), 0);
    for (range, mark) in marked {
        out.extend_from_slice(&text[done..range.start]);
        out.extend_from_slice(mark.as_bytes());
        done = range.end;
        taken.push(text[range].to_vec());
    }
    out.extend_from_slice(&text[done..]);
    (out, taken)
}

/// The readable text that a value is the base64 of.
fn in_base64(text: &[u8]) -> Option<Vec<u8>> {
    let bare = std::str::from_utf8(text).ok()?.trim_end_matches('=');
    let decoded = STANDARD_NO_PAD.decode(bare).or_else(|_| URL_SAFE_NO_PAD.decode(bare)).ok()?;
    let is_readable = |text: &str| text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace());
    let readable = std::str::from_utf8(&decoded).is_ok_and(is_readable);
    (text.len() >= 16 && readable).then_some(decoded)
}

/// The claims of a JSON Web Token that last from one to the next, by name.
pub(super) fn claims(token: &[u8]) -> Option<Vec<(String, Tree)>> {
    let parts: Vec<_> = token.split(|&b| b == b'.').collect();
    let [_, claims, _] = parts.as_slice() else { return None };
    let Tree::Object(mut claims) = Tree::of_json(&URL_SAFE_NO_PAD.decode(claims).ok()?)? else {
        return None;
    };
    claims.retain(|(name, _)| !["exp", "iat", "nbf", "jti"].contains(&name.as_str()));
    claims.sort_by(|(a, _), (b, _)| a.cmp(b));
    Some(claims)
}
