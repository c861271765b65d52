//! What one pass over a request's headers finds: all that the engine and the rules ask of them.

use crate::headers::Headers;
use crate::stub_names::STUB_HEADER;

/// The facts that a request's headers state. Fields are empty or `None` where a header is absent;
/// of repeats the last one is given.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// All of them.
    pub headers: &'a Headers,
    /// `:method`.
    pub method: &'a [u8],
    /// `:path`, with the query.
    pub path: &'a [u8],
    /// `:scheme`.
    pub scheme: &'a [u8],
    /// `:authority`.
    pub authority: &'a [u8],
    /// `content-type`, with its parameters.
    pub content_type: Option<&'a [u8]>,
    /// `content-length`.
    pub content_length: Option<&'a [u8]>,
    /// `content-encoding`.
    pub content_encoding: Option<&'a [u8]>,
    /// `accept-encoding`.
    pub accept_encoding: Option<&'a [u8]>,
    /// Whether `x-amz-content-sha256` says that the body is sent in frames (AWS Signature Version 4, "chunked upload").
    pub aws_streaming: bool,
    /// `x-understudy-control`: what a test asks of the filter itself.
    pub control: Option<&'a [u8]>,
    /// Whether there is a header that the filter alone may set; see [`crate::engine::STUB_HEADER`].
    pub stub: bool,
    /// `soapaction`.
    pub soap_action: Option<&'a [u8]>,
    /// `x-amz-target`.
    pub amz_target: Option<&'a [u8]>,
    has_upgrade: bool,
    connection: Option<&'a [u8]>,
}

impl<'a> Facts<'a> {
    /// What these headers say.
    pub fn of(headers: &'a Headers) -> Self {
        let mut facts = Self {
            headers,
            method: b"",
            path: b"",
            scheme: b"",
            authority: b"",
            content_type: None,
            content_length: None,
            content_encoding: None,
            accept_encoding: None,
            aws_streaming: false,
            control: None,
            stub: false,
            soap_action: None,
            amz_target: None,
            has_upgrade: false,
            connection: None,
        };
        for (name, value) in headers.iter() {
            facts.take(name, value);
        }
        facts
    }

    fn take(&mut self, name: &'a [u8], value: &'a [u8]) {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        // Most headers are none of these: the length alone rules them out.
        match name.len() {
            5 if name == b":path" => self.path = value,
            7 if name == b":method" => self.method = value,
            7 if name == b":scheme" => self.scheme = value,
            10 if name == b":authority" => self.authority = value,
            7 if is(b"upgrade") => self.has_upgrade = true,
            10 if is(b"connection") => self.connection = Some(value),
            10 if is(b"soapaction") => self.soap_action = Some(value),
            12 if is(b"x-amz-target") => self.amz_target = Some(value),
            12 if is(b"content-type") => self.content_type = Some(value),
            14 if is(b"content-length") => self.content_length = Some(value),
            15 if is(b"accept-encoding") => self.accept_encoding = Some(value),
            20 if is(b"x-amz-content-sha256") => self.aws_streaming = value.starts_with(b"STREAMING-"),
            20 if is(b"x-understudy-control") => self.control = Some(value),
            17 if is(STUB_HEADER.as_bytes()) => self.stub = true,
            16 if is(b"content-encoding") => self.content_encoding = Some(value),
            _ => {}
        }
    }

    /// Whether the stream leaves HTTP: CONNECT, or an upgrade (RFC 9110, 7.8 and 9.3.6).
    pub fn is_upgrade(&self) -> bool {
        let asks = |connection: &[u8]| {
            connection.split(|&b| b == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        };
        self.method == b"CONNECT" || self.has_upgrade && self.connection.is_some_and(asks)
    }

    /// How long the body is said to be; 0 where nothing is said.
    pub fn declared_length(&self) -> usize {
        let text = self.content_length.and_then(|value| std::str::from_utf8(value).ok());
        let length = text.and_then(|text| text.parse::<u64>().ok());
        length.map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// The content type without its parameters; see [`media_type`].
    pub fn media_type(&self) -> Option<&'a [u8]> {
        self.content_type.map(media_type)
    }

    /// The encodings of an answer that the client takes.
    pub fn accepted_encodings(&self) -> &'a [u8] {
        let accepted = match self.is_grpc() {
            true => self.headers.get(compression_headers(true).1),
            false => self.accept_encoding,
        };
        accepted.unwrap_or_default()
    }

    /// Whether the request is gRPC; see [`is_grpc`].
    pub fn is_grpc(&self) -> bool {
        self.content_type.is_some_and(is_grpc)
    }
}

/// The media type without its parameters (RFC 9110, 8.3.1).
pub fn media_type(content_type: &[u8]) -> &[u8] {
    content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii()
}

