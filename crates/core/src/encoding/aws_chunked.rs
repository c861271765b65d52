//! Decoding of `aws-chunked`: the chunks in which AWS SDKs sign and checksum a body while they send
//! it. Verifies no signature and no checksum.
//!
//! Source: "Signature calculations for the Authorization header: transferring payload in multiple
//! chunks" and "... including trailing headers", Amazon S3 API reference.

/// The payload of all chunks. Chunk signatures and trailers (checksums) are dropped. SDKs differ in
/// the end of the last chunk and of the trailers. `None`: any other deviation from the documents.
pub(super) fn undo(body: &[u8], cap: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = body;
    loop {
        let (line, after) = split_line(rest);
        let length = chunk_length(line)?;
        let after = match after {
            Some(after) => after,
            None if length == 0 => return Some(out),
            None => return None,
        };
        if length == 0 {
            return are_trailers(after).then_some(out);
        }
        let (data, after) = after.split_at_checked(length)?;
        if out.len().saturating_add(length) > cap {
            return None;
        }
        out.extend_from_slice(data);
        rest = after.strip_prefix(b"\r\n")?;
    }
}

/// A line, and the text after its CRLF, if it has one.
fn split_line(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.windows(2).position(|pair| pair == b"\r\n") {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at.saturating_add(2)..)),
        None => (text, None),
    }
}

/// A chunk's length: hexadecimal, before an extension (`;chunk-signature=...`).
fn chunk_length(line: &[u8]) -> Option<usize> {
    let digits = line.split(|&b| b == b';').next()?;
    if !(1..=16).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let length = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    usize::try_from(length).ok()
}

/// Returns whether the text is empty or consists of `name:value` lines, followed at most by empty
/// lines.
fn are_trailers(text: &[u8]) -> bool {
    let mut lines = text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let named = |line: &[u8]| line.iter().position(|&b| b == b':').is_some_and(|at| at > 0);
    let ended = lines.by_ref().find(|line| !named(line));
    ended.is_none_or(<[u8]>::is_empty) && lines.all(<[u8]>::is_empty)
}
