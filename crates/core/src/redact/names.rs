//! Names of secrets. Looks names up in [`super::rules`] and in the additions of a configuration;
//! never looks at a value.

use super::rules::{ENDS, NAMES, NO_SECRET};
use super::settings::Settings;

/// Condition under which the value of a name is a secret, and the part of the value that is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text.
    Always,
    /// A text without spaces that is long, and no word.
    Opaque,
    /// The same, of the letters that keys are made of.
    Key,
    /// The digits of a card's number; also as a JSON number.
    Card,
    /// The same, if the digits are a valid number of an issuer.
    MaybeCard,
    /// A few digits; also as a JSON number.
    Digits,
    /// A scheme, which stays, and credentials.
    Authorization,
    /// `name=value; name=value`: the values.
    Cookies,
    /// `name=value; attributes`: the value.
    SetCookie,
    /// A signed JWT, of which the signature is secret. Its content is needed for matching, and is
    /// useless without the signature.
    Assertion,
    /// `ID/scope`: the identifier.
    Scoped,
}

/// Restriction of a rule to some places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only {
    Anywhere,
    Query,
    Header,
}

/// Place of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The name of a header.
    Header,
    /// In a query.
    Query,
    /// In a body.
    Body,
}

/// No name of the tables is longer; of a longer one the end is looked at.
const NAME_MAX: usize = 48;

/// The names that a configuration adds and takes away, in normal form.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    headers: Vec<Vec<u8>>,
    fields: Vec<Vec<u8>>,
    allow: Vec<Vec<u8>>,
}

impl Names {
    pub(super) fn new(settings: &Settings) -> Self {
        let all = |names: &[String]| {
            names.iter().map(|name| Normal::of(name.as_bytes()).as_bytes().to_vec()).collect()
        };
        Self { headers: all(&settings.headers), fields: all(&settings.fields), allow: all(&settings.allow) }
    }

    /// Rule for the value of a header.
    pub(super) fn header(&self, name: &[u8]) -> Option<Kind> {
        self.find(name, Place::Header)
    }

    /// Rule for the value of a field in JSON, a query, a form (`card[number]` is the field `number`
    /// of a card) or XML.
    pub(super) fn field(&self, name: &[u8], place: Place) -> Option<Kind> {
        let (parent, leaf) = leaf(name);
        let is_card = leaf.eq_ignore_ascii_case(b"number") && ends_with_word(parent, b"card");
        if is_card && !self.is_allowed(leaf) {
            return Some(Kind::Card);
        }
        self.find(leaf, place)
    }

    fn is_allowed(&self, name: &[u8]) -> bool {
        !self.allow.is_empty() && self.allow.iter().any(|known| known == Normal::of(name).as_bytes())
    }

    fn find(&self, name: &[u8], place: Place) -> Option<Kind> {
        let added = if place == Place::Header { &self.headers } else { &self.fields };
        // Most names end in letters that no name of the tables ends in.
        if added.is_empty() && !may_be_known(name) {
            return None;
        }
        let normal = Normal::of(name);
        let name = normal.as_bytes();
        let is_in = |names: &[Vec<u8>]| names.iter().any(|known| known == name);
        if is_in(&self.allow) {
            return None;
        }
        if is_in(added) {
            return Some(Kind::Always);
        }
        whole(name, place).or_else(|| by_end(name, place))
    }
}

/// For the last byte of each name in the tables, a bit for each letter that precedes it.
const TAILS: [u32; 128] = tails();

const fn tails() -> [u32; 128] {
    let mut table = [0; 128];
    let mut at = 0;
    #[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "the compiler runs it")]
    while at < NAMES.len() + ENDS.len() {
        let name = if at < NAMES.len() { NAMES[at].0 } else { ENDS[at - NAMES.len()].0 };
        table[name[name.len() - 1] as usize] |= 1 << (name[name.len() - 2] & 31);
        at += 1;
    }
    table
}

/// Returns whether a name may end like one of the tables. `true` requires a closer look.
fn may_be_known(name: &[u8]) -> bool {
    let [.., before, last] = name else { return false };
    let mask = TAILS.get(usize::from(last.to_ascii_lowercase())).copied().unwrap_or(0);
    mask >> (before & 31) & 1 == 1 || matches!(last, b'-' | b'_') || matches!(before, b'-' | b'_')
}

fn whole(name: &[u8], place: Place) -> Option<Kind> {
    let at = NAMES.binary_search_by(|(known, ..)| known.cmp(&name)).ok()?;
    let (_, kind, only) = NAMES.get(at)?;
    let fits = match only {
        Only::Anywhere => true,
        Only::Query => place == Place::Query,
        Only::Header => place == Place::Header,
    };
    fits.then(|| in_place(*kind, place))
}

fn by_end(name: &[u8], place: Place) -> Option<Kind> {
    // Most names end in another letter.
    if !matches!(name.last(), Some(b'n' | b't' | b'd' | b'e' | b'y')) {
        return None;
    }
    let (_, kind) = ENDS.iter().find(|(end, _)| name.ends_with(end))?;
    let has = |part: &&[u8]| name.windows(part.len()).any(|window| window == *part);
    if *kind == Kind::Opaque && NO_SECRET.iter().any(has) {
        return None;
    }
    Some(in_place(*kind, place))
}

/// Headers aren't compared: what might be a secret is taken for one.
fn in_place(kind: Kind, place: Place) -> Kind {
    if place == Place::Header && kind == Kind::Opaque { Kind::Always } else { kind }
}

