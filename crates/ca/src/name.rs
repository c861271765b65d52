//! The name that a client wants to talk to, as a certificate may carry it. It comes from outside: anything may be in it.

use crate::error::Error;
use std::net::IpAddr;

/// RFC 1035, 2.3.4, without the root's dot.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// So much of a refused name is told.
const TOLD_MAX: usize = 64;

/// A DNS name or an IP address, in its normal form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerName {
    /// Lower case, without a dot at its end. What isn't ASCII has arrived as punycode.
    Dns(String),
    /// An address, which a certificate carries in a field of its own.
    Ip(IpAddr),
}

impl ServerName {
    /// Takes a name as it stands in a TLS server name or an authority without its port: `API.test.`, `10.0.0.1`, `::1`, `[::1]`.
    ///
    /// # Errors
    /// [`Error::Name`] where no certificate can be for it: empty, too long, a wildcard, or with bytes that no host name has.
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
    // Underscores are in no host name of the RFCs, and in many of the world.
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() {
        Some("it is empty")
    } else if name.contains('*') {
        Some("it is a wildcard, not the name of a server")
    } else if name.len() > NAME_MAX {
        Some("it is longer than 253 bytes")
    } else if !name.bytes().all(known) {
        Some("it has characters that no host name has")
    } else if name.split('.').any(|label| label.is_empty() || label.len() > LABEL_MAX) {
        Some("one of its labels is empty or longer than 63 bytes")
    } else {
        None
    }
}

fn shortened(name: &str) -> String {
    let mut short: String = name.chars().take(TOLD_MAX).collect();
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
    fn names_take_their_normal_form() {
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
    fn hostile_names_are_refused() {
        #[track_caller]
        fn check(name: &str, expect: &str) {
            let error = ServerName::parse(name).expect_err(name);
            assert_eq!(error.code(), "name");
            let told = error.to_string();
            assert!(told.contains(expect), "{told}");
            assert!(told.chars().count() < 300 && !told.contains(['\n', '\0']), "{told}");
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
        fn any_text_is_refused_or_has_a_normal_form(name in "\\PC{0,300}|[a-zA-Z0-9._*:\\[\\]-]{0,300}") {
            if let Ok(parsed) = ServerName::parse(&name) {
                let normal = parsed.to_string();
                prop_assert_eq!(ServerName::parse(&normal).expect("normal"), parsed);
                prop_assert!(normal.len() <= NAME_MAX);
            }
        }
    }
}
