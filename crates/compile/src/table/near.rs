//! What misses are explained with: for each feature the signatures that have it.

use super::blobs::to_u32;
use hashbrown::HashMap;
use understudy_core::table::{Features, NEAR_MAX, POSTING_LEN, RECORD_LEN};

/// Each signature is found by its rarest parts, so many of them. Those that all share would lead to all.
const RAREST: usize = 4;
/// Of a signature's parts so many are looked at.
const KEPT: usize = 32;

/// The features of all signatures, in their order.
#[derive(Debug, Default)]
pub(super) struct Near {
    all: Vec<([u32; 3], Box<[u32]>)>,
    counts: HashMap<u32, u32>,
}

impl Near {
    /// What a signature costs in the table at most, in bytes.
    pub(super) const LENGTH_EACH: usize = (RAREST + 3) * POSTING_LEN as usize + RECORD_LEN as usize;

    /// Takes in the features of the next signature.
    pub(super) fn add(&mut self, features: Features) {
        let mut fine = features.fine;
        fine.truncate(KEPT);
        for feature in features.coarse.iter().chain(&fine) {
            *self.counts.entry(*feature).or_default() += 1;
        }
        self.all.push((features.coarse, fine.into_boxed_slice()));
    }

    /// The postings: pairs of a feature and a signature's number, sorted, at most [`NEAR_MAX`] for one feature.
    pub(super) fn postings(self) -> Vec<(u32, u32)> {
        let Self { all, counts } = self;
        let count = |feature: &u32| counts.get(feature).copied().unwrap_or(0);
        let mut postings = Vec::with_capacity(all.len() * RAREST);
        let mut taken: HashMap<u32, usize> = HashMap::new();
        for (number, (coarse, mut fine)) in (0u32..).zip(all) {
            fine.sort_by_key(|feature| (count(feature), *feature));
            for feature in coarse.into_iter().chain(fine.into_iter().take(RAREST)) {
                // One that nothing else has needs no counting.
                let room = count(&feature) as usize <= NEAR_MAX || {
                    let taken = taken.entry(feature).or_default();
                    *taken += 1;
                    *taken <= NEAR_MAX
                };
                if room {
                    postings.push((feature, number));
                }
            }
        }
        postings.sort_unstable();
        postings.dedup();
        postings
    }
}

/// Appends the section's bytes.
pub(super) fn write(postings: &[(u32, u32)], out: &mut Vec<u8>) {
    for (feature, number) in postings {
        out.extend_from_slice(&feature.to_le_bytes());
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// The length of the postings and of the records, in bytes.
pub(super) fn lengths(postings: usize, signatures: usize) -> (usize, usize) {
    (postings * POSTING_LEN as usize, to_u32(signatures) as usize * RECORD_LEN as usize)
}
