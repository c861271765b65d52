//! The server name that a client asks for, in a form that a certificate can carry. It is untrusted
//! input.

use crate::error::Error;
use std::net::IpAddr;

/// RFC 1035, 2.3.4, without the dot of the root.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// The maximum number of characters of a refused name in an error.
const SHOWN_MAX: usize = 64;

/// A DNS name or an IP address, in its normal form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerName {
    /// A name in lower case without a final dot. Names beyond ASCII arrive in Punycode.
    Dns(String),
    /// An address. A certificate carries it in a separate field.
    Ip(IpAddr),
}

impl ServerName {
    /// Parses a TLS server name or an authority without its port: `API.test.`, `10.0.0.1`, `::1`,
    /// `[::1]`.
    ///
    /// # Errors
    /// [`Error::Name`] if a certificate can't carry the name: empty, too long, a wildcard, or with
    /// bytes that host names don't have.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Ip(address));
        }
        let dns = name.strip_suffix('.').unwrap_or(name);
        match problem(dns) {
            None => Ok(Self::Dns(dns.to_ascii_lowercase())),
            Some(reason) => Err(Error::Name { name: shortened(name), reason }),
        }
    }
}

impl std::fmt::Display for ServerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

fn problem(name: &str) -> Option<&'static str> {
    // The RFCs allow no underscores in host names, but many real names have them.
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() {
        Some("it is empty")
    } else if name.contains('*') {
        Some("it is a wildcard, not the name of a server")
    } else if name.len() > NAME_MAX {
        Some("it is longer than 253 bytes")
    } else if !name.bytes().all(is_allowed) {
        Some("it has characters that no host name has")
    } else if name.split('.').any(|label| label.is_empty() || label.len() > LABEL_MAX) {
        Some("one of its labels is empty or longer than 63 bytes")
    } else {
        None
    }
}

fn shortened(name: &str) -> String {
    let mut short: String = name.chars().take(SHOWN_MAX).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn valid_name_is_parsed_to_its_normal_form() {
        #[track_caller]
        fn check(name: &str, expect: &str) {
            assert_eq!(ServerName::parse(name).expect(name).to_string(), expect);
        }
        check("api.test", "api.test");
        check("API.Test.", "api.test");
        check("localhost", "localhost");
        check("xn--bcher-kva.example", "xn--bcher-kva.example");
        check("_my_service.a-b.test", "_my_service.a-b.test");
        check("10.0.0.1", "10.0.0.1");
        check("::1", "::1");
        check("[2001:DB8::1]", "2001:db8::1");
        check(&["a".repeat(63).as_str(); 3].join("."), &["a".repeat(63).as_str(); 3].join("."));
    }

    #[test]
    fn invalid_name_is_refused() {
        #[track_caller]
        fn check(name: &str, expect: &str) {
            let error = ServerName::parse(name).expect_err(name);
            assert_eq!(error.code(), "name");
            let text = error.to_string();
            assert!(text.contains(expect), "{text}");
            assert!(text.chars().count() < 300 && !text.contains(['\n', '\0']), "{text}");
        }
        check("", "empty");
        check(".", "empty");
        check("*", "wildcard");
        check("*.test", "wildcard");
        check("a..test", "labels");
        check(".test", "labels");
        check("a.test..", "labels");
        check(&"a".repeat(64), "labels");
        check(&"a.".repeat(200), "longer than 253");
        check(&"a".repeat(1 << 20), "longer than 253");
        for name in [
            "a b",
            "a\0.test",
            "a\n.test",
            "../../etc",
            "a.test:443",
            "bücher.test",
            "a,DNS:b.test",
            "fe80::1%eth0",
            "[a.test]",
        ] {
            check(name, "characters");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_parsed_to_a_normal_form(name in "\\PC{0,300}|[a-zA-Z0-9._*:\\[\\]-]{0,300}") {
            if let Ok(parsed) = ServerName::parse(&name) {
                let normal = parsed.to_string();
                prop_assert_eq!(ServerName::parse(&normal).expect("normal"), parsed);
                prop_assert!(normal.len() <= NAME_MAX);
            }
        }
    }
}
