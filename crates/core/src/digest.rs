//! The digest of a signature: SHA-1 over length-prefixed fields, equal on every target.
//!
//! SHA-1 serves as a compact name here and gives no protection: whoever can write a table can write
//! any answer into it.

/// A signature's digest.
pub type Digest = [u8; 20];

/// SHA-1 of the bytes (FIPS 180-4).
pub fn sha1(bytes: &[u8]) -> Digest {
    let mut hasher = sha1_smol::Sha1::new();
    hasher.update(bytes);
    hasher.digest().bytes()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// The first eight bytes of a digest, as the key of a table's index.
pub fn prefix(digest: &Digest) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_of_known_text_is_known_digest() {
        assert_eq!(hex(&sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            prefix(&sha1(b"abc")),
            u64::from_le_bytes([0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a])
        );
    }
}
