//! Access control: refuses requests of other sites, other machines and other host names. Everything
//! that isn't explicitly allowed is refused with the reason.
//!
//! A page of another site can make a user's browser send requests here. It can't set `Host`,
//! `Origin` and `Sec-Fetch-Site`, and it doesn't know the token of a form.

use crate::config::UiError;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use std::net::{IpAddr, SocketAddr};
use understudy_core::digest::hex;

/// The number of random bytes in a token.
const TOKEN_BYTES: usize = 24;

/// The access control of a server.
pub(crate) struct Guard {
    /// Required if other machines can connect.
    access: Option<AccessToken>,
    /// The token in each form.
    pub(crate) form_token: String,
}

struct AccessToken {
    token: String,
    /// The cookie's name contains the port, because browsers send a cookie to all ports of a host.
    cookie: String,
}

/// The decision about a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AccessDecision {
    /// The request is served.
    Pass,
    /// The request has the token: the response sets this cookie and redirects to the address
    /// without the token.
    Welcome(String),
    /// The request is refused with this text.
    Refuse(&'static str),
}

impl Guard {
    /// The access control for a server on this address.
    pub(crate) fn new(address: SocketAddr) -> Result<Self, UiError> {
        let is_remote = !address.ip().to_canonical().is_loopback();
        let cookie = format!("understudy-{}", address.port());
        let access = if is_remote { Some(AccessToken { token: token()?, cookie }) } else { None };
        Ok(Self { access, form_token: token()? })
    }

    /// The token that requests need; `None` if they need none.
    pub(crate) fn token(&self) -> Option<&str> {
        self.access.as_ref().map(|access| access.token.as_str())
    }

    /// Decides about a request by its head.
    pub(crate) fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> AccessDecision {
        let Some(host) = host(uri, headers) else {
            return AccessDecision::Refuse("The request has no Host header, or more than one.");
        };
        match &self.access {
            None if !is_this_machine(host) => {
                return AccessDecision::Refuse(
                    "This server only serves this machine: open it as http://127.0.0.1:PORT/ or http://localhost:PORT/. (The Host \
                 header names another host, as in an attack by DNS rebinding.)",
                );
            }
            Some(access) => {
                let given = crate::form::Form::read(uri.query().unwrap_or_default().as_bytes());
                if method == Method::GET && same(given.get("token"), &access.token) {
                    let AccessToken { cookie, token } = access;
                    return AccessDecision::Welcome(format!(
                        "{cookie}={token}; Path=/; HttpOnly; SameSite=Strict"
                    ));
                }
                if !cookies(headers).any(|(name, value)| name == access.cookie && same(value, &access.token))
                {
                    return AccessDecision::Refuse(
                        "A token is required: open the address that `understudy ui` printed when it started, with its ?token=….",
                    );
                }
            }
            None => {}
        }
        match *method {
            Method::GET | Method::HEAD => judge_reading(headers),
            Method::POST => judge_change(host, headers),
            _ => AccessDecision::Pass,
        }
    }
}

/// Another site may link here, but neither embed nor fetch a page.
fn judge_reading(headers: &HeaderMap) -> AccessDecision {
    let is = |name: &str, expect: &str| headers.get(name).is_some_and(|value| value == expect);
    let from_elsewhere = headers
        .get("sec-fetch-site")
        .is_some_and(|site| !["same-origin", "none"].contains(&site.to_str().unwrap_or_default()));
    if from_elsewhere && !(is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")) {
        return AccessDecision::Refuse("Another site requested this page. Open its address directly.");
    }
    AccessDecision::Pass
}

/// A change must come from a form of this server.
fn judge_change(host: &str, headers: &HeaderMap) -> AccessDecision {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    let ours = origin.split_once("://").is_some_and(|(scheme, authority)| {
        ["http", "https"].contains(&scheme) && authority.eq_ignore_ascii_case(host)
    });
    let site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    if ours && site {
        return AccessDecision::Pass;
    }
    AccessDecision::Refuse(
        "Changes are only accepted from a form of this server. (The Origin header is missing, or names another origin: another site may have sent this.)",
    )
}

/// The host of a request, if it names exactly one.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next(), uri.authority()) {
        (Some(host), None, None) => host.to_str().ok(),
        (Some(host), None, Some(authority)) => host.to_str().ok().filter(|host| *host == authority.as_str()),
        (None, None, Some(authority)) => Some(authority.as_str()),
        _ => None,
    }
}

