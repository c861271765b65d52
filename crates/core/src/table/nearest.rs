//! Finds the recorded requests that have most in common with a signature. Bounded: at most some
//! thousand small reads, however large the table is.

use super::entry::Blob;
use super::features::Features;
use super::layout::{NEAR_MAX, POSTING_LEN, RECORD_LEN};
use super::reader::{Segment, Table, u32_at};
use hashbrown::HashMap;

/// Weights of the features of a whole signature, the finest first.
const COARSE_VOTES: [u32; 3] = [4, 2, 1];
/// Weight of a part. The recorded requests with the part share it, so that a rare part weighs more.
const FINE_VOTES: usize = 1000;

/// A recorded signature, as it is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Place of the signature's bytes. Long values may be cut.
    pub signature: Blob,
    /// The identifier of the first exchange with it.
    pub exchange: Blob,
}

impl<S: Segment> Table<S> {
    /// The recorded requests that have most in common with these features, at most `most`; the best
    /// first.
    pub fn nearest(&self, features: &Features, most: usize) -> Vec<Record> {
        let mut votes: HashMap<u32, u32> = HashMap::new();
        let mut vote = |records: Vec<u32>, count: u32| {
            for record in records {
                let sum = votes.entry(record).or_default();
                *sum = sum.saturating_add(count);
            }
        };
        for (feature, count) in features.coarse.iter().zip(COARSE_VOTES) {
            vote(self.records_with(*feature), count);
        }
        for feature in &features.fine {
            let records = self.records_with(*feature);
            let count = FINE_VOTES.checked_div(records.len()).unwrap_or(0);
            vote(records, u32::try_from(count).unwrap_or(0));
        }
        let mut found: Vec<(u32, u32)> = votes.into_iter().collect();
        // The first recorded of those with as many: no order depends on a hash.
        found.sort_unstable_by_key(|&(record, votes)| (std::cmp::Reverse(votes), record));
        found.into_iter().take(most).filter_map(|(record, _)| self.record(record)).collect()
    }

    /// The numbers of the records with a feature.
    fn records_with(&self, feature: u32) -> Vec<u32> {
        let near = self.near();
        let count = near.length / POSTING_LEN;
        let at = |i: u32| near.offset.saturating_add(i.saturating_mul(POSTING_LEN));
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            let mut posting = [0; 4];
            if !self.segment().read(at(middle), &mut posting) {
                return Vec::new();
            }
            if u32::from_le_bytes(posting) < feature {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        let most = u32::try_from(NEAR_MAX).unwrap_or(u32::MAX);
        let length = count.saturating_sub(low).min(most).saturating_mul(POSTING_LEN);
        let mut postings = vec![0; usize::try_from(length).unwrap_or(0)];
        if !self.segment().read(at(low), &mut postings) {
            return Vec::new();
        }
        let pairs = postings.chunks_exact(8).filter_map(|pair| Some((u32_at(pair, 0)?, u32_at(pair, 4)?)));
        pairs.take_while(|(found, _)| *found == feature).map(|(_, record)| record).collect()
    }

    fn record(&self, number: u32) -> Option<Record> {
        let records = self.records();
        let start = number.checked_mul(RECORD_LEN)?;
        if start.checked_add(RECORD_LEN)? > records.length {
            return None;
        }
        let mut bytes = [0; RECORD_LEN as usize];
        if !self.segment().read(records.offset.checked_add(start)?, &mut bytes) {
            return None;
        }
        let blob = |at: usize| {
            Some(Blob { offset: u32_at(&bytes, at)?, length: u32_at(&bytes, at.checked_add(4)?)? })
        };
        Some(Record { signature: blob(0)?, exchange: blob(8)? })
    }
}
