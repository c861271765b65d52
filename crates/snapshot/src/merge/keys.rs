//! Finds the redaction key of a merged recording. It must be one key, because tokens made with two
//! keys are never equal.

use super::MergeError;
use crate::error::SnapshotError;
use crate::feed;
use crate::reader::Snapshot;
use std::path::PathBuf;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::redact::{Settings, contains_token};
use understudy_core::rules::Rules;

/// Redaction of the merged recording.
pub(super) struct Keys {
    pub(super) settings: Option<Settings>,
    /// Snapshot that the key comes from, unless it is the base.
    pub(super) key_of: Option<PathBuf>,
    /// For each of the other snapshots, the number of exchanges with tokens of another key in parts
    /// that aren't compared.
    pub(super) foreign: Vec<u64>,
}

/// Finds the key.
///
/// # Errors
/// [`MergeError::Keys`] if two keys would be needed.
pub(super) fn unite(base: &Snapshot, others: &[Snapshot], rules: &Rules) -> Result<Keys, MergeError> {
    let settings = base.header().redaction.clone();
    let mut keys = Keys { settings, key_of: None, foreign: Vec::new() };
    for other in others {
        let mut foreign = 0;
        if let Some(theirs) = &other.header().redaction {
            match &mut keys.settings {
                Some(ours) if ours.key == theirs.key => unite_names(ours, theirs),
                ours => {
                    let tokens = tokens(other, rules)?;
                    match (ours, tokens.first) {
                        (Some(_), Some(line)) => {
                            let (base, other) = (base.path().to_owned(), other.path().to_owned());
                            return Err(MergeError::Keys { base, other, count: tokens.compared, line });
                        }
                        (Some(_), None) => foreign = tokens.elsewhere,
                        (ours @ None, Some(_)) => {
                            *ours = Some(theirs.clone());
                            keys.key_of = Some(other.path().to_owned());
                        }
                        (None, None) => {}
                    }
                }
            }
        }
        keys.foreign.push(foreign);
    }
    Ok(keys)
}

fn unite_names(ours: &mut Settings, theirs: &Settings) {
    let lists = [
        (&mut ours.headers, &theirs.headers),
        (&mut ours.fields, &theirs.fields),
        (&mut ours.allow, &theirs.allow),
    ];
    for (ours, theirs) in lists {
        for name in theirs {
            if !ours.contains(name) {
                ours.push(name.clone());
            }
        }
    }
}

/// Number of exchanges with tokens.
#[derive(Default)]
struct Tokens {
    compared: u64,
    /// Line of the first of these exchanges.
    first: Option<u64>,
    /// In other parts only.
    elsewhere: u64,
}

fn tokens(snapshot: &Snapshot, rules: &Rules) -> Result<Tokens, SnapshotError> {
    let (mut tokens, mut signature) = (Tokens::default(), Signature::default());
    feed::each(snapshot, |located| {
        let located = located?;
        let exchange = &located.exchange;
        signature.set(&RequestView::from(exchange), rules);
        if exchange.direction == Direction::Outbound && contains_token(signature.as_bytes()) {
            tokens.compared += 1;
            tokens.first = tokens.first.or(Some(located.line));
        } else {
            tokens.elsewhere += u64::from(has_token(exchange));
        }
        Ok::<_, SnapshotError>(())
    })?;
    Ok(tokens)
}

fn has_token(exchange: &Exchange) -> bool {
    let request = &exchange.request;
    let asked = [request.headers.as_block(), &request.path, &request.body.bytes];
    let answered =
        exchange.response.iter().flat_map(|r| [r.headers.as_block(), r.trailers.as_block(), &r.body.bytes]);
    asked.into_iter().chain(answered).any(contains_token)
}
