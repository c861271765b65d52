//! The headers of a part, and the parameters of a header (RFC 2045, 5.1; RFC 5322, 2.2). It knows
//! no header by name.

use super::super::pairs::Pair;

/// A part's headers, names in lower case and no white space around values, and what comes after the
/// empty line that ends them. Lines end in `line_end`; in a text with bare line feeds, no line may
/// end in a carriage return.
pub(in crate::canonical) fn split<'a>(part: &'a [u8], line_end: &[u8]) -> Option<(Vec<Pair>, &'a [u8])> {
    let mut headers: Vec<Pair> = Vec::new();
    let mut rest = part;
    loop {
        let end = rest.windows(line_end.len()).position(|w| w == line_end)?;
        let line = rest.get(..end)?;
        if line.ends_with(b"\r") {
            return None;
        }
        rest = rest.get(end.checked_add(line_end.len())?..)?;
        if line.is_empty() {
            for (_, value) in &mut headers {
                *value = value.trim_ascii().to_vec();
            }
            return Some((headers, rest));
        }
        if matches!(line.first(), Some(b' ' | b'\t')) {
            // The line before goes on (RFC 5322, 2.2.3).
            headers.last_mut()?.1.extend_from_slice(line);
            continue;
        }
        let colon = line.iter().position(|&b| b == b':')?;
        let (name, value) = (line.get(..colon)?, line.get(colon.checked_add(1)?..)?);
        if name.is_empty() || !name.iter().all(|&b| b.is_ascii_graphic()) {
            return None;
        }
        headers.push((name.to_ascii_lowercase(), value.to_vec()));
    }
}

/// A header's value and the parameters behind it.
pub(super) struct Parameters<'a> {
    pub(super) value: &'a [u8],
    /// In their order: name, and value without its quotes.
    pub(super) list: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Parameters<'a> {
    /// The value of the only parameter of this name.
    pub(super) fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut found = self.list.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().filter(|_| found.next().is_none()).map(|(_, value)| *value)
    }
}

/// Reads `value; name=value; name="value"`. `None` where it is something else.
pub(super) fn parameters(text: &[u8]) -> Option<Parameters<'_>> {
    let end = text.iter().position(|&b| b == b';').unwrap_or(text.len());
    let (value, mut rest) = text.split_at_checked(end)?;
    let mut list = Vec::new();
    while let Some(after) = rest.strip_prefix(b";") {
        let after = after.trim_ascii_start();
        if after.is_empty() || after.starts_with(b";") {
            rest = after;
            continue;
        }
        let equals = after.iter().position(|&b| b == b'=')?;
        let (name, after) = (after.get(..equals)?, after.get(equals.checked_add(1)?..)?);
        if name.is_empty() || name.iter().any(|b| b";\" \t".contains(b)) {
            return None;
        }
        let (value, after) = match after.strip_prefix(b"\"") {
            Some(quoted) => split_quoted(quoted)?,
            None => {
                let end = after.iter().position(|&b| b == b';').unwrap_or(after.len());
                let (value, after) = after.split_at_checked(end)?;
                (
                    Some(value.trim_ascii_end())
                        .filter(|value| !value.is_empty() && !value.contains(&b'"'))?,
                    after,
                )
            }
        };
        list.push((name, value));
        rest = after.trim_ascii_start();
    }
    rest.is_empty().then(|| Parameters { value: value.trim_ascii(), list })
}

/// The text before the closing quote, and after it; a quote behind a backslash doesn't close (RFC
/// 5322, 3.2.4).
fn split_quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut is_escaped = false;
    let end = text.iter().position(|&b| {
        let closes = b == b'"' && !is_escaped;
        is_escaped = b == b'\\' && !is_escaped;
        closes
    })?;
    Some((text.get(..end)?, text.get(end.checked_add(1)?..)?))
}
