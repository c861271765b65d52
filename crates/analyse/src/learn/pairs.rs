//! Two recordings of the same run, request by request: what is different changes by itself.

use super::endpoint::Endpoint;
use super::seen::{Request, Seen};
use std::collections::BTreeMap;

/// How often a place had the same value in both recordings, and how often another. Values that an answer issued in its recording
/// don't count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Compared {
    pub(super) same: u64,
    pub(super) different: u64,
}

/// Compares two recordings. The n-th request to an endpoint is paired with the n-th; endpoints that were asked another number of times tell
/// nothing.
pub(super) fn compare(first: &Seen, second: &Seen) -> BTreeMap<(Endpoint, String), Compared> {
    let mut compared = BTreeMap::new();
    for (endpoint, requests) in &first.requests {
        let others = second.requests.get(endpoint).map(Vec::as_slice).unwrap_or_default();
        if requests.len() == others.len() {
            for (a, b) in requests.iter().zip(others) {
                pair(first, second, endpoint, (a, b), &mut compared);
            }
        }
    }
    compared
}

fn pair(
    first: &Seen,
    second: &Seen,
    endpoint: &Endpoint,
    (a, b): (&Request, &Request),
    compared: &mut BTreeMap<(Endpoint, String), Compared>,
) {
    let same_places = a.len() == b.len() && a.iter().zip(b).all(|((a, _), (b, _))| a == b);
    if !same_places {
        return;
    }
    for ((place, old), (_, new)) in a.iter().zip(b) {
        let entry = compared.entry((endpoint.clone(), place.clone())).or_default();
        if old == new {
            entry.same += 1;
        } else if !first.issued.is(*old) && !second.issued.is(*new) {
            entry.different += 1;
        }
    }
}
