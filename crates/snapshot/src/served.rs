//! What of a recorded response is served: `docs/reference/matching.md`, "Serving". Bytes are never changed, only left out.

use understudy_core::exchange::{End, Exchange, Request};
use understudy_core::headers::Headers;
use understudy_core::{encoding, facts};

/// Headers that are Envoy's to say, that are about one connection (RFC 9110, 7.6.1), or that would lie in a replay.
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
    // Recorded from another understudy.
    VERDICT_HEADER,
    b"content-length",
];

/// An answer is undone up to this length, in bytes.
const PLAIN_MAX: usize = 64 << 20;

/// Says which answer was served, and is the last header of each.
pub const VERDICT_HEADER: &[u8] = b"x-understudy";

/// What is served of a response.
#[derive(Clone, Debug)]
pub struct Served<'a> {
    /// The status.
    pub status: u16,
    /// Without [`VERDICT_HEADER`].
    pub headers: Headers,
    /// The body.
    pub body: &'a [u8],
    /// The trailers.
    pub trailers: Headers,
    /// There is a body and nobody said of what type.
    pub untyped: bool,
    /// The same without its content-encoding, where the client offered that.
    pub plain: Option<PlainServed>,
}

/// What is served to a client that doesn't offer the recorded encoding.
#[derive(Clone, Debug)]
pub struct PlainServed {
    /// The encodings that it must offer for the other.
    pub coding: Vec<u8>,
    /// The headers, without the one that names the encoding.
    pub headers: Headers,
    /// The body, undone.
    pub body: Vec<u8>,
}

/// What is served of an exchange. `None` where it has no response.
pub fn served(exchange: &Exchange) -> Option<Served<'_>> {
    let (request, response) = (&exchange.request, exchange.response.as_ref()?);
    let method = request.method.as_slice();
    let bodiless = method == b"HEAD" || matches!(response.status, 204 | 304);
    // There it says how long the body would be, which nothing else can say (RFC 9110, 8.6); a 204 must not have it.
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
    // HTTP/2 knows names in lower case alone; HTTP/1 doesn't care.
    let headers = Headers::from_pairs(kept.map(|(name, value)| (name.to_ascii_lowercase(), value)));
    let body = if bodiless { &[][..] } else { &response.body.bytes };
    let untyped = !body.is_empty() && headers.get(b"content-type").is_none();
    let plain = plain(request, &headers, body);
    let mut trailers = response.trailers.clone();
    if exchange.end == End::ClientLeft && headers.get(b"content-type").is_some_and(facts::is_grpc) {
        // What the backend would have said at the end, the client didn't want to know; but gRPC has no end without.
        trailers = Headers::from_pairs([("grpc-status", "0")]);
    }
    Some(Served { status: response.status, headers, body, trailers, untyped, plain })
}

/// The answer without its content-encoding. None where the recorded client hadn't offered it: then it is part of what it asked for.
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

/// The names that the response's `connection` header says are about the connection too.
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
    fn what_is_envoys_or_would_lie_is_left_out() {
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
    fn no_body_where_there_can_be_none() {
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
