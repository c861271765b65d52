//! What looks like a secret. A snapshot is committed and shared; a key in it is given away.
//!
//! Simple on purpose: headers that carry secrets by their name, and keys that can be told by their shape. What it doesn't find may be a
//! secret all the same.

use understudy_core::exchange::Exchange;
use understudy_core::headers::Headers;

/// Request headers that carry a secret. None of them is part of a signature.
const HEADERS: [(&[u8], &str); 9] = [
    (b"authorization", "secret-authorization"),
    (b"proxy-authorization", "secret-authorization"),
    (b"cookie", "secret-cookie"),
    (b"x-api-key", "secret-api-key"),
    (b"api-key", "secret-api-key"),
    (b"x-goog-api-key", "secret-api-key"),
    (b"plaid-secret", "secret-api-key"),
    (b"x-auth-token", "secret-api-key"),
    (b"x-amz-security-token", "secret-api-key"),
];

/// A key that can be told by how it begins.
struct Shape {
    starts: &'static [u8],
    /// So many characters of a key follow at least.
    follow: usize,
    name: &'static str,
}

/// From the vendors' descriptions of their keys.
const SHAPES: [Shape; 15] = [
    shape(b"sk_live_", 10, "a Stripe live key"),
    shape(b"rk_live_", 10, "a Stripe live key"),
    shape(b"AKIA", 16, "an AWS access key"),
    shape(b"ASIA", 16, "an AWS access key"),
    shape(b"ghp_", 30, "a GitHub token"),
    shape(b"gho_", 30, "a GitHub token"),
    shape(b"ghs_", 30, "a GitHub token"),
    shape(b"github_pat_", 30, "a GitHub token"),
    shape(b"xoxb-", 20, "a Slack token"),
    shape(b"xoxp-", 20, "a Slack token"),
    shape(b"AIza", 35, "a Google API key"),
    shape(b"sk-ant-", 20, "an Anthropic key"),
    shape(b"sk-proj-", 20, "an OpenAI key"),
    shape(b"pat-na1-", 30, "a HubSpot token"),
    shape(b"SG.", 40, "a SendGrid key"),
];

/// PEM (RFC 7468): `PRIVATE KEY`, `RSA PRIVATE KEY`, and so on.
const PEM: &[u8] = b"-----BEGIN ";

const fn shape(starts: &'static [u8], follow: usize, name: &'static str) -> Shape {
    Shape { starts, follow, name }
}

/// Calls `tell` with a code and a message for each kind of secret that an exchange seems to hold.
pub(super) fn look(exchange: &Exchange, mut tell: impl FnMut(&'static str, &str)) {
    let (request, response) = (&exchange.request, exchange.response.as_ref());
    for (name, value) in request.headers.iter() {
        let known = HEADERS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        if let Some((_, code)) = known.filter(|_| !is_harmless(value)) {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            tell(
                code,
                &format!(
                    "the request header `{name}` looks like a secret; it isn't compared, so that `redacted` does as well in its place"
                ),
            );
        }
    }
    let cookie = response.and_then(|response| response.headers.get(b"set-cookie"));
    if cookie.is_some_and(|value| !is_harmless(value)) {
        tell(
            "secret-set-cookie",
            "the answer sets a cookie, perhaps one of a session: replace its value if it still is worth something",
        );
    }
    let shaped = |bytes: &[u8]| find(bytes).map(|name| format!("{name} stands in"));
    if let Some(what) = shaped(&request.path).or_else(|| shaped(&request.body.bytes)) {
        tell(
            "secret-request",
            &format!(
                "{what} the request's path or body; it is compared, so that the service must send what you replace it with"
            ),
        );
    }
    if let Some(what) = response.and_then(|response| shaped(&response.body.bytes)) {
        tell("secret-response", &format!("{what} the answer; replace it, or revoke it"));
    }
    let in_headers = |headers: &Headers| headers.iter().find_map(|(_, value)| find(value));
    if let Some(name) = in_headers(&request.headers).or_else(|| response.and_then(|r| in_headers(&r.headers)))
    {
        tell("secret-header", &format!("{name} stands in a header; replace it, or revoke it"));
    }
}

/// Placeholders, and signatures of AWS requests, which are worth nothing a quarter of an hour later.
fn is_harmless(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let bare = value.rsplit(|&b| b == b' ').next().unwrap_or_default();
    let is_filler = bare.iter().all(|b| matches!(b, b'*' | b'x' | b'X' | b'.' | b'0'));
    let lower = bare.to_ascii_lowercase();
    is_filler
        || value.starts_with(b"AWS4-HMAC-SHA256")
        || [&b"redacted"[..], b"<redacted>", b"[redacted]"].contains(&&lower[..])
}

/// The name of the first key that stands in the bytes.
fn find(bytes: &[u8]) -> Option<&'static str> {
    let mut before = b' ';
    for (at, &byte) in bytes.iter().enumerate() {
        // A key begins a word: amid base64 these letters say nothing.
        let begins = !before.is_ascii_alphanumeric()
            && matches!(byte, b's' | b'r' | b'A' | b'g' | b'x' | b'p' | b'S' | b'-');
        before = byte;
        if begins && let Some(name) = begins_key(&bytes[at..]) {
            return Some(name);
        }
    }
    None
}

fn begins_key(rest: &[u8]) -> Option<&'static str> {
    if rest.starts_with(PEM) {
        let line = rest.split(|&b| matches!(b, b'\n' | b'\\')).next().unwrap_or_default();
        return line.windows(11).any(|window| window == b"PRIVATE KEY").then_some("a private key");
    }
    let shape = SHAPES.iter().find(|shape| rest.starts_with(shape.starts))?;
    let key = &rest[shape.starts.len()..];
    let length =
        key.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
    // AWS's own examples end so.
    let is_example = key[..length].ends_with(b"EXAMPLE");
    (length >= shape.follow && !is_example).then_some(shape.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_by_their_shape() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(find(text.as_bytes()), expect, "{text}");
        // Put together here, so that no scanner takes this file for a leak.
        let live = format!("{}{}", "sk_live_", "51H8xAbCdEfGhIj");
        check(&format!("key={live}"), Some("a Stripe live key"));
        check(&format!("a{live}"), None);
        check("sk_test_51H8xAbCdEfGhIj", None);
        check("sk_live_short", None);
        check(&format!("Credential={}IOSFODNN7ABCDEFG/2026", "AKIA"), Some("an AWS access key"));
        check("Credential=AKIAIOSFODNN7EXAMPLE/2026", None);
        check(&format!("{}RSA PRIVATE KEY-----\nMII", "-----BEGIN "), Some("a private key"));
        check(&format!("{}CERTIFICATE-----\nMII", "-----BEGIN "), None);
        check("", None);
    }

    #[test]
    fn placeholders_are_no_secrets() {
        for harmless in
            ["", "redacted", "Bearer [REDACTED]", "***", "Basic xxxx", "AWS4-HMAC-SHA256 Credential=a"]
        {
            assert!(is_harmless(harmless.as_bytes()), "{harmless}");
        }
        for secret in ["Bearer abc", "session=1", "Basic dXNlcjpwYXNz"] {
            assert!(!is_harmless(secret.as_bytes()), "{secret}");
        }
    }
}
