//! Tokens: how they are written, and how they are told from secrets.

/// Beginning of each token.
pub const TOKEN: &[u8] = b"redacted-";
/// Follows [`TOKEN`] if the secret was a signed JWT, since technologies are recognised by that.
pub(super) const JWT: &[u8] = b"jwt-";
/// Number of hexadecimal digits of the hash: 64 bits distinguish the secrets of a snapshot.
pub(super) const DIGITS: usize = 16;

/// Returns whether bytes are exactly a token.
pub fn is_token(bytes: &[u8]) -> bool {
    token_length(bytes) == Some(bytes.len())
}

/// Returns whether bytes are exactly the token of a signed JWT.
pub fn is_token_of_jwt(bytes: &[u8]) -> bool {
    is_token(bytes) && bytes.strip_prefix(TOKEN).is_some_and(|rest| rest.starts_with(JWT))
}

/// The tokens in the bytes, in order.
pub fn tokens(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        while let Some(at) = rest.iter().position(|&b| b == b'r') {
            let text = rest.get(at..).unwrap_or_default();
            match token_length(text).and_then(|length| text.split_at_checked(length)) {
                Some((token, after)) => {
                    rest = after;
                    return Some(token);
                }
                None => rest = text.get(1..).unwrap_or_default(),
            }
        }
        None
    })
}

/// Returns whether there is a token in the bytes.
pub fn contains_token(bytes: &[u8]) -> bool {
    tokens(bytes).next().is_some()
}

fn token_length(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(TOKEN)?;
    let rest = rest.strip_prefix(JWT).unwrap_or(rest);
    let digits = rest.get(..DIGITS)?.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| bytes.len().saturating_sub(rest.len()).saturating_add(DIGITS))
}

/// Returns whether bytes replace a secret and contain none: a token, `redacted`, or filling
/// characters.
pub fn is_placeholder(bytes: &[u8]) -> bool {
    let bare = bytes.trim_ascii();
    let is_filler = bare.iter().all(|b| matches!(b, b'*' | b'x' | b'X' | b'.'));
    let words = [&b"redacted"[..], b"<redacted>", b"[redacted]"];
    is_filler || words.iter().any(|word| bare.eq_ignore_ascii_case(word)) || is_token(bare)
}