/// Whether a content type is gRPC's: `application/grpc`, alone or with a suffix such as `+proto` (gRPC over HTTP/2, "Requests"). gRPC-Web
/// is plain HTTP.
pub fn is_grpc(content_type: &[u8]) -> bool {
    let prefix = b"application/grpc";
    media_type(content_type).split_at_checked(prefix.len()).is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with(b"+"))
    })
}

/// Whether a media type is one whose bytes must not be changed, even where they look like text: lengths in it count them.
pub fn is_binary(media_type: &[u8]) -> bool {
    let has = |part: &[u8]| media_type.windows(part.len()).any(|w| w.eq_ignore_ascii_case(part));
    const PARTS: [&[u8]; 10] = [
        b"protobuf",
        b"/proto",
        b"+proto",
        b"grpc",
        b"cbor",
        b"msgpack",
        b"image/",
        b"audio/",
        b"video/",
        b"font/",
    ];
    PARTS.into_iter().any(has)
}

/// The headers that say how an answer is compressed, and which ways its client takes: gRPC compresses each message by itself ("gRPC over
/// HTTP2", "Requests").
pub fn compression_headers(grpc: bool) -> (&'static [u8], &'static [u8]) {
    if grpc { (b"grpc-encoding", b"grpc-accept-encoding") } else { (b"content-encoding", b"accept-encoding") }
}

/// Whether a client takes all of these encodings (RFC 9110, 12.5.3). One that names none takes none.
pub fn offers(accept: &[u8], codings: &[u8]) -> bool {
    let offered = |coding: &[u8]| {
        let mut any = None;
        for item in accept.split(|&b| b == b',') {
            let mut parts = item.split(|&b| b == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let refused = parts.any(|part| {
                let weight = part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q="));
                weight.is_some_and(|weight| !weight.iter().any(|b| matches!(b, b'1'..=b'9')))
            });
            if name.eq_ignore_ascii_case(coding) {
                return !refused;
            }
            if name == b"*" {
                any = Some(!refused);
            }
        }
        any.unwrap_or(false)
    };
    codings.split(|&b| b == b',').map(<[u8]>::trim_ascii).all(offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_told_from_what_is_like_it() {
        let check = |content_type: &str, expect: bool| {
            assert_eq!(is_grpc(content_type.as_bytes()), expect, "{content_type}")
        };
        check("application/grpc", true);
        check("Application/GRPC ; x=1", true);
        check("application/grpc+proto", true);
        check("application/grpc-web", false);
        check("application/grpcx", false);
        check("", false);
    }

    #[test]
    fn what_counts_its_bytes_is_binary() {
        let check = |media_type: &str, expect: bool| {
            assert_eq!(is_binary(media_type.as_bytes()), expect, "{media_type}");
        };
        check("application/grpc-web+proto", true);
        check("application/proto", true);
        check("Application/X-Protobuf", true);
        check("image/png", true);
        check("application/senml+cbor", true);
        check("application/vnd.msgpack", true);
        check("application/json", false);
        check("application/vnd.protocol-list+json", false);
    }

    #[test]
    fn an_upgrade_is_asked_for_by_both_headers() {
        let check = |pairs: &[(&str, &str)], expect: bool| {
            assert_eq!(
                Facts::of(&Headers::from_pairs(pairs.iter().copied())).is_upgrade(),
                expect,
                "{pairs:?}"
            );
        };
        check(&[(":method", "CONNECT")], true);
        check(&[("upgrade", "websocket"), ("connection", "keep-alive, Upgrade")], true);
        check(&[("upgrade", "websocket")], false);
        check(&[("connection", "upgrade")], false);
    }

    #[test]
    fn a_length_that_is_no_number_is_none() {
        let length =
            |text: &str| Facts::of(&Headers::from_pairs([("content-length", text)])).declared_length();
        assert_eq!(length("12"), 12);
        assert_eq!(length("x"), 0);
        assert_eq!(length("99999999999999999999999"), 0);
    }

    #[test]
    fn a_client_takes_what_it_names() {
        let check = |accept: &str, coding: &str, expect: bool| {
            assert_eq!(offers(accept.as_bytes(), coding.as_bytes()), expect, "{accept} / {coding}");
        };
        check("gzip, deflate, br", "gzip", true);
        check("GZip;q=0.5", "gzip", true);
        check("gzip;q=0", "gzip", false);
        check("gzip;q=0.0, *", "gzip", false);
        check("*", "br", true);
        check("*;q=0", "br", false);
        check("identity", "gzip", false);
        check("", "gzip", false);
        check("gzip", "gzip, br", false);
    }
}
