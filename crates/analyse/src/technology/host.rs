//! Names of hosts: compared with patterns, and made safe to quote. Never resolves one.

use std::borrow::Cow;

/// A host's name is quoted up to this length (RFC 1035, 2.3.4).
const QUOTE_MAX: usize = 253;

/// Whether a host is what a pattern names: `api.stripe.com` that host, `*.zendesk.com` each below it. The host is in lower case.
pub(super) fn fits(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(end) => host.len() > end.len() && host.ends_with(end),
        None => host == pattern,
    }
}

/// The evidence that a host gives.
pub(super) fn evidence(host: &str) -> Cow<'static, str> {
    format!("host {}", safe(host)).into()
}

/// What was said by a stranger, so that it can be shown: whatever can't be in the name of a host or a protocol is a question mark.
pub(super) fn safe(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]/".contains(c);
    text.chars().take(QUOTE_MAX).map(|c| if is_plain(c) { c } else { '?' }).collect()
}
