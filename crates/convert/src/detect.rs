//! Which format a file has, by what is in it. A name says nothing: everything is called `.json`.

use crate::error::ConvertError;
use crate::files;
use crate::format::Format;
use std::io::Read;
use std::path::Path;
use understudy_snapshot::HEADER_FILE;
use understudy_snapshot::SnapshotError;

/// So much of a file is looked at.
const LOOK: u64 = 1 << 20;
/// So many files of a folder are.
const FILES: usize = 100;

/// The format of a file or of a folder's files.
///
/// # Errors
/// [`ConvertError::Unknown`] where nothing says which it is; [`ConvertError::NotImportable`] where it is a snapshot.
pub fn detect(path: &Path) -> Result<Format, ConvertError> {
    if path.join(HEADER_FILE).is_file() {
        let problem = "it is a snapshot already".to_owned();
        return Err(ConvertError::NotImportable { path: path.to_owned(), problem });
    }
    if path.join("mappings").is_dir() {
        return Ok(Format::Wiremock);
    }
    for file in files::below(path, &[".md", ".json", ".jsonl", ".jsonl.gz", ".har"])?.iter().take(FILES) {
        let mut start = Vec::new();
        let read = files::open(file)?.take(LOOK).read_to_end(&mut start);
        read.map_err(SnapshotError::io("read", file))?;
        if let Some(format) = of_content(&start) {
            return Ok(format);
        }
    }
    Err(ConvertError::Unknown { path: path.to_owned() })
}

fn of_content(start: &[u8]) -> Option<Format> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    if start.starts_with(b"### REQUEST") {
        return Some(Format::Rrpair);
    }
    let keys = keys(start);
    let has = |name: &str| keys.contains(&name.as_bytes());
    if has("log") {
        Some(Format::Har)
    } else if has("msgType") || has("l7protocol") {
        Some(Format::Rrpair)
    } else if has("mappings") || has("request") && has("response") {
        Some(Format::Wiremock)
    } else if has("data") || has("meta") {
        Some(Format::Hoverfly)
    } else {
        None
    }
}

/// The keys of the object that the text begins with, as far as it goes. A key with an escape in it is none that is looked for.
fn keys(text: &[u8]) -> Vec<&[u8]> {
    let mut keys = Vec::new();
    if text.first() != Some(&b'{') {
        return keys;
    }
    let (mut depth, mut at, mut last) = (0u64, 0, None);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                let Some(length) = string_length(text.get(at + 1..).unwrap_or_default()) else { break };
                last = text.get(at + 1..at + 1 + length);
                at += length + 1;
            }
            b':' if depth == 1 => keys.extend(last.take()),
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => break,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    keys
}

fn string_length(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_content() {
        let check =
            |text: &str, expect: Option<Format>| assert_eq!(of_content(text.as_bytes()), expect, "{text}");
        check("\u{feff}### REQUEST ###\n", Some(Format::Rrpair));
        check("{\"resource\":\"log\",\"http\":{\"log\":1},\"msgType\":\"rrpair\"}\n{", Some(Format::Rrpair));
        check(" {\"log\":{\"version\":\"1.2\",\"entries\":[{\"request\":", Some(Format::Har));
        check("{\"mappings\": [", Some(Format::Wiremock));
        check("{\"request\":{\"url\":\"\\\"}\"},\"response\":{}}", Some(Format::Wiremock));
        check("{\"data\":{\"pairs\":[]},\"meta\":{}}", Some(Format::Hoverfly));
        for other in ["", "[]", "{}", "{\"a\"", "\"log\"", "{\"a\":{\"log\":1}}", "# log"] {
            check(other, None);
        }
    }
}
