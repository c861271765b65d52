//! The name of a backend: `scheme://authority` in normal form.

/// Writes the backend's name for a request's scheme and authority to `out`: in lower case, without
/// user information and the scheme's default port (RFC 3986, 6.2.2.1 and 6.2.3).
///
/// Clears `out` first.
pub fn write_name(scheme: &[u8], authority: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let scheme = if scheme.is_empty() { b"http" } else { scheme };
    out.extend(scheme.iter().map(u8::to_ascii_lowercase));
    out.extend_from_slice(b"://");
    let host = match authority.iter().rposition(|&b| b == b'@') {
        Some(at) => authority.get(at.saturating_add(1)..).unwrap_or_default(),
        None => authority,
    };
    let default_port: &[u8] = if scheme.eq_ignore_ascii_case(b"https") { b":443" } else { b":80" };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    out.extend(host.iter().map(u8::to_ascii_lowercase));
}

/// The backend's name for a scheme and an authority.
pub fn name(scheme: &str, authority: &str) -> String {
    let mut out = Vec::new();
    write_name(scheme.as_bytes(), authority.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Splits a backend's name into scheme, host and port. The port defaults to the scheme's.
///
/// `None`: the name isn't `scheme://host[:port]`.
pub fn parts(backend: &str) -> Option<(&str, &str, u16)> {
    let (scheme, authority) = backend.split_once("://")?;
    let default = if scheme == "https" { 443 } else { 80 };
    if authority.is_empty() || authority.contains('/') {
        return None;
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && !host.is_empty() => {
            Some((scheme, host, port.parse().ok()?))
        }
        _ => Some((scheme, authority, default)),
    }
}

/// A pattern for backends: a name in which `*` stands for any characters, or none.
///
/// A pattern with a scheme, such as `https://*.amazonaws.com`, is compared with the whole name. A
/// pattern without a scheme, such as `api.stripe.com` or `dynamodb.*`, is compared with `host:port`
/// and with `host`. Letter case doesn't matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Returns whether the pattern matches a backend.
    pub fn matches(&self, backend: &str) -> bool {
        // Names lack the scheme's default port, but patterns may state it.
        let whole = parts(backend).map(|(scheme, host, port)| format!("{scheme}://{host}:{port}"));
        if self.0.contains("://") {
            return fits(&self.0, backend) || whole.is_some_and(|whole| fits(&self.0, &whole));
        }
        let authority =
            |name: &str| fits(&self.0, name.split_once("://").map_or(name, |(_, authority)| authority));
        let host = parts(backend).map(|(_, host, _)| host);
        authority(backend)
            || whole.is_some_and(|whole| authority(&whole))
            || host.is_some_and(|host| fits(&self.0, host))
    }
}

impl std::str::FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let authority = text.split_once("://").map_or(text, |(_, authority)| authority);
        if authority.is_empty() || authority.contains('/') || text.contains(char::is_whitespace) {
            return Err(format!(
                "{text:?} is not a pattern for backends: write a host such as api.stripe.com, *.amazonaws.com, or scheme://host"
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether a text fits a pattern. The text between two `*` is taken at its first
/// occurrence: if any occurrence fits, the first one does.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts: Vec<&str> = pattern.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return text == last };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scheme: &str, authority: &str, expect: &str) {
        assert_eq!(name(scheme, authority), expect);
    }

    #[test]
    fn name_is_in_normal_form() {
        check("http", "API.Stripe.com", "http://api.stripe.com");
        check("http", "api.stripe.com:80", "http://api.stripe.com");
        check("https", "api.stripe.com:443", "https://api.stripe.com");
        check("https", "api.stripe.com:80", "https://api.stripe.com:80");
        check("", "h:8080", "http://h:8080");
        check("http", "user:pw@h", "http://h");
        check("http", "[::1]:80", "http://[::1]");
    }

    #[test]
    fn pattern_matches_name_or_authority() {
        let check = |pattern: &str, backend: &str, expect: bool| {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(backend), expect, "{pattern} on {backend}");
        };
        check("api.stripe.com", "https://api.stripe.com", true);
        check("API.Stripe.com", "https://api.stripe.com:8443", true);
        check("api.stripe.com:8443", "https://api.stripe.com:8443", true);
        check("api.stripe.com:8443", "https://api.stripe.com", false);
        check("api.stripe.com:443", "https://api.stripe.com", true);
        check("api.stripe.com:80", "https://api.stripe.com", false);
        check("https://api.stripe.com:443", "https://api.stripe.com", true);
        check("*:8080", "http://a:8080", true);
        check("*:80*", "http://a", true);
        check("stripe.com", "https://api.stripe.com", false);
        check("dynamodb.*", "https://dynamodb.us-east-1.amazonaws.com", true);
        check("*.amazonaws.com", "https://amazonaws.com", false);
        check("*.us-*.amazonaws.com", "https://dynamodb.us-east-1.amazonaws.com", true);
        check("*", "http://[::1]:80", true);
        check("[::1]", "http://[::1]:81", true);
        check("https://*", "http://h", false);
        check("https://*", "https://h", true);
        check("a*a", "http://a", false);
        check("*ab*ab", "http://abab", true);
        check("*ab*ab", "http://ab", false);
        for bad in ["", "https://", "h/p", "a b"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn name_splits_into_parts() {
        assert_eq!(parts("http://h"), Some(("http", "h", 80)));
        assert_eq!(parts("https://h:8443"), Some(("https", "h", 8443)));
        assert_eq!(parts("http://[::1]"), Some(("http", "[::1]", 80)));
        assert_eq!(parts("http://[::1]:81"), Some(("http", "[::1]", 81)));
        assert_eq!(parts("h:80"), None);
        assert_eq!(parts("http://h/p"), None);
        assert_eq!(parts("http://h:x"), None);
    }
}
