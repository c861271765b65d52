//! How the caller says who it is: the scheme of `Authorization` (RFC 9110, 11.6.2), never its credentials.

use super::tag::{self, Tag};
use super::technologies::{BODY_MAX, Technologies};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use understudy_core::canonical::probe;
use understudy_core::exchange::Exchange;
use understudy_core::redact;

/// Schemes that have a tag of their own (IANA, "HTTP Authentication Schemes").
const SCHEMES: [(&[u8], Tag, &str); 6] = [
    (b"aws4-ecdsa-p256-sha256", tag::HTTP_AUTH_AWS, "authorization: AWS4-ECDSA-P256-SHA256"),
    (b"aws4-hmac-sha256", tag::HTTP_AUTH_AWS, "authorization: AWS4-HMAC-SHA256"),
    (b"basic", tag::BASIC, "authorization: Basic"),
    (b"bearer", tag::BEARER, "authorization: Bearer"),
    (b"digest", tag::DIGEST, "authorization: Digest"),
    (b"negotiate", tag::NEGOTIATE, "authorization: Negotiate"),
];

pub(super) fn look(exchange: &Exchange, found: &mut Technologies) {
    let Some(value) = exchange.request.headers.get(b"authorization") else { return };
    let value = value.trim_ascii();
    let scheme = value.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default();
    let Some((_, tag, evidence)) = SCHEMES.into_iter().find(|(name, ..)| scheme.eq_ignore_ascii_case(name))
    else {
        found.found(tag::HTTP_AUTH, || "header authorization".into());
        return;
    };
    found.found(tag::HTTP_AUTH, || evidence.into());
    found.found(tag, || evidence.into());
    let token = value.get(scheme.len()..).unwrap_or_default().trim_ascii();
    if tag == tag::BEARER && !found.has(tag::JWT) && is_jwt(token) {
        found.found(tag::JWT, || "authorization: Bearer, a JSON Web Token".into());
    }
}

/// Whether a token is a JSON Web Token, or stands in the place of one: three parts in base64url, of which the first two are JSON objects
/// (RFC 7519, 7.2).
fn is_jwt(token: &[u8]) -> bool {
    if token.len() > BODY_MAX {
        return false;
    }
    let parts: Vec<&[u8]> = token.splitn(4, |&b| b == b'.').collect();
    match parts.as_slice() {
        [header, claims, signature] => is_object(header) && is_object(claims) && !signature.is_empty(),
        _ => redact::is_token_of_jwt(token),
    }
}

fn is_object(part: &[u8]) -> bool {
    URL_SAFE_NO_PAD.decode(part).is_ok_and(|text| text.starts_with(b"{") && probe::json(&text).is_some())
}
