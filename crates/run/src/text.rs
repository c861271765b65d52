//! Words for numbers, and the clock, for this crate's messages and those of the command.

use std::time::{SystemTime, UNIX_EPOCH};

/// `1 exchange`, `2 exchanges`, `2 batches`, `2 queries`.
pub fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {}", plural(one)) }
}

fn plural(one: &str) -> String {
    match one.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if ["s", "x", "z", "ch", "sh"].iter().any(|end| one.ends_with(end)) => format!("{one}es"),
        _ => format!("{one}s"),
    }
}

/// The present time in microseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_uses_the_plural_form_except_for_one() {
        let check = |number, one, expect: &str| assert_eq!(count(number, one), expect);
        check(1, "exchange", "1 exchange");
        check(0, "exchange", "0 exchanges");
        check(2, "batch", "2 batches");
        check(2, "miss", "2 misses");
        check(2, "query", "2 queries");
        check(2, "key", "2 keys");
        check(2, "path", "2 paths");
    }
}
