//! Percent-encoding, and pairs of names and values in it (RFC 3986, 2.1; WHATWG URL, 5.1).

/// The byte that two hexadecimal digits at the start of `after` stand for.
pub(super) fn escape(after: &[u8]) -> Option<u8> {
    let digit = |i: usize| char::from(*after.get(i)?).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some((digit(0)? << 4) | digit(1)?)
}

/// Appends `%` and two upper-case digits.
pub(super) fn push_escape(byte: u8, out: &mut Vec<u8>) {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase();
    out.push(b'%');
    out.extend([digit(byte >> 4), digit(byte & 15)].map(|c| c as u8));
}

/// RFC 3986, 2.3.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

pub(super) fn split(pair: &[u8]) -> (&[u8], Option<&[u8]>) {
    match pair.iter().position(|&b| b == b'=') {
        Some(at) => (pair.get(..at).unwrap_or_default(), pair.get(at.saturating_add(1)..)),
        None => (pair, None),
    }
}

/// Text without its percent-encoding.
pub(super) fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escaped = if byte == b'%' { escape(after) } else { None };
        match (byte, escaped) {
            (b'+', _) => out.push(b' '),
            (_, Some(decoded)) => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => out.push(byte),
        }
    }
    out
}

/// Returns whether a name as it was sent is the one that is looked for. Few names have anything to
/// be decoded.
pub(super) fn is_named(name: &[u8], is: impl Fn(&[u8]) -> bool) -> bool {
    if name.iter().any(|b| matches!(b, b'%' | b'+')) { is(&decode(name)) } else { is(name) }
}
