//! Queries and forms: decoded pairs of names and values, read without the code under test.

use crate::change::{Changes, Meaning, values};
use crate::json::hides;
use crate::said::Said;
use crate::tree::escaped;

/// A decoded name, and a decoded value if there is one.
pub(super) type Pair = (Vec<u8>, Option<Vec<u8>>);

/// Pairs of a query or a form.
pub(super) fn read(text: &[u8]) -> Vec<Pair> {
    let pairs = text.split(|&b| b == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| match pair.iter().position(|&b| b == b'=') {
            Some(at) => (decoded(&pair[..at]), Some(decoded(&pair[at + 1..]))),
            None => (decoded(pair), None),
        })
        .collect()
}

/// Compared pairs, by name.
pub(super) fn read_lasting(text: &[u8], is_query: bool) -> Vec<Pair> {
    let mut pairs = read(text);
    let has = |name: &str| pairs.iter().any(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
    let passing: &[&str] = if !is_query {
        &[]
    } else if has("x-amz-signature") {
        &["x-amz-date", "x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-amz-expires"]
    } else if has("awsaccesskeyid") && has("signature") && has("expires") {
        &["awsaccesskeyid", "expires", "signature", "x-amz-security-token"]
    } else {
        &[]
    };
    pairs.retain(|(name, _)| !passing.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())));
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    pairs
}

pub(super) fn write(pairs: &[Pair], encode: fn(&[u8]) -> String) -> Vec<u8> {
    let one = |(name, value): &Pair| match value {
        Some(value) => format!("{}={}", encode(name), encode(value)),
        None => encode(name),
    };
    pairs.iter().map(one).collect::<Vec<_>>().join("&").into_bytes()
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match (text[at], byte.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

/// The usual spelling.
pub(super) fn plainly(text: &[u8]) -> String {
    let one = |&b: &u8| match b {
        b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.iter().map(one).collect()
}

/// Each character escaped, with lower-case digits.
fn escaping_all(text: &[u8]) -> String {
    text.iter().map(|b| format!("%{b:02x}")).collect()
}

fn with_plus(text: &[u8]) -> String {
    plainly(text).replace("%20", "+")
}

/// The changes of a query (`prefix` is `query.`) or a form (`body/`).
pub(super) fn changes(prefix: &str, text: &[u8], said: &Said<'_>, now: u64) -> Changes {
    let pairs = read(text);
    let lasting = read_lasting(text, prefix == "query.");
    let mut out = Changes::default();
    let mut push = |what: String, pairs: &[Pair], meaning| out.push(what, write(pairs, plainly), meaning);
    for (i, (name, value)) in pairs.iter().enumerate() {
        let text = String::from_utf8_lossy(name);
        let place = format!("{prefix}{}", if prefix == "body/" { escaped(&text) } else { text.into_owned() });
        let with = |name: &[u8], value: &[u8]| {
            let mut changed = pairs.clone();
            changed[i] = (name.to_vec(), Some(value.to_vec()));
            changed
        };
        let counts = lasting.iter().any(|(other, _)| other == name);
        let old = value.as_deref().unwrap_or_default();
        if !counts {
            push(format!("{place} passes"), &with(name, b"another"), Meaning::Volatile);
            continue;
        }
        for (what, new, meaning) in values(said.of_place(&place), old, now) {
            push(format!("{place} {what}"), &with(name, &new), meaning);
        }
        push(format!("{place} renamed"), &with(&[name, &b"x"[..]].concat(), old), Meaning::Counts);
        let meaning =
            if said.of_place(&place).is_some_and(hides) { Meaning::Volatile } else { Meaning::Counts };
        push(format!("{place} without its value"), &without_value(&pairs, i), meaning);
        let mut removed = pairs.clone();
        removed.remove(i);
        push(format!("{place} removed"), &removed, Meaning::of_presence(said, &place));
        let mut twice = pairs.clone();
        twice.insert(i, pairs[i].clone());
        push(format!("{place} twice"), &twice, Meaning::of_presence(said, &place));
        let next = pairs.iter().skip(i + 1).position(|(other, _)| other == name);
        if let Some(other) = next.map(|next| i + 1 + next).filter(|&other| pairs[other] != pairs[i]) {
            let mut swapped = pairs.clone();
            swapped.swap(i, other);
            push(format!("{place} in another order"), &swapped, Meaning::Reference);
        }
    }
    let mut added = pairs.clone();
    added.push((b"zz-added".to_vec(), Some(b"1".to_vec())));
    push(format!("{prefix} added"), &added, Meaning::Counts);
    let mut reordered = pairs.clone();
    reordered.sort_by(|(a, _), (b, _)| b.cmp(a));
    push(format!("{prefix} reordered"), &reordered, Meaning::Volatile);
    if !pairs.is_empty() {
        out.push(format!("{prefix} escaped"), write(&pairs, escaping_all), Meaning::Volatile);
        out.push(format!("{prefix} with +"), write(&pairs, with_plus), Meaning::Volatile);
        out.push(
            format!("{prefix} with &&"),
            [&b"&"[..], &write(&pairs, plainly), b"&&"].concat(),
            Meaning::Volatile,
        );
    }
    out
}

fn without_value(pairs: &[Pair], number: usize) -> Vec<Pair> {
    let mut changed = pairs.to_vec();
    // `name` and `name=` aren't the same.
    changed[number].1 = match pairs[number].1 {
        Some(_) => None,
        None => Some(Vec::new()),
    };
    changed
}
