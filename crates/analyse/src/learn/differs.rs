//! Headers that don't count by themselves and by which recorded answers to one request differ:
//! callers, and clients that are told apart.

use super::endpoint::Endpoint;
use super::propose::{Says, Single};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::digest;
use understudy_core::exchange::Exchange;
use understudy_core::header_family::{Family, family};
use understudy_core::rules::Rules;

/// Maximum number of answers to one request that are looked at.
const ANSWERS_MAX: usize = 256;

/// Schemes whose credentials are made anew for each request, from its content: they don't say who
/// calls as they stand (AWS Signature Version 4, Google Cloud Storage V4, Azure Shared Key, OAuth
/// 1.0a, HTTP Digest, Hawk, HTTP Message Signatures, Tencent Cloud TC3).
const SIGNED: [&[u8]; 11] = [
    b"aws ",
    b"aws4-",
    b"digest ",
    b"goog",
    b"hawk ",
    b"hmac",
    b"oauth ",
    b"sharedkey",
    b"signature ",
    b"tc3-",
    b"acs",
];

/// The answers to requests with one signature.
struct Answered {
    endpoint: Endpoint,
    /// The number of an answer, and the values of the headers in question.
    exchanges: Vec<(u64, Vec<(String, u64)>)>,
}

/// Finds the headers by which answers differ, with the rules that are known.
#[derive(Default)]
pub(super) struct Differing {
    answered: HashMap<u64, Answered>,
    signature: Signature,
}

impl Differing {
    /// Takes an exchange in.
    pub(super) fn add(&mut self, exchange: &Exchange, rules: &Rules) {
        let headers: Vec<(String, u64)> = exchange
            .request
            .headers
            .iter()
            .filter(|(name, value)| may_tell_apart(name, value))
            .map(|(name, value)| {
                (String::from_utf8_lossy(name).to_ascii_lowercase(), digest::prefix(&digest::sha1(value)))
            })
            .collect();
        let Some(response) = exchange.response.as_ref().filter(|_| !headers.is_empty()) else { return };
        self.signature.set(&RequestView::from(exchange), rules);
        let number = digest::prefix(&self.signature.digest());
        let Some(endpoint) = Endpoint::of(&self.signature) else { return };
        let answered =
            self.answered.entry(number).or_insert_with(|| Answered { endpoint, exchanges: Vec::new() });
        if answered.exchanges.len() < ANSWERS_MAX {
            let mut answer = response.status.to_le_bytes().to_vec();
            for name in [&b"content-type"[..], b"location"] {
                answer.extend_from_slice(response.headers.get(name).unwrap_or_default());
                answer.push(0);
            }
            answer.extend_from_slice(&response.body.bytes);
            answered.exchanges.push((digest::prefix(&digest::sha1(&answer)), headers));
        }
    }

    /// The proposals.
    pub(super) fn proposals(self) -> Vec<Single> {
        let mut found: BTreeMap<(Endpoint, String), u64> = BTreeMap::new();
        for answered in self.answered.into_values() {
            for name in tells_apart(&answered.exchanges) {
                let exchanges = answered.exchanges.len() as u64;
                *found.entry((answered.endpoint.clone(), name)).or_default() += exchanges;
            }
        }
        found.into_iter().map(|((endpoint, name), exchanges)| proposal(endpoint, &name, exchanges)).collect()
    }
}

fn proposal(endpoint: Endpoint, name: &str, exchanges: u64) -> Single {
    let is_caller = family(name.as_bytes()) == Some(Family::Credential);
    let (says, place) = match is_caller {
        true => (Says::Callers, format!("header.{name}")),
        false => (Says::Require, name.to_owned()),
    };
    let why = format!("recorded answers to one request differ by it in {exchanges} exchanges");
    Single { endpoint, says, place, why, exchanges, assumed: false }
}

/// Returns whether a header that doesn't count by itself may make answers differ.
fn may_tell_apart(name: &[u8], value: &[u8]) -> bool {
    match family(name) {
        Some(Family::Credential) => {
            let start = value.trim_ascii_start();
            !SIGNED.iter().any(|scheme| {
                start.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            })
        }
        Some(Family::Client) => true,
        _ => false,
    }
}

/// The headers of which each value has answers of its own.
fn tells_apart(exchanges: &[(u64, Vec<(String, u64)>)]) -> Vec<String> {
    let answers: BTreeSet<u64> = exchanges.iter().map(|(answer, _)| *answer).collect();
    if answers.len() < 2 {
        return Vec::new();
    }
    let names: BTreeSet<&String> =
        exchanges.iter().flat_map(|(_, headers)| headers).map(|(name, _)| name).collect();
    let tells = |name: &&String| {
        // A request without the header is told apart by that.
        let value = |headers: &[(String, u64)]| {
            headers.iter().find(|(known, _)| known == *name).map(|(_, value)| *value)
        };
        let mut by_value: BTreeMap<Option<u64>, Vec<u64>> = BTreeMap::new();
        for (answer, headers) in exchanges {
            by_value.entry(value(headers)).or_default().push(*answer);
        }
        // A client that polls and was renewed once has two values with an answer each, by accident.
        let is_client = family(name.as_bytes()) == Some(Family::Client);
        let is_accident = is_client && by_value.values().any(|answers| answers.len() < 2);
        let distinct = |answers: &Vec<u64>| answers.iter().collect::<BTreeSet<_>>().len();
        let sum: usize = by_value.values().map(distinct).sum();
        by_value.len() > 1 && !is_accident && sum == answers.len()
    };
    names.into_iter().filter(tells).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_tells_apart_when_each_value_has_answers_of_its_own() {
        let check = |exchanges: &[(u64, &[(&str, u64)])], expect: &[&str]| {
            let exchanges: Vec<_> = exchanges
                .iter()
                .map(|(answer, headers)| {
                    (*answer, headers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
                })
                .collect();
            assert_eq!(tells_apart(&exchanges), expect);
        };
        let agent = |value| [("user-agent", value)];
        check(&[(1, &agent(7)), (2, &agent(8))], &[]);
        check(&[(1, &agent(7)), (2, &agent(8)), (1, &agent(7)), (2, &agent(8))], &["user-agent"]);
        let auth = |value| [("authorization", value)];
        check(&[(1, &auth(7)), (2, &auth(8))], &["authorization"]);
        check(&[(1, &auth(7)), (1, &auth(8))], &[]);
        // One caller that polls.
        check(&[(1, &auth(7)), (2, &auth(7))], &[]);
        // Two callers that poll.
        check(&[(1, &auth(7)), (2, &auth(7)), (3, &auth(8)), (4, &auth(8))], &["authorization"]);
        check(&[(1, &auth(7)), (2, &auth(8)), (2, &auth(7))], &[]);
        check(&[(1, &auth(7)), (2, &[])], &["authorization"]);
    }

    #[test]
    fn signatures_of_one_request_say_nothing_of_callers() {
        let check = |value: &str, expect: bool| {
            assert_eq!(may_tell_apart(b"Authorization", value.as_bytes()), expect, "{value}");
        };
        check("Bearer redacted-1234", true);
        check("Basic abc", true);
        check("AWS4-HMAC-SHA256 Credential=x", false);
        check("SharedKey account:signature", false);
        check("OAuth oauth_consumer_key=x", false);
        assert!(!may_tell_apart(b"x-request-id", b"1"));
        assert!(may_tell_apart(b"User-Agent", b"curl"));
    }
}
