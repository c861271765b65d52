//! A set of numbers from 1 up, kept as runs: numbers in order are one run, however many there are.
//! Never forgets a number.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Runs by their start. Between two runs there is always a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    pub(crate) fn contains(&self, n: u64) -> bool {
        self.0.range(..=n).next_back().is_some_and(|(_, end)| n <= *end)
    }

    /// Adds `n` and returns whether it is new.
    pub(crate) fn insert(&mut self, n: u64) -> bool {
        if self.contains(n) {
            return false;
        }
        let end = match n.checked_add(1).and_then(|next| self.0.remove(&next)) {
            Some(end) => end,
            None => n,
        };
        match self.0.range_mut(..n).next_back() {
            Some((_, before)) if before.checked_add(1) == Some(n) => *before = end,
            _ => drop(self.0.insert(n, end)),
        }
        true
    }

    /// Returns whether adding `n` would begin another run.
    pub(crate) fn opens_run(&self, n: u64) -> bool {
        let neighbours = n.saturating_sub(1)..=n.saturating_add(1);
        !neighbours.into_iter().any(|n| self.contains(n))
    }

    pub(crate) fn runs(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn highest(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, end)| *end)
    }

    /// The number of numbers from 1 to the highest that aren't in the set.
    pub(crate) fn missing(&self) -> u64 {
        self.gaps().map(|gap| gap.end() - gap.start() + 1).sum()
    }

    /// The numbers from 1 to the highest that aren't in the set.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        let ends = std::iter::once(0).chain(self.0.values().copied());
        ends.zip(self.0.keys()).map(|(end, start)| end + 1..=start - 1).filter(|gap| !gap.is_empty())
    }
}

impl Serialize for Ranges {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Ranges {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let runs = Vec::<(u64, u64)>::deserialize(deserializer)?;
        let mut last = 0u64;
        for (start, end) in &runs {
            // A run that touches the one before would be part of it.
            if *start <= last || (last > 0 && *start == last + 1) || end < start {
                return Err(serde::de::Error::custom("the runs aren't in order"));
            }
            last = *end;
        }
        Ok(Ranges(runs.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_of_any_numbers_behave_like_a_set(numbers in prop::collection::vec(1u64..60, 0..80)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for n in numbers {
                let runs = ranges.runs();
                let opens = ranges.opens_run(n);
                prop_assert_eq!(ranges.insert(n), set.insert(n));
                prop_assert_eq!(opens, ranges.runs() > runs);
            }
            let highest = set.last().copied().unwrap_or(0);
            prop_assert_eq!(ranges.highest(), highest);
            for n in 1..62 {
                prop_assert_eq!(ranges.contains(n), set.contains(&n));
            }
            let gaps: Vec<u64> = ranges.gaps().flatten().collect();
            let expect: Vec<u64> = (1..=highest).filter(|n| !set.contains(n)).collect();
            prop_assert_eq!(ranges.missing(), expect.len() as u64);
            prop_assert_eq!(gaps, expect);
            let text = serde_json::to_string(&ranges).unwrap();
            prop_assert_eq!(serde_json::from_str::<Ranges>(&text).unwrap(), ranges);
        }
    }

    #[test]
    fn ranges_at_the_largest_number_stay_correct() {
        let mut ranges = Ranges::default();
        assert!(ranges.insert(u64::MAX) && !ranges.insert(u64::MAX) && ranges.insert(1));
        assert!(ranges.insert(u64::MAX - 1));
        assert_eq!((ranges.runs(), ranges.missing()), (2, u64::MAX - 3));
        assert!(serde_json::from_str::<Ranges>("[[5,6],[7,9]]").is_err());
        assert!(serde_json::from_str::<Ranges>("[[5,4]]").is_err());
    }
}
