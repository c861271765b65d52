//! Patterns that name backends, for who chooses what is mocked.

use crate::error::SnapshotError;
use crate::feed;
use crate::header::check_name;
use crate::reader::Snapshot;
use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use understudy_core::backend;
use understudy_core::config::Mode;
use understudy_core::exchange::Direction;

/// Names backends: `dynamodb.*` by host, `localhost:8080` by host and port, `https://*.test` by scheme too, `*` all. `*` stands for any
/// text, dots included, `?` for one character. Letter case doesn't matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    scheme: Option<String>,
    host: String,
    port: Option<String>,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let (scheme, authority) = match lower.split_once("://") {
            Some((scheme, authority)) => (Some(scheme.to_owned()), authority),
            None => (None, lower.as_str()),
        };
        let is_port =
            |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit() || b"*?".contains(&b));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if is_port(port) && (!host.contains(':') || host.ends_with(']')) => {
                (host, Some(port.to_owned()))
            }
            _ => (authority, None),
        };
        if host.is_empty() || host.contains(['/', ' ']) {
            return Err(format!(
                "{text:?} names no backend: write HOST, HOST:PORT or SCHEME://HOST, where * is any text"
            ));
        }
        Ok(Self { text: text.to_owned(), scheme, host: host.to_owned(), port })
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Whether a backend (`scheme://host[:port]`) is one of those that are meant.
    pub fn fits(&self, name: &str) -> bool {
        let Some((scheme, host, port)) = backend::parts(name) else { return false };
        self.scheme.as_ref().is_none_or(|pattern| glob(pattern, scheme))
            && glob(&self.host, &host.to_ascii_lowercase())
            && self.port.as_ref().is_none_or(|pattern| glob(pattern, &port.to_string()))
    }
}

/// Whether a text is what a pattern with `*` and `?` describes. The last `*` alone is taken up again, so that the time is at most the product
/// of both lengths.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                again = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match again {
                Some((star, at)) => {
                    again = Some((star, at + 1));
                    (p, t) = (star + 1, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// What the patterns choose, the later ones over the earlier: the mode of each backend that one of them names.
///
/// # Errors
/// The first pattern that names none of the backends.
pub fn choose<'a>(
    backends: impl IntoIterator<Item = &'a str> + Clone,
    choices: &'a [(Pattern, Mode)],
) -> Result<BTreeMap<String, Mode>, &'a Pattern> {
    let mut modes = BTreeMap::new();
    for (pattern, mode) in choices {
        let mut fitting = backends.clone().into_iter().filter(|name| pattern.fits(name)).peekable();
        if fitting.peek().is_none() {
            return Err(pattern);
        }
        modes.extend(fitting.map(|name| (name.to_owned(), *mode)));
    }
    Ok(modes)
}

/// The backends that can be chosen, with their modes: those that `snapshot.yaml` names, and those that stand in the exchanges alone.
///
/// # Errors
/// The first line that can't be read.
pub fn backends(snapshot: &Snapshot) -> Result<BTreeMap<String, Mode>, SnapshotError> {
    let header = snapshot.header();
    let mut modes: BTreeMap<String, Mode> =
        header.backends.iter().map(|(name, backend)| (name.clone(), backend.mode)).collect();
    let mut seen: HashSet<String> = modes.keys().cloned().collect();
    feed::each(snapshot, |item| {
        let exchange = &item?.exchange;
        if exchange.direction == Direction::Outbound && !seen.contains(&exchange.backend) {
            seen.insert(exchange.backend.clone());
            // A name that isn't normal can't stand in the header. The linter lists it.
            if check_name(&exchange.backend).is_ok() {
                modes.insert(exchange.backend.clone(), header.backend(&exchange.backend).mode);
            }
        }
        Ok::<_, SnapshotError>(())
    })?;
    Ok(modes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_what_they_say() {
        let check = |pattern: &str, name: &str, expect: bool| {
            assert_eq!(pattern.parse::<Pattern>().unwrap().fits(name), expect, "{pattern} {name}");
        };
        check("*", "https://api.stripe.com", true);
        check("dynamodb.*", "https://dynamodb.us-east-1.amazonaws.com", true);
        check("dynamodb.*", "https://streams.dynamodb.us-east-1.amazonaws.com", false);
        check("api.stripe.com", "https://api.stripe.com", true);
        check("API.Stripe.com", "https://api.stripe.com", true);
        check("stripe", "https://api.stripe.com", false);
        check("api.stripe.com:443", "https://api.stripe.com", true);
        check("api.stripe.com:80", "https://api.stripe.com", false);
        check("*:8080", "http://a:8080", true);
        check("*:80*", "http://a:8081", true);
        check("http://*", "https://a", false);
        check("https://a:443", "https://a", true);
        check("http*://a", "https://a", true);
        check("s?.test", "http://s3.test", true);
        check("s?.test", "http://s.test", false);
        check("[::1]", "http://[::1]:81", true);
        check("[::1]:81", "http://[::1]:81", true);
        check("[::1]:82", "http://[::1]:81", false);
        check("*a*b*", "http://xaxbx", true);
        check("*a*b", "http://xaxbx", false);
        check("*", "no backend", false);
        // What would take for ever if each star were taken up again.
        check(&"*a".repeat(40), &format!("http://{}", "a".repeat(39)), false);
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for bad in ["", "  ", "https://", ":80", "a/b", "http://a/b", "a b"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_later_choice_counts() {
        let backends = ["http://a.test", "http://b.test"];
        let choice = |pattern: &str, mode| (pattern.parse().unwrap(), mode);
        let choices = [choice("*", Mode::Off), choice("b.*", Mode::Mock)];
        let expect = [("http://a.test".to_owned(), Mode::Off), ("http://b.test".to_owned(), Mode::Mock)];
        assert_eq!(choose(backends, &choices).unwrap(), expect.into());
        let choices = [choice("a.test", Mode::Off), choice("c.test", Mode::Mock)];
        assert_eq!(choose(backends, &choices).unwrap_err().to_string(), "c.test");
    }
}
