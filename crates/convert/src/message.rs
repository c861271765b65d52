//! What every import does with a message: header names in lower case, and no header that says of the body what isn't so any more.

use flate2::Crc;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::io::Read;
use understudy_core::headers::Headers;

/// A body that is undone is refused beyond this, in bytes: a small file must not become a big one.
const DECODED_MAX: u64 = 256 << 20;

/// Headers as an exchange has them, and what was done to them.
pub(super) struct Tidied {
    /// The headers.
    pub(super) headers: Headers,
    /// What is to be said.
    pub(super) changed: Vec<&'static str>,
}

/// Makes an exchange's headers of those that a file has for a message with this body.
///
/// Left away without a word: pseudo-headers, `host` (the backend has it), `transfer-encoding`, and a `content-length` that isn't the
/// body's: they are of the connection. `content-encoding` goes, and is told of, where the body isn't compressed so; `x-amz-crc32` where
/// it isn't the body's.
pub(super) fn tidy<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    pairs: impl IntoIterator<Item = (N, V)>,
    body: &[u8],
) -> Tidied {
    let (mut kept, mut changed) = (Vec::new(), Vec::new());
    for (name, value) in pairs {
        let (name, value) = (name.as_ref().to_ascii_lowercase(), value.as_ref());
        match name.as_slice() {
            b"host" | b"transfer-encoding" => continue,
            b"content-length" if value != body.len().to_string().as_bytes() => continue,
            b"content-encoding" if !is_compressed(value, body) => {
                changed.push("the body is kept decoded, as it stands there: content-encoding dropped");
                continue;
            }
            b"x-amz-crc32" if value != crc32(body).to_string().as_bytes() => {
                changed.push("x-amz-crc32 isn't that of the body as it stands there: dropped");
                continue;
            }
            _ if name.starts_with(b":") => continue,
            _ => {}
        }
        kept.push((name, value.to_vec()));
    }
    Tidied { headers: Headers::from_pairs(kept), changed }
}

fn crc32(body: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(body);
    crc.sum()
}

/// Whether a body is in the coding that `content-encoding` names last; an unknown one is believed, and so is that of an empty body.
fn is_compressed(encoding: &[u8], body: &[u8]) -> bool {
    if body.is_empty() {
        return true;
    }
    match last_coding(encoding).as_slice() {
        b"gzip" | b"x-gzip" => body.starts_with(&[0x1f, 0x8b]),
        b"zstd" => body.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        b"deflate" => is_zlib(body),
        // It has no mark of its own.
        b"br" => std::str::from_utf8(body).is_err(),
        _ => true,
    }
}

fn last_coding(encoding: &[u8]) -> Vec<u8> {
    encoding.rsplit(|&b| b == b',').next().unwrap_or_default().trim_ascii().to_ascii_lowercase()
}

/// RFC 1950, 2.2: the first two bytes are a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 15 == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31))
}

/// A body without its content coding; the reason where it can't be undone.
pub(super) fn decoded(headers: &Headers, body: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let Some(encoding) = headers.get(b"content-encoding").filter(|_| !body.is_empty()) else {
        return Ok(None);
    };
    if encoding.eq_ignore_ascii_case(b"identity") {
        return Ok(None);
    }
    let mut out = Vec::new();
    let read = match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
        b"gzip" | b"x-gzip" => MultiGzDecoder::new(body).take(DECODED_MAX + 1).read_to_end(&mut out),
        b"deflate" => ZlibDecoder::new(body).take(DECODED_MAX + 1).read_to_end(&mut out),
        _ => return Err("its body is compressed in a way that can't be undone here"),
    };
    match read {
        Ok(length) if length as u64 <= DECODED_MAX => Ok(Some(out)),
        Ok(_) => Err("its body is longer than 256 MiB when it is decompressed"),
        Err(_) => Err("its body isn't compressed as its content-encoding says"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::GzEncoder;

    #[test]
    fn headers_fit_the_body() {
        let check = |pairs: &[(&str, &str)], body: &[u8], expect: &[&str], notes: usize| {
            let tidied = tidy(pairs.iter().copied(), body);
            let names: Vec<_> = tidied.headers.iter().map(|(n, _)| String::from_utf8_lossy(n)).collect();
            assert_eq!((names.as_slice(), tidied.changed.len()), (expect.map_cow().as_slice(), notes));
        };
        trait MapCow {
            fn map_cow(&self) -> Vec<std::borrow::Cow<'_, str>>;
        }
        impl MapCow for [&str] {
            fn map_cow(&self) -> Vec<std::borrow::Cow<'_, str>> {
                self.iter().map(|s| (*s).into()).collect()
            }
        }
        check(
            &[(":method", "GET"), ("Host", "h"), ("Transfer-Encoding", "chunked"), ("X-A", "1")],
            b"",
            &["x-a"],
            0,
        );
        check(&[("Content-Length", "2")], b"ab", &["content-length"], 0);
        check(&[("Content-Length", "3")], b"ab", &[], 0);
        check(&[("Content-Encoding", "gzip")], b"plain", &[], 1);
        check(&[("Content-Encoding", "br, GZIP")], b"\x1f\x8b...", &["content-encoding"], 0);
        check(&[("Content-Encoding", "br")], b"plain", &[], 1);
        check(&[("Content-Encoding", "br")], b"\xff\x00", &["content-encoding"], 0);
        check(&[("Content-Encoding", "aws-chunked")], b"x", &["content-encoding"], 0);
        check(&[("X-Amz-Crc32", "2745614147")], b"{}", &["x-amz-crc32"], 0);
        check(&[("X-Amz-Crc32", "2745614147")], b"{ }", &[], 1);
    }

    #[test]
    fn bodies_are_undone() {
        let mut packed = Vec::new();
        GzEncoder::new(&b"hello"[..], Compression::default()).read_to_end(&mut packed).unwrap();
        let headers = |coding: &str| Headers::from_pairs([("content-encoding", coding)]);
        assert_eq!(decoded(&headers("gzip"), &packed), Ok(Some(b"hello".to_vec())));
        assert_eq!(decoded(&headers("identity"), b"x"), Ok(None));
        assert_eq!(decoded(&Headers::new(), b"x"), Ok(None));
        assert!(decoded(&headers("gzip"), b"x").is_err());
        assert!(decoded(&headers("br"), b"x").is_err());
    }
}