/// Returns whether a host's name or address means this machine. The port may differ, for example
/// behind an SSH tunnel.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| HeaderValue::to_str(value).ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// Returns whether two secrets are equal, in a time that doesn't depend on where they differ.
pub(crate) fn same(given: &str, secret: &str) -> bool {
    let (given, secret) = (given.as_bytes(), secret.as_bytes());
    given.len() == secret.len() && given.iter().zip(secret).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn token() -> Result<String, UiError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| UiError::Random(error.to_string()))?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(guard: &Guard, method: &Method, uri: &str, headers: &[(&'static str, &str)]) -> AccessDecision {
        let headers = headers.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        guard.judge(method, &uri.parse().unwrap(), &map)
    }

    fn passes(guard: &Guard, method: &Method, headers: &[(&'static str, &str)]) -> bool {
        judge(guard, method, "/", headers) == AccessDecision::Pass
    }

    #[test]
    fn host_of_this_machine_is_recognised() {
        let check = |host, expect| assert_eq!(is_this_machine(host), expect, "{host}");
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:4450", "127.8.7.6", "[::1]:1", "[::1]"] {
            check(host, true);
        }
        for host in [
            "",
            "evil.test",
            "localhost.evil.test:80",
            "127.0.0.1.evil.test",
            "10.0.0.1:4450",
            "0.0.0.0:1",
            "[::2]:1",
        ] {
            check(host, false);
        }
    }

    #[test]
    fn request_of_another_site_is_refused() {
        let guard = Guard::new("127.0.0.1:4450".parse().unwrap()).unwrap();
        let host = ("host", "127.0.0.1:4450");
        let own = ("origin", "http://127.0.0.1:4450");
        let check = |method: Method, headers: &[(&'static str, &str)], expect| {
            assert_eq!(passes(&guard, &method, headers), expect, "{method} {headers:?}");
        };
        check(Method::GET, &[host], true);
        check(Method::GET, &[], false);
        check(Method::GET, &[host, ("host", "evil.test")], false);
        check(Method::GET, &[("host", "evil.test:4450")], false);
        check(Method::GET, &[host, ("sec-fetch-site", "same-origin")], true);
        check(Method::GET, &[host, ("sec-fetch-site", "cross-site")], false);
        let link = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        check(Method::GET, &[&[host, ("sec-fetch-site", "cross-site")], &link[..]].concat(), true);
        check(
            Method::GET,
            &[
                host,
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "script"),
            ],
            false,
        );
        check(
            Method::GET,
            &[
                host,
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "iframe"),
            ],
            false,
        );
        check(Method::POST, &[host, own], true);
        check(Method::POST, &[host, own, ("sec-fetch-site", "same-origin")], true);
        check(Method::POST, &[host], false);
        check(Method::POST, &[host, ("origin", "null")], false);
        check(Method::POST, &[host, ("origin", "http://evil.test")], false);
        check(Method::POST, &[host, ("origin", "http://127.0.0.1:4451")], false);
        check(Method::POST, &[host, own, ("sec-fetch-site", "cross-site")], false);
    }

    #[test]
    fn server_open_to_other_machines_requires_a_token() {
        let guard = Guard::new("0.0.0.0:4450".parse().unwrap()).unwrap();
        let token = guard.token().unwrap().to_owned();
        let host = ("host", "build.example:4450");
        let get = |uri: &str, headers: &[(&'static str, &str)]| judge(&guard, &Method::GET, uri, headers);
        assert!(matches!(get("/", &[host]), AccessDecision::Refuse(text) if text.contains("token")));
        assert!(matches!(get(&format!("/?token={}", &token[1..]), &[host]), AccessDecision::Refuse(_)));
        assert!(matches!(get("/?token=", &[host]), AccessDecision::Refuse(_)));
        let AccessDecision::Welcome(cookie) = get(&format!("/?token={token}"), &[host]) else {
            panic!("no cookie")
        };
        assert!(cookie.ends_with("HttpOnly; SameSite=Strict"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        assert_eq!(get("/", &[host, ("cookie", &format!("other=1; {cookie}"))]), AccessDecision::Pass);
        assert!(matches!(
            get("/", &[host, ("cookie", &cookie.replace("-4450", "-4451"))]),
            AccessDecision::Refuse(_)
        ));
        assert_eq!(Guard::new("[::1]:4450".parse().unwrap()).unwrap().token(), None);
        assert_ne!(guard.token(), Guard::new("0.0.0.0:4450".parse().unwrap()).unwrap().token());
    }
}
