//! Finds values that look like secrets. A snapshot is committed and shared, and so would be a key
//! in it.
//!
//! The rules are those by which the filter redacts ([`understudy_core::redact`]). A value that they
//! don't find may still be a secret. A finding never contains the secret.

use std::borrow::Cow;
use understudy_core::encoding;
use understudy_core::exchange::{Body, Exchange, Response};
use understudy_core::headers::Headers;
use understudy_core::redact::{Detector, What};

/// Maximum length of a decoded body, in bytes.
const DECODED_MAX: usize = 64 << 20;
const REMEDY: &str = "record again with redaction, or run `understudy redact` on the snapshot";

/// Calls `tell` with a code and a message for each kind of secret that an exchange appears to
/// contain.
pub(super) fn look(detector: &Detector, exchange: &Exchange, mut tell: impl FnMut(&'static str, &str)) {
    let (request, response) = (&exchange.request, exchange.response.as_ref());
    in_headers(detector, &request.headers, &mut tell);
    let mut in_request = false;
    let mut asked = |what: What<'_>| {
        if let Some(code) = once(&mut in_request, what, "secret-request") {
            tell(code, &format!("{what} is in the request's path or body and looks like a secret; {REMEDY}"));
        }
    };
    detector.path(&request.path, &mut asked);
    detector.body(
        request.headers.get(b"content-type"),
        &decoded(&request.headers, &request.body),
        &mut asked,
    );
    if let Some(response) = response {
        in_response(detector, response, tell);
    }
}

fn in_response(detector: &Detector, response: &Response, mut tell: impl FnMut(&'static str, &str)) {
    in_headers(detector, &response.headers, &mut tell);
    let mut seen = false;
    let body = decoded(&response.headers, &response.body);
    detector.body(response.headers.get(b"content-type"), &body, |what| {
        if let Some(code) = once(&mut seen, what, "secret-response") {
            tell(code, &format!("{what} is in the answer and looks like a secret; {REMEDY}"));
        }
    });
}

/// A body without its content encoding, or as it is if it can't be decoded.
fn decoded<'a>(headers: &Headers, body: &'a Body) -> Cow<'a, [u8]> {
    let coding = headers.get(b"content-encoding").unwrap_or_default();
    encoding::undo(coding, &body.bytes, DECODED_MAX).unwrap_or(Cow::Borrowed(&body.bytes))
}

fn in_headers(detector: &Detector, headers: &Headers, mut tell: impl FnMut(&'static str, &str)) {
    for (name, value) in headers.iter() {
        let mut seen = false;
        detector.header(name, value, |what| {
            if !std::mem::replace(&mut seen, true) {
                let header = String::from_utf8_lossy(name).to_ascii_lowercase();
                let stands = match what {
                    What::Name(_) => format!("the header `{header}` looks like a secret"),
                    _ => format!("{what} is in the header `{header}`"),
                };
                tell(code(&header, what), &format!("{stands}; {REMEDY}"));
            }
        });
    }
}

fn code(header: &str, what: What<'_>) -> &'static str {
    match (what, header) {
        (What::Card, _) => "secret-card",
        (What::Shape(_), _) => "secret-header",
        (_, "authorization" | "proxy-authorization") => "secret-authorization",
        (_, "cookie") => "secret-cookie",
        (_, "set-cookie") => "secret-set-cookie",
        _ => "secret-api-key",
    }
}

/// The code of a secret, or `None` if the exchange has a finding with this code already.
fn once(seen: &mut bool, what: What<'_>, code: &'static str) -> Option<&'static str> {
    if what == What::Card {
        return Some("secret-card");
    }
    (!std::mem::replace(seen, true)).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::exchange::Request;
    use understudy_core::redact::Settings;

    fn check(path: &str, headers: &[(&str, &str)], asked: &str, answered: &str, expect: &[&str]) {
        let body = |text: &str| Body { bytes: text.into(), truncated: None };
        let headers = || Headers::from_pairs(headers.iter().copied());
        let request =
            Request { path: path.into(), headers: headers(), body: body(asked), ..Request::default() };
        let response = Response { body: body(answered), ..Response::default() };
        let exchange = Exchange { request, response: Some(response), ..Exchange::default() };
        let mut found = Vec::new();
        look(&Detector::new(&Settings::default()), &exchange, |code, message| {
            assert!(!message.contains("hunter2") && !message.contains("4242"), "{message}");
            found.push(code);
        });
        assert_eq!(found, expect);
    }

    #[test]
    fn secrets_that_the_filter_redacts_are_found() {
        check("/", &[("Authorization", "Bearer hunter2")], "", "", &["secret-authorization"]);
        check("/", &[("cookie", "a=hunter2; b=hunter2")], "", "", &["secret-cookie"]);
        check("/", &[("set-cookie", "a=hunter2")], "", "", &["secret-set-cookie"]);
        check("/", &[("x-api-key", "hunter2")], "", "", &["secret-api-key"]);
        let key = format!("{}{}", "sk_live_", "51H8xAbCdEfGhIj");
        check("/", &[("x-other", &key)], "", "", &["secret-header"]);
        check("/?password=hunter2", &[], r#"{"secret":"hunter2"}"#, "", &["secret-request"]);
        check("/", &[], "", &key, &["secret-response"]);
        check("/", &[], r#"["4242424242424242"]"#, r#"{"cvc":"123"}"#, &["secret-card", "secret-response"]);
    }

    #[test]
    fn tokens_and_placeholders_are_no_secrets() {
        let token = "redacted-0123456789abcdef";
        for harmless in
            ["", "redacted", "Bearer [REDACTED]", "***", "Basic xxxx", token, &format!("Bearer {token}")]
        {
            check("/", &[("authorization", harmless)], "", "", &[]);
        }
        check(&format!("/?password={token}"), &[("cookie", &format!("a={token}"))], "", "", &[]);
    }
}