/// Returns whether the value under a name identifies something: no card has such a name.
pub(super) fn is_identifier(name: &[u8]) -> bool {
    let ends = |end: &[u8]| {
        let at = name.len().checked_sub(end.len());
        at.and_then(|at| name.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    ends(b"id") || ends(b"ids")
}

/// Splits `a[b][0]`, `a.b` and `a:b` into `a` and `b`.
fn leaf(mut name: &[u8]) -> (&[u8], &[u8]) {
    while let Some(inside) = name.strip_suffix(b"]") {
        let Some(at) = inside.iter().rposition(|&b| b == b'[') else { return (b"", inside) };
        let (parent, last) =
            (inside.get(..at).unwrap_or_default(), inside.get(at.saturating_add(1)..).unwrap_or_default());
        if !last.iter().all(u8::is_ascii_digit) {
            return (parent, last);
        }
        name = parent;
    }
    match name.iter().rposition(|&b| matches!(b, b'.' | b':')) {
        Some(at) => {
            (name.get(..at).unwrap_or_default(), name.get(at.saturating_add(1)..).unwrap_or_default())
        }
        None => (b"", name),
    }
}

fn ends_with_word(name: &[u8], word: &[u8]) -> bool {
    let name = name.strip_suffix(b"]").unwrap_or(name);
    let at = name.len().checked_sub(word.len());
    at.and_then(|at| name.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(word))
}

/// A name in normal form.
struct Normal {
    bytes: [u8; NAME_MAX],
    length: usize,
}

impl Normal {
    fn of(name: &[u8]) -> Self {
        let end = name.get(name.len().saturating_sub(NAME_MAX)..).unwrap_or(name);
        let mut normal = Self { bytes: [0; NAME_MAX], length: 0 };
        for byte in end.iter().filter(|byte| !matches!(byte, b'-' | b'_')) {
            if let Some(place) = normal.bytes.get_mut(normal.length) {
                *place = byte.to_ascii_lowercase();
                normal.length = normal.length.saturating_add(1);
            }
        }
        normal
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::SHAPES;
    use super::*;

    #[test]
    fn tables_are_sorted_and_in_normal_form() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(NAMES.iter().all(|(name, ..)| Normal::of(name).as_bytes() == *name));
        assert!(ENDS.iter().all(|(name, _)| Normal::of(name).as_bytes() == *name));
        assert!(SHAPES.windows(2).all(|pair| pair[0].starts[0] <= pair[1].starts[0]));
    }

    #[test]
    fn field_names_have_their_kinds() {
        let names = Names::default();
        let check = |name: &str, expect: Option<Kind>| {
            assert_eq!(names.field(name.as_bytes(), Place::Body), expect, "{name}");
        };
        for name in [
            "password",
            "newPassword",
            "client_secret",
            "clientSecret",
            "CLIENT-SECRET",
            "secret",
            "access_token",
            "refresh_token",
            "id_token",
            "api_key",
            "apiKey",
            "private_key",
            "SecretAccessKey",
            "SessionToken",
            "AccessKeyId",
            "access_tokens[]",
            "access_tokens[0]",
            "auth[client_secret]",
            "spring.password",
            "sts:SecretAccessKey",
            "a_very_long_name_of_a_thing_that_has_forty_and_more_letters_password",
        ] {
            check(name, Some(Kind::Always));
        }
        for name in ["token", "asset_report_token", "link_token", "botToken", "tokens"] {
            check(name, Some(Kind::Opaque));
        }
        for name in [
            "next_page_token",
            "pageToken",
            "NextToken",
            "nextForwardToken",
            "ClientRequestToken",
            "clientToken",
            "csrf_token",
            "continuationToken",
            "syncToken",
            "public_token",
            "max_tokens",
            "token_type",
            "tokenizer",
            "KeyId",
            "Key",
            "key",
            "partition_key",
            "primaryKey",
            "public_key",
            "publishable_key",
            "idempotency_key",
            "LastEvaluatedKey",
            "secretId",
            "cursor",
            "after",
            "etag",
            "signature",
            "id",
            "",
            "]",
            "[",
            "a[",
            "a[]",
            "card[exp_month]",
            "number[0]x",
            "passwords_differ",
        ] {
            check(name, None);
        }
        check("card[number]", Some(Kind::Card));
        check("source[card][number]", Some(Kind::Card));
        check("phone[number]", Some(Kind::MaybeCard));
        check("card[cvc]", Some(Kind::Digits));
    }

    #[test]
    fn header_names_and_configured_names_have_their_kinds() {
        let settings = Settings {
            headers: vec!["X-Mine".into()],
            fields: vec!["pin_code".into()],
            allow: vec!["id-token".into(), "number".into()],
            ..Settings::default()
        };
        let names = Names::new(&settings);
        for name in [
            "x-api-key",
            "Api-Key",
            "x-goog-api-key",
            "plaid-secret",
            "x-auth-token",
            "private-token",
            "x-amz-security-token",
            "x-rapidapi-key",
            "x-vault-token",
            "dd-application-key",
            "x-mine",
        ] {
            assert_eq!(names.header(name.as_bytes()), Some(Kind::Always), "{name}");
        }
        assert_eq!(names.header(b"Authorization"), Some(Kind::Authorization));
        for name in [
            "plaid-client-id",
            "idempotency-key",
            "x-csrf-token",
            "x-amz-target",
            "sec-websocket-key",
            "etag",
        ] {
            assert_eq!(names.header(name.as_bytes()), None, "{name}");
        }
        let field = |name: &str, place| names.field(name.as_bytes(), place);
        assert_eq!(field("PinCode", Place::Body), Some(Kind::Always));
        assert_eq!(field("x_mine", Place::Body), None);
        assert_eq!(field("id_token", Place::Query), None);
        assert_eq!(field("card[number]", Place::Query), None);
        assert_eq!(field("key", Place::Query), Some(Kind::Key));
    }
}
