//! Compares a live answer with the recorded one: status, headers, cookies, gRPC status, and the
//! body by its content type. Ignored differences are named with the reason.

use crate::carry::{Carries, LiveValues};
use crate::noise::{answer_parts, is_at, place_of, without, without_what_passes};
use std::collections::{BTreeSet, HashMap};
use understudy_core::canonical::Part;
use understudy_core::engine::differences;
use understudy_core::exchange::{Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::redact::{Redactor, contains_token};
use understudy_core::rules::{Place, Rule, Shape, dates};
use understudy_core::verdict::{Change, Difference};

/// A difference that is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ignored {
    /// The place, with `*` instead of indices.
    pub place: String,
    /// The reason.
    pub why: String,
}

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Differences that count.
    pub differences: Vec<Difference>,
    /// Differences that are ignored.
    pub ignored: Vec<Ignored>,
}

/// Differences of an earlier run of the same build, by exchange: place and kind of change.
pub type Baseline = HashMap<String, Vec<(String, Change)>>;

/// Settings for the comparison of answers.
#[derive(Debug, Default)]
pub struct Comparer {
    /// Headers that are compared, in lower case.
    pub headers: Vec<String>,
    /// Rules for what doesn't count in bodies. The last rule about a place decides.
    pub rules: Vec<Rule>,
    /// Differences between two runs of the same build.
    pub baseline: Baseline,
    /// Redactor of the recording.
    pub redactor: Option<Redactor>,
}

/// The values that explain differences between runs.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The carried values.
    pub carries: &'a Carries,
    /// The live values of this virtual user.
    pub given: &'a LiveValues,
}

impl Comparer {
    /// Compares an answer. `live` is the recorded exchange with the live answer and the present
    /// time; its secrets are replaced.
    pub fn compare(&self, recorded: &Exchange, live: &mut Exchange, context: Context<'_>) -> Compared {
        if let Some(redactor) = &self.redactor {
            redactor.exchange(live);
        }
        let mut compared = Compared::default();
        let Some(new) = &live.response else { return compared };
        let Some(old) = &recorded.response else {
            compared.ignore("answer", "the recording has none to compare with");
            return compared;
        };
        let mut found = Vec::new();
        if old.status != new.status {
            found.push(changed("status", &old.status.to_string(), &new.status.to_string()));
        }
        self.headers(old, new, &mut found);
        cookies(old, new, &mut found);
        grpc(old, new, &mut found);
        if old.body.truncated.is_some() {
            compared.ignore("body", "the recorded one was cut");
        } else if old.body.bytes != new.body.bytes || coding(old) != coding(new) {
            self.body((recorded, old), (live, new), &mut found, &mut compared);
        }
        for difference in found {
            match self.explain(&recorded.id, &difference, context) {
                Some(why) => {
                    let place = place_of(&difference.key).unwrap_or(difference.key);
                    compared.ignored.push(Ignored { place, why });
                }
                None => compared.differences.push(difference),
            }
        }
        compared
    }

    fn headers(&self, old: &Response, new: &Response, found: &mut Vec<Difference>) {
        for name in &self.headers {
            let of = |headers: &Headers| joined(headers, name);
            let (mut old, mut new) = (of(&old.headers), of(&new.headers));
            if name == "content-type" {
                // In a content type, case and blanks don't count (RFC 9110, 8.3.1).
                let plain = |value: String| value.to_ascii_lowercase().replace(' ', "");
                (old, new) = (old.map(plain), new.map(plain));
            }
            if old != new {
                found.push(difference(&format!("header.{name}"), old, new));
            }
        }
    }

    fn body(
        &self,
        (recorded, old): (&Exchange, &Response),
        (live, new): (&Exchange, &Response),
        found: &mut Vec<Difference>,
        compared: &mut Compared,
    ) {
        // The recorded request: the treatment of an answer depends on it, and carried values have
        // changed the live one.
        let (old, new) = (answer_parts(&recorded.request, old), answer_parts(&recorded.request, new));
        let rules = self.about(&recorded.request);
        for difference in differences(old.clone(), new.clone()) {
            if difference.key == "content-type" {
                continue;
            }
            let sides = (value(&old, &difference.key), value(&new, &difference.key));
            let excuse = rules
                .iter()
                .rev()
                .find(|rule| excuses(rule, &difference.key, sides, (recorded.time, live.time)));
            match excuse {
                Some(rule) => {
                    let why = rule.why.clone().unwrap_or_else(|| "a rule in replay.yaml".to_owned());
                    let place = place_of(&difference.key).unwrap_or(difference.key);
                    compared.ignored.push(Ignored { place, why });
                }
                None => found.push(difference),
            }
        }
    }

    /// The rules about a request.
    fn about(&self, request: &Request) -> Vec<&Rule> {
        let path = request.path.split(|&b| b == b'?').next().unwrap_or_default();
        let about = |rule: &&Rule| {
            rule.method.as_ref().is_none_or(|method| method.as_bytes() == request.method)
                && rule.path.as_ref().is_none_or(|pattern| pattern.matches(path))
        };
        self.rules.iter().filter(about).collect()
    }

