//! Checks that an answer is the recorded one, except for live values that replace recorded ones.

use crate::reference::{Reading, header};
use std::collections::HashSet;
use understudy_core::encoding;
use understudy_core::engine::Reply;
use understudy_core::exchange::Exchange;

/// Request headers that backends repeat.
const REPEATED: [&str; 7] = [
    "idempotency-key",
    "x-idempotency-key",
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "correlation-id",
    "x-client-request-id",
];

pub(super) fn check(
    recorded: &Exchange,
    reading: &Reading<'_>,
    live: &Exchange,
    live_reading: &Reading<'_>,
    reply: &Reply,
) -> Result<(), String> {
    let response = recorded.response.as_ref().ok_or("it has no answer")?;
    if reply.status != response.status {
        return Err(format!("status {} in place of {}", reply.status, response.status));
    }
    let bodiless = recorded.request.method == b"HEAD" || matches!(response.status, 204 | 205 | 304);
    if bodiless {
        return if reply.body.is_empty() { Ok(()) } else { Err("a body that there can't be".to_owned()) };
    }
    let mut swaps: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let values = reading.taken.iter().cloned().zip(live_reading.taken.iter().cloned());
    let headers = REPEATED
        .iter()
        .filter_map(|name| Some((header(recorded, name)?.to_vec(), header(live, name)?.to_vec())));
    for (old, new) in values.chain(headers) {
        let quoted = |text: &[u8]| {
            serde_json::to_string(&String::from_utf8_lossy(text)).unwrap_or_default().into_bytes()
        };
        let inner = |text: Vec<u8>| text[1..text.len() - 1].to_vec();
        swaps.push((inner(quoted(&old)), inner(quoted(&new))));
        swaps.push((quoted(&old), new.clone()));
        swaps.push((old.clone(), quoted(&new)));
        swaps.push((old, new));
    }
    swaps.sort();
    swaps.dedup();
    let old = &response.body.bytes;
    let coding = response.headers.get(b"content-encoding").unwrap_or_default();
    let undone = encoding::undo(coding, old, 64 << 20);
    let is_it = |old: &[u8]| equal_but_for(old, &reply.body, &swaps);
    if is_it(old) || undone.is_some_and(|undone| is_it(&undone)) {
        return Ok(());
    }
    let show = |text: &[u8]| String::from_utf8_lossy(&text[..text.len().min(300)]).into_owned();
    Err(format!("{:?} in place of {:?}", show(&reply.body), show(old)))
}

/// Returns whether two texts differ only in recorded values that are replaced by live ones.
fn equal_but_for(recorded: &[u8], live: &[u8], swaps: &[(Vec<u8>, Vec<u8>)]) -> bool {
    let mut open = vec![(0, 0)];
    let mut seen = HashSet::new();
    while let Some((mut i, mut j)) = open.pop() {
        if !seen.insert((i, j)) {
            continue;
        }
        loop {
            for (old, new) in swaps.iter().filter(|(old, _)| !old.is_empty()) {
                if recorded[i..].starts_with(old) && live[j..].starts_with(new) {
                    open.push((i + old.len(), j + new.len()));
                }
            }
            match (recorded.get(i), live.get(j)) {
                (None, None) => return true,
                (Some(a), Some(b)) if a == b => (i, j) = (i + 1, j + 1),
                _ => break,
            }
        }
    }
    false
}
