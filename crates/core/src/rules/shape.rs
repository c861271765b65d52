//! What a path segment must look like for a rule to leave it out.

/// Whether a path segment is shaped like an identifier and not like a word: it has a digit, and nothing but letters, digits and `-_.~:@=%`.
pub fn is_identifier(segment: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.~:@=%".contains(b);
    segment.iter().any(u8::is_ascii_digit) && segment.iter().all(allowed)
}
