//! Selects the parts of a recorded response that are served (`docs/reference/matching.md`,
//! "Serving"). Bytes are left out, never changed.

use understudy_core::exchange::{End, Exchange, Request};
use understudy_core::headers::Headers;
use understudy_core::{encoding, facts};

/// Headers that Envoy sets, that describe one connection (RFC 9110, 7.6.1), or that are no longer
/// true when the answer is served.
const DROPPED: [&[u8]; 11] = [
    b"transfer-encoding",
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"upgrade",
    b"date",
    b"alt-svc",
    // Recorded from another instance of Understudy.
    VERDICT_HEADER,
    b"content-length",
];

/// Maximum length of a decoded body, in bytes.
const PLAIN_MAX: usize = 64 << 20;

/// Name of the header that tells which answer was served. It is the last header of each answer.
pub const VERDICT_HEADER: &[u8] = b"x-understudy";

/// The parts of a recorded response that are served.
#[derive(Clone, Debug)]
pub struct Served<'a> {
    /// The status.
    pub status: u16,
    /// The headers, without [`VERDICT_HEADER`].
    pub headers: Headers,
    /// The body.
    pub body: &'a [u8],
    /// The trailers.
    pub trailers: Headers,
    /// True if the response has a body without a content type.
    pub untyped: bool,
    /// The decoded response, if the recorded client had offered the response's content encoding.
    pub plain: Option<PlainServed>,
}

/// The response served to a client that doesn't offer the recorded encoding.
#[derive(Clone, Debug)]
pub struct PlainServed {
    /// Encodings that a client must offer to get the encoded response.
    pub coding: Vec<u8>,
    /// The headers, without the one that names the encoding.
    pub headers: Headers,
    /// The decoded body.
    pub body: Vec<u8>,
}

/// Returns the parts of an exchange's response that are served, or `None` if it has no response.
pub fn served(exchange: &Exchange) -> Option<Served<'_>> {
    let (request, response) = (&exchange.request, exchange.response.as_ref()?);
    let method = request.method.as_slice();
    let bodiless = method == b"HEAD" || matches!(response.status, 204 | 304);
    // On an answer to HEAD and on a 304, content-length tells the length that the body would have
    // (RFC 9110, 8.6). A 204 must not have the header.
    let keeps_length = method == b"HEAD" && response.status != 204 || response.status == 304;
    let nominated = nominated(&response.headers);
    let kept = response.headers.iter().filter(|(name, _)| {
        let is = |known: &&[u8]| name.eq_ignore_ascii_case(known);
        if is(&&b"content-length"[..]) {
            return keeps_length;
        }
        let dropped = DROPPED.iter().any(is) || nominated.iter().any(is);
        !dropped && !starts_with(name, b"x-envoy-") && !name.starts_with(b":")
    });
    // HTTP/2 allows only lower-case names; HTTP/1 ignores the case.
    let headers = Headers::from_pairs(kept.map(|(name, value)| (name.to_ascii_lowercase(), value)));
    let body = if bodiless { &[][..] } else { &response.body.bytes };
    let untyped = !body.is_empty() && headers.get(b"content-type").is_none();
    let plain = plain(request, &headers, body);
    let mut trailers = response.trailers.clone();
    if exchange.end == End::ClientLeft && headers.get(b"content-type").is_some_and(facts::is_grpc) {
        // The client cancelled before the trailers came, but a gRPC stream must end with a status.
        trailers = Headers::from_pairs([("grpc-status", "0")]);
    }
    Some(Served { status: response.status, headers, body, trailers, untyped, plain })
}

/// Returns the decoded answer, or `None` if the recorded client hadn't offered the encoding: such
/// an encoding belongs to the requested resource.
fn plain(request: &Request, headers: &Headers, body: &[u8]) -> Option<PlainServed> {
    let grpc = request.headers.get(b"content-type").is_some_and(facts::is_grpc);
    let (coding_header, accept_header) = facts::compression_headers(grpc);
    let coding = headers.get(coding_header).filter(|_| !body.is_empty())?;
    if !facts::offers(request.headers.get(accept_header).unwrap_or_default(), coding) {
        return None;
    }
    let body = match grpc {
        true => encoding::undo_messages(coding, body, PLAIN_MAX)?,
        false => encoding::undo(coding, body, PLAIN_MAX)?.into_owned(),
    };
    let kept = headers.iter().filter(|(name, _)| *name != coding_header);
    Some(PlainServed { coding: coding.to_vec(), headers: Headers::from_pairs(kept), body })
}

/// Names of further connection headers, as listed in the response's `connection` header.
fn nominated(headers: &Headers) -> Vec<&[u8]> {
    let connection = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"connection"));
    connection.flat_map(|(_, value)| value.split(|&b| b == b',').map(<[u8]>::trim_ascii)).collect()
}

fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::exchange::{Body, Response};

    fn check(
        method: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
        expect: &[(&str, &str)],
    ) -> (Vec<u8>, bool) {
        let body = Body { bytes: body.into(), truncated: None };
        let headers = Headers::from_pairs(headers.iter().copied());
        let response = Some(Response { status, headers, body, ..Response::default() });
        let request = Request { method: method.into(), ..Request::default() };
        let exchange = Exchange { request, response, ..Exchange::default() };
        let served = served(&exchange).unwrap();
        assert_eq!(served.headers, Headers::from_pairs(expect.iter().copied()));
        (served.body.to_vec(), served.untyped)
    }

    #[test]
    fn headers_of_a_connection_or_of_envoy_are_left_out() {
        let all = [
            ("Content-Type", "a"),
            ("date", "x"),
            ("set-cookie", "1"),
            ("content-length", "4"),
            ("connection", "close, X-Hop"),
            ("x-hop", "y"),
            ("x-envoy-upstream-service-time", "7"),
            ("alt-svc", "h3"),
            ("x-understudy", "match"),
            ("set-cookie", "2"),
            (":status", "200"),
        ];
        let kept = [("content-type", "a"), ("set-cookie", "1"), ("set-cookie", "2")];
        assert_eq!(check("GET", 200, &all, "body", &kept), (b"body".to_vec(), false));
    }

    #[test]
    fn answer_that_cannot_have_a_body_has_none() {
        let length = [("content-length", "4")];
        assert_eq!(check("HEAD", 200, &length, "body", &length), (vec![], false));
        assert_eq!(check("GET", 304, &length, "", &length), (vec![], false));
        assert_eq!(check("GET", 204, &length, "body", &[]), (vec![], false));
        assert_eq!(check("HEAD", 204, &length, "", &[]), (vec![], false));
    }

    #[test]
    fn a_body_without_a_type_is_untyped() {
        assert_eq!(check("GET", 200, &[], "body", &[]), (b"body".to_vec(), true));
        assert_eq!(check("GET", 200, &[], "", &[]), (vec![], false));
    }
}
