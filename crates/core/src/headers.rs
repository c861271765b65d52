//! Header lists as one block of bytes, in the encoding of proxy-wasm hosts.
//!
//! Envoy passes and accepts header maps in this form, so that a recorded answer's headers go from
//! the table to Envoy without being parsed. Names and values are bytes: nothing here assumes UTF-8.
//!
//! Encoding (proxy-wasm ABI 0.2.1, "header map pairs"): `u32` count; for each pair `u32` name
//! length, `u32` value length; then for each pair name, NUL, value, NUL. Little endian.

/// An ordered list of header names and values. Names can be repeated.
#[derive(Clone, Default)]
pub struct Headers {
    block: Vec<u8>,
}

impl Headers {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wraps a block of the host. A malformed block has the pairs before its first error.
    pub fn from_block(block: Vec<u8>) -> Self {
        Self { block }
    }

    /// Encodes pairs.
    pub fn from_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut lengths = Vec::new();
        let mut data = Vec::new();
        let mut count: u32 = 0;
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            lengths.extend_from_slice(&length(name).to_le_bytes());
            lengths.extend_from_slice(&length(value).to_le_bytes());
            data.extend_from_slice(name);
            data.push(0);
            data.extend_from_slice(value);
            data.push(0);
            count = count.saturating_add(1);
        }
        if count == 0 {
            return Self::default();
        }
        let mut block = count.to_le_bytes().to_vec();
        block.append(&mut lengths);
        block.append(&mut data);
        Self { block }
    }

    /// The block in the host's encoding.
    pub fn as_block(&self) -> &[u8] {
        &self.block
    }

    /// The size in memory, in bytes.
    pub fn size(&self) -> usize {
        self.block.len()
    }

    /// Returns whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The pairs in order.
    pub fn iter(&self) -> Iter<'_> {
        let count = read_u32(&self.block, 0).unwrap_or(0);
        let lengths_end =
            usize::try_from(count).ok().and_then(|n| n.checked_mul(8)).and_then(|n| n.checked_add(4));
        match lengths_end {
            Some(data) if data <= self.block.len() => {
                Iter { block: &self.block, lengths: 4, data, left: count }
            }
            _ => Iter { block: &self.block, lengths: 0, data: 0, left: 0 },
        }
    }

    /// The first value of `name`. ASCII case doesn't matter.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(n, v)| (String::from_utf8_lossy(n), String::from_utf8_lossy(v))))
            .finish()
    }
}

/// Iterates over the pairs of [`Headers`].
#[derive(Clone)]
pub struct Iter<'a> {
    block: &'a [u8],
    lengths: usize,
    data: usize,
    left: u32,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name_len = usize::try_from(read_u32(self.block, self.lengths)?).ok()?;
        let value_len = usize::try_from(read_u32(self.block, self.lengths.checked_add(4)?)?).ok()?;
        self.lengths = self.lengths.checked_add(8)?;
        let name_end = self.data.checked_add(name_len)?;
        let value_start = name_end.checked_add(1)?;
        let value_end = value_start.checked_add(value_len)?;
        let pair = (self.block.get(self.data..name_end)?, self.block.get(value_start..value_end)?);
        self.data = value_end.checked_add(1)?;
        Some(pair)
    }
}

fn read_u32(block: &[u8], at: usize) -> Option<u32> {
    let bytes = block.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_order_repeats_and_raw_bytes() {
        let pairs: Vec<(&[u8], &[u8])> =
            vec![(b"a", b"1"), (b"set-cookie", b"x"), (b"set-cookie", b"\xff\0y"), (b"", b"")];
        let headers = Headers::from_pairs(pairs.clone());
        assert_eq!(headers.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(headers.get(b"Set-Cookie"), Some(&b"x"[..]));
    }

    #[test]
    fn malformed_block_never_panics() {
        let block = Headers::from_pairs([("name", "value"), ("other", "thing")]).block;
        for end in 0..block.len() {
            let cut = Headers::from_block(block[..end].to_vec());
            assert!(cut.iter().count() <= 2);
        }
        let lies = Headers::from_block(vec![0xff; 64]);
        assert_eq!(lies.iter().count(), 0);
    }
}
