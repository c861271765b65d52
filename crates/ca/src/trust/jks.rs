//! Java's key stores (JKS, version 2), as far as trusted certificates need it. Each Java from 8 on
//! reads them, whatever its default type.
//!
//! PKCS #12 is the newer format, but Java 8 reads it only with an obsolete cipher.
//! Source: `sun.security.provider.JavaKeyStore`.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const PRIVATE_KEY: u32 = 1;
const TRUSTED: u32 = 2;
/// A constant in the digest, after the password.
const SALT: &[u8] = b"Mighty Aphrodite";
const DIGEST_LEN: usize = 20;

/// A store with these certificates, under the aliases `understudy-0`, `understudy-1` and so on.
pub(crate) fn write(certificates: &[Vec<u8>], password: &str, time_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let count = u32::try_from(certificates.len()).unwrap_or(u32::MAX);
    for number in [MAGIC, VERSION, count] {
        out.extend(number.to_be_bytes());
    }
    for (number, certificate) in (0..count).zip(certificates) {
        out.extend(TRUSTED.to_be_bytes());
        put_text(&mut out, &format!("understudy-{number}"));
        out.extend(time_ms.to_be_bytes());
        put_text(&mut out, "X.509");
        out.extend(u32::try_from(certificate.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(certificate);
    }
    let digest = digest(&out, password);
    out.extend(digest);
    out
}

/// The trusted certificates of a store; `None` if the bytes aren't one. The digest isn't checked,
/// because the password is unknown.
pub(crate) fn read(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = bytes.get(..bytes.len().checked_sub(DIGEST_LEN)?)?;
    let rest = &mut rest;
    let (magic, version, count) = (number(rest)?, number(rest)?, number(rest)?);
    if magic != MAGIC || version != VERSION {
        return None;
    }
    let mut certificates = Vec::new();
    for _ in 0..count {
        let kind = number(rest)?;
        text(rest)?;
        take(rest, 8)?;
        match kind {
            TRUSTED => certificates.push(certificate(rest)?.to_vec()),
            PRIVATE_KEY => {
                let length = number(rest)?;
                take(rest, length)?;
                for _ in 0..number(rest)? {
                    certificate(rest)?;
                }
            }
            _ => return None,
        }
    }
    Some(certificates)
}

fn digest(content: &[u8], password: &str) -> impl IntoIterator<Item = u8> + use<> {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in password.encode_utf16() {
        context.update(&unit.to_be_bytes());
    }
    context.update(SALT);
    context.update(content);
    context.finish().as_ref().to_vec()
}

/// Writes ASCII text, which is the same in Java's modified UTF-8.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(text.as_bytes());
}

fn certificate<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    text(rest)?;
    let length = number(rest)?;
    take(rest, length)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    take(rest, length.into())
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8], length: u32) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn store_written_is_read_back(certificates: Vec<Vec<u8>>) {
            prop_assert_eq!(read(&write(&certificates, "changeit", 0)), Some(certificates));
        }

        #[test]
        fn damaged_store_is_read_in_bounded_memory(certificates: Vec<Vec<u8>>, at: prop::sample::Index, byte: u8, keep: prop::sample::Index) {
            let mut bytes = write(&certificates, "changeit", 0);
            let length = bytes.len();
            bytes[at.index(length)] = byte;
            bytes.truncate(keep.index(length + 1));
            // Reading ends, and returns no more bytes than the store has.
            let read: usize = read(&bytes).unwrap_or_default().iter().map(Vec::len).sum();
            prop_assert!(read <= bytes.len());
        }
    }
}
