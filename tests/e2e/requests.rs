//! Requests of HTTP/1.1 as bytes, in origin form, as an app sends them.

/// A request without a body. `headers`: whole lines.
pub(crate) fn head(method: &str, host: &str, path: &str, headers: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n").into_bytes()
}

/// A POST with its length.
pub(crate) fn post(host: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!("{headers}content-length: {}\r\n", body.len());
    [&head("POST", host, path, &headers), body].concat()
}

/// A POST in chunks, perhaps with trailers, which are whole lines too.
pub(crate) fn chunked(host: &str, path: &str, headers: &str, chunks: &[&[u8]], trailers: &str) -> Vec<u8> {
    let mut bytes = head("POST", host, path, &format!("{headers}transfer-encoding: chunked\r\n"));
    for chunk in chunks {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    bytes
}
