//! Names and values, sorted by name. One sort for all that sort them: each copy of the standard library's would be kilobytes of the filter.

/// A name and a value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Sorts by name; pairs of one name keep their order.
#[inline(never)]
pub(super) fn sort(pairs: &mut [Pair]) {
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
}