    /// The reason why a difference is ignored, if it is.
    fn explain(&self, exchange: &str, difference: &Difference, context: Context<'_>) -> Option<String> {
        if difference.key == "status" {
            return None;
        }
        if let (Some(old), Some(new)) = (&difference.recorded, &difference.live) {
            if let Some(number) = context.given.explains(context.carries, old, new) {
                let carry = &context.carries.all()[number];
                return Some(format!("carried: issued anew, at {}", carry.from_at));
            }
            if contains_token(old.as_bytes()) && contains_token(new.as_bytes()) {
                return Some("a secret, which the recording doesn't hold".to_owned());
            }
        }
        let known = self.baseline.get(exchange)?;
        let same = |(key, change): &(String, Change)| *key == difference.key && *change == difference.change;
        known.iter().any(same).then(|| "it differed in the baseline too".to_owned())
    }
}

impl Compared {
    fn ignore(&mut self, place: &str, why: &str) {
        self.ignored.push(Ignored { place: place.to_owned(), why: why.to_owned() });
    }
}

/// The value of the only part with this key.
fn value<'a>(parts: &'a [Part], key: &str) -> Option<&'a [u8]> {
    let mut own = parts.iter().filter(|part| part.key == key);
    let first = own.next();
    first.filter(|_| own.next().is_none()).map(|part| &part.value[..])
}

/// Returns whether a rule ignores a difference. `times`: times of the two requests, from which days
/// are counted.
fn excuses(rule: &Rule, key: &str, sides: (Option<&[u8]>, Option<&[u8]>), times: (u64, u64)) -> bool {
    let names = |places: &[Place]| places.iter().any(|place| is_at(place, key));
    if names(&rule.ignore) {
        return true;
    }
    // All other rules need a value on both sides.
    let (Some(old), Some(new)) = sides else { return false };
    names(&rule.mask)
        || names(&rule.volatile) && without_what_passes(old) == without_what_passes(new)
        || names(&rule.times)
            && without(old, |shape| shape == Shape::Time) == without(new, |shape| shape == Shape::Time)
        || names(&rule.dates) && with_distances(old, times.0) == with_distances(new, times.1)
}

/// The text with each date replaced by its distance in days from that of a request. `time` is in
/// microseconds since 1970.
fn with_distances(text: &[u8], time: u64) -> Vec<u8> {
    let today = i128::from(time / 86_400_000_000);
    let (mut out, mut done) = (Vec::with_capacity(text.len()), 0);
    for (range, day) in dates(text) {
        out.extend_from_slice(&text[done..range.start]);
        out.extend_from_slice(format!("<today{:+}>", i128::from(day) - today).as_bytes());
        done = range.end;
    }
    out.extend_from_slice(&text[done..]);
    out
}

fn coding(response: &Response) -> Option<&[u8]> {
    response.headers.get(b"content-encoding")
}

fn joined(headers: &Headers, name: &str) -> Option<String> {
    let own = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
    let values: Vec<_> = own.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn changed(key: &str, old: &str, new: &str) -> Difference {
    difference(key, Some(old.to_owned()), Some(new.to_owned()))
}

fn difference(key: &str, recorded: Option<String>, live: Option<String>) -> Difference {
    let change = match (&recorded, &live) {
        (Some(_), None) => Change::Removed,
        (None, Some(_)) => Change::Added,
        _ => Change::Changed,
    };
    Difference { key: key.to_owned(), change, recorded, live }
}

/// Cookies are equal if names and attributes are equal: values and expiry times are new each time.
fn cookies(old: &Response, new: &Response, found: &mut Vec<Difference>) {
    let of = |response: &Response| -> HashMap<String, String> {
        let own = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"));
        own.map(|(_, value)| cookie(value)).collect()
    };
    let (old, new) = (of(old), of(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (before, after) = (old.get(name).cloned(), new.get(name).cloned());
        if before != after {
            found.push(difference(&format!("cookie.{name}"), before, after));
        }
    }
}

/// A cookie's name, and its attributes without those of its expiry.
fn cookie(value: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(value).into_owned();
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().split('=').next().unwrap_or_default().to_owned();
    let mut attributes: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
    attributes.retain(|attribute| !attribute.starts_with("expires"));
    attributes.sort();
    (name, attributes.join("; "))
}

/// The gRPC status is in the trailers, or in the headers of an answer without a body (gRPC over
/// HTTP/2, "Responses").
fn grpc(old: &Response, new: &Response, found: &mut Vec<Difference>) {
    for name in ["grpc-status", "grpc-message"] {
        let of = |response: &Response| {
            joined(&response.trailers, name).or_else(|| joined(&response.headers, name))
        };
        let (old, new) = (of(old), of(new));
        if old != new {
            found.push(difference(&format!("trailer.{name}"), old, new));
        }
    }
}

#[cfg(test)]
mod tests;
