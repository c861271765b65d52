//! gRPC by hand: messages, their frames, and calls.

use crate::h2_client::{H2, H2Answer};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::io::Write;

/// A protobuf message of text fields, each with its number, which is below 16; shorter than 128
/// bytes each.
pub fn message(fields: &[(u8, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, text) in fields {
        out.extend([number << 3 | 2, u8::try_from(text.len()).expect("a short text")]);
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// Messages in their frames, one after the other.
pub fn frames<M: AsRef<[u8]>>(messages: impl IntoIterator<Item = M>) -> Vec<u8> {
    messages.into_iter().flat_map(|message| framed(0, message.as_ref())).collect()
}

/// A message in its frame, compressed with gzip.
pub fn gzip_frame(message: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(message).expect("memory");
    framed(1, &gzip.finish().expect("memory"))
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a message");
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

/// Headers or trailers.
pub fn metadata(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs =
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    pairs.collect()
}

impl H2 {
    /// Calls a method with these frames, and returns the whole answer.
    pub async fn call(&self, url: &str, more: &[(&str, &str)], frames: Vec<u8>) -> H2Answer {
        let mut headers =
            vec![("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "grpc-test/1")];
        headers.extend(more);
        self.request("POST", url, &headers, Some(Bytes::from(frames)), None).await.expect("an answer")
    }
}

impl H2Answer {
    /// A header, or else a trailer, as text.
    pub fn metadata(&self, name: &str) -> Option<String> {
        let trailer = self.trailers.as_ref().and_then(|trailers| trailers.get(name));
        let value = self.headers.get(name).or(trailer)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}
