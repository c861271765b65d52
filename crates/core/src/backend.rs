//! The name of a backend: `scheme://authority` in one normal form.

/// Writes the backend's name for a request's scheme and authority to `out`: lower case, without user information and without the
/// scheme's default port (RFC 3986, 6.2.2.1 and 6.2.3).
///
/// `out` is cleared first, so that one buffer serves all requests.
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

/// The backend's name for a scheme and an authority, as text; bytes that aren't UTF-8 are replaced.
pub fn name(scheme: &str, authority: &str) -> String {
    let mut out = Vec::new();
    write_name(scheme.as_bytes(), authority.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Splits a backend's name into scheme, host and port (the scheme's default where the name has none).
///
/// Gives `None` where it isn't `scheme://host[:port]`.
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

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn check(scheme: &str, authority: &str, expect: &str) {
        assert_eq!(name(scheme, authority), expect);
    }

    #[test]
    fn names_are_normal() {
        check("http", "API.Stripe.com", "http://api.stripe.com");
        check("http", "api.stripe.com:80", "http://api.stripe.com");
        check("https", "api.stripe.com:443", "https://api.stripe.com");
        check("https", "api.stripe.com:80", "https://api.stripe.com:80");
        check("", "h:8080", "http://h:8080");
        check("http", "user:pw@h", "http://h");
        check("http", "[::1]:80", "http://[::1]");
    }

    #[test]
    fn names_come_apart() {
        assert_eq!(parts("http://h"), Some(("http", "h", 80)));
        assert_eq!(parts("https://h:8443"), Some(("https", "h", 8443)));
        assert_eq!(parts("http://[::1]"), Some(("http", "[::1]", 80)));
        assert_eq!(parts("http://[::1]:81"), Some(("http", "[::1]", 81)));
        assert_eq!(parts("h:80"), None);
        assert_eq!(parts("http://h/p"), None);
        assert_eq!(parts("http://h:x"), None);
    }
}
