//! Request headers that don't identify a request, in families. Every other header counts.
//!
//! The list is data: each family names its sources. `docs/reference/matching.md`, "Headers", shows
//! it to users; a rule's `require` makes a header of a family count after all, and a rule's
//! `ignore` takes another header out.

/// Why a request header doesn't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// About one connection (RFC 9110, 7.6.1 and 10.1.1; RFC 9113, 8.2.2; RFC 9218).
    Connection,
    /// Framing and encoding of the body, and the encodings that the client accepts (RFC 9110, 8.4,
    /// 8.6 and 12.5.3; "gRPC over HTTP2", "Requests"; AWS Signature Version 4, "chunked upload").
    Framing,
    /// The client program and its version: RFC 9110, 10.1.5; W3C Client Hints and Fetch Metadata;
    /// the telemetry headers of vendors' SDKs.
    Client,
    /// Distributed tracing: W3C Trace Context and Baggage, B3, Jaeger, Datadog, Sentry, AWS X-Ray,
    /// Google Cloud Trace, OpenCensus, Instana, New Relic, Elastic APM, SkyWalking.
    Tracing,
    /// New with each call: idempotency keys and request identifiers, retry counters, deadlines
    /// ("The Idempotency-Key HTTP Header Field", IETF draft; OASIS Repeatable Requests; Microsoft
    /// REST API Guidelines, 7.8; AWS SDKs, `amz-sdk-*`; "gRPC over HTTP2", `grpc-timeout`).
    Call,
    /// Signatures, their dates, and digests of the body (AWS Signature Version 4; RFC 9110, 6.6.1;
    /// RFC 9421; RFC 9530; Azure Storage, "Shared Key"; Google Cloud Storage, V4 signing).
    Signature,
    /// Added by proxies (RFC 7239; RFC 9110, 7.6.3; Envoy, "HTTP header manipulation"; Cloudflare).
    Proxy,
    /// Says who calls: RFC 9110, 11.6.2 and 11.7.2; RFC 6265, 5.4; the API keys of vendors. Counts
    /// as a caller where recorded answers differ by it (a rule's `callers`).
    Credential,
    /// Understudy's own.
    Own,
}

use Family::{Call, Client, Connection, Credential, Framing, Own, Proxy, Signature, Tracing};

/// The names, sorted by length, then by their bytes: most headers are told apart by their length.
const NAMES: [(&[u8], Family); 146] = [
    (b"b3", Tracing),
    (b"te", Connection),
    (b"dnt", Client),
    (b"sw8", Tracing),
    (b"via", Proxy),
    (b"date", Signature),
    (b"host", Connection),
    (b"apikey", Credential),
    (b"cf-ray", Proxy),
    (b"cookie", Credential),
    (b"digest", Signature),
    (b"expect", Connection),
    (b"x-date", Signature),
    (b"api-key", Credential),
    (b"baggage", Tracing),
    (b"sec-gpc", Client),
    (b"trailer", Connection),
    (b"upgrade", Connection),
    (b"cdn-loop", Proxy),
    (b"newrelic", Tracing),
    (b"priority", Connection),
    (b"trace-id", Call),
    (b"x-apikey", Credential),
    (b"api-token", Credential),
    (b"forwarded", Proxy),
    (b"job-token", Credential),
    (b"signature", Signature),
    (b"x-api-key", Credential),
    (b"x-app-key", Credential),
    (b"x-ms-date", Signature),
    (b"x-real-ip", Proxy),
    (b"x-span-id", Call),
    (b"connection", Connection),
    (b"dd-api-key", Credential),
    (b"keep-alive", Connection),
    (b"request-id", Call),
    (b"tracestate", Tracing),
    (b"user-agent", Client),
    (b"x-acs-date", Signature),
    (b"x-amz-date", Signature),
    (b"x-auth-key", Credential),
    (b"x-sdk-date", Signature),
    (b"x-trace-id", Call),
    (b"xi-api-key", Credential),
    (b"aeg-sas-key", Credential),
    (b"content-md5", Signature),
    (b"repr-digest", Signature),
    (b"traceparent", Tracing),
    (b"x-api-token", Credential),
    (b"x-client-ip", Proxy),
    (b"x-goog-date", Signature),
    (b"x-goog-hash", Signature),
    (b"x-opaque-id", Call),
    (b"circle-token", Credential),
    (b"grpc-timeout", Call),
    (b"plaid-secret", Credential),
    (b"sentry-trace", Tracing),
    (b"x-auth-token", Credential),
    (b"x-message-id", Call),
    (b"x-request-id", Call),
    (b"x-user-agent", Client),
    (b"authorization", Credential),
    (b"grpc-encoding", Framing),
    (b"grpc-tags-bin", Tracing),
    (b"private-token", Credential),
    (b"retry-attempt", Call),
    (b"uber-trace-id", Tracing),
    (b"x-amz-trailer", Framing),
    (b"x-client-info", Client),
    (b"x-figma-token", Credential),
    (b"x-nomad-token", Credential),
    (b"x-retry-count", Call),
    (b"x-sentry-auth", Credential),
    (b"x-vault-token", Credential),
    (b"content-digest", Signature),
    (b"content-length", Framing),
    (b"correlation-id", Call),
    (b"grpc-trace-bin", Tracing),
    (b"http2-settings", Connection),
    (b"true-client-ip", Proxy),
    (b"x-access-token", Credential),
    (b"x-consul-token", Credential),
    (b"x-goog-api-key", Credential),
    (b"x-rapidapi-key", Credential),
    (b"x-tableau-auth", Credential),
    (b"x-tc-timestamp", Signature),
    (b"accept-encoding", Framing),
    (b"idempotency-key", Call),
    (b"plaid-client-id", Credential),
    (b"request-context", Tracing),
    (b"signature-input", Signature),
    (b"x-algolia-agent", Client),
    (b"x-amzn-trace-id", Tracing),
    (b"x-functions-key", Credential),
    (b"x-hub-signature", Signature),
    (b"x-ms-request-id", Call),
    (b"x-request-start", Proxy),
    (b"content-encoding", Framing),
    (b"proxy-connection", Connection),
    (b"x-amz-user-agent", Client),
    (b"x-client-version", Client),
    (b"x-correlation-id", Call),
    (b"x-honeycomb-team", Credential),
    (b"x-ms-activity-id", Call),
    (b"client-request-id", Call),
    (b"paypal-request-id", Call),
    (b"transfer-encoding", Connection),
    (b"x-algolia-api-key", Credential),
    (b"x-goog-api-client", Client),
    (b"x-honeycomb-trace", Tracing),
    (b"x-idempotency-key", Call),
    (b"x-ot-span-context", Tracing),
    (b"x-redmine-api-key", Credential),
    (b"connect-timeout-ms", Call),
    (b"dd-application-key", Credential),
    (b"x-ms-content-crc64", Signature),
    (b"proxy-authorization", Credential),
    (b"x-allowed-locations", Credential),
    (b"x-client-request-id", Call),
    (b"x-cluster-client-ip", Proxy),
    (b"x-hub-signature-256", Signature),
    (b"x-ms-content-sha256", Signature),
    (b"grpc-accept-encoding", Framing),
    (b"x-amz-content-sha256", Signature),
    (b"x-amz-security-token", Credential),
    (b"x-parse-rest-api-key", Credential),
    (b"x-acs-signature-nonce", Call),
    (b"x-cloud-trace-context", Tracing),
    (b"x-elastic-client-meta", Client),
    (b"x-goog-content-sha256", Signature),
    (b"x-hasura-admin-secret", Credential),
    (b"x-parse-session-token", Credential),
    (b"x-shopify-access-token", Credential),
    (b"connect-accept-encoding", Framing),
    (b"x-auth-user-service-key", Credential),
    (b"x-postmark-server-token", Credential),
    (b"connect-content-encoding", Framing),
    (b"x-postmark-account-token", Credential),
    (b"ocp-apim-subscription-key", Credential),
    (b"grpc-previous-rpc-attempts", Call),
    (b"x-ms-correlation-request-id", Call),
    (b"x-amz-decoded-content-length", Framing),
    (b"x-amz-sdk-checksum-algorithm", Signature),
    (b"x-goog-gcs-idempotency-token", Call),
    (b"x-ms-authorization-auxiliary", Credential),
    (b"x-ms-cosmos-correlated-activityid", Call),
];

/// Beginnings of names.
const PREFIXES: [(&[u8], Family); 24] = [
    (b"amz-sdk-", Call),
    (b"cf-", Proxy),
    (b"elastic-apm-", Tracing),
    (b"ot-tracer-", Tracing),
    (b"repeatability-", Call),
    (b"sec-ch-", Client),
    (b"sec-fetch-", Client),
    (b"sw8-", Tracing),
    (b"uberctx-", Tracing),
    (b"x-amz-checksum-", Signature),
    (b"x-b3-", Tracing),
    (b"x-datadog-", Tracing),
    (b"x-envoy-", Proxy),
    (b"x-forwarded-", Proxy),
    (b"x-github-client-", Client),
    (b"x-goog-trace-", Tracing),
    (b"x-instana-", Tracing),
    (b"x-ms-client-", Client),
    (b"x-newrelic-", Tracing),
    (b"x-openai-client-", Client),
    (b"x-square-client-", Client),
    (b"x-stainless-", Client),
    (b"x-stripe-client-", Client),
    (b"x-understudy", Own),
];

/// The family of a header, in any spelling of its name; `None` where the header counts.
pub fn family(name: &[u8]) -> Option<Family> {
    let by_length_then_bytes = |&(known, _): &(&[u8], Family)| {
        known.len().cmp(&name.len()).then_with(|| {
            let lower = name.iter().map(u8::to_ascii_lowercase);
            known.iter().copied().cmp(lower)
        })
    };
    if let Ok(at) = NAMES.binary_search_by(by_length_then_bytes) {
        return NAMES.get(at).map(|&(_, family)| family);
    }
    PREFIXES
        .iter()
        .find(|(prefix, _)| {
            name.split_at_checked(prefix.len()).is_some_and(|(start, _)| start.eq_ignore_ascii_case(prefix))
        })
        .map(|&(_, family)| family)
}

/// Headers whose content has a field of its own in the signature: the media type, the operation.
const OWN_FIELD: [&[u8]; 3] = [b"content-type", b"soapaction", b"x-amz-target"];

/// Returns whether a header is part of a request's identity as a header.
pub fn counts(name: &[u8]) -> bool {
    identifies(name) && !OWN_FIELD.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Returns whether a header is part of a request's identity: as a header, or as a field of its own.
pub fn identifies(name: &[u8]) -> bool {
    !name.is_empty() && !name.starts_with(b":") && family(name).is_none()
}

/// All names and prefixes with their families, prefixes with a `*` behind them: for those who show
/// the list, and for those who test by it.
pub fn all() -> impl Iterator<Item = (String, Family)> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let names = NAMES.iter().map(move |&(name, family)| (text(name), family));
    let prefixes = PREFIXES.iter().map(move |&(prefix, family)| (text(prefix) + "*", family));
    names.chain(prefixes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_each_name_finds_its_family() {
        let key = |name: &'static [u8]| (name.len(), name);
        assert!(NAMES.windows(2).all(|pair| key(pair[0].0) < key(pair[1].0)));
        for (name, expect) in all() {
            let name = name.replace('*', "x");
            assert_eq!(family(name.as_bytes()), Some(expect), "{name}");
            assert_eq!(family(name.to_ascii_uppercase().as_bytes()), Some(expect), "{name}");
        }
    }

    #[test]
    fn headers_of_no_family_count() {
        let check = |name: &str, expect: bool| assert_eq!(counts(name.as_bytes()), expect, "{name}");
        for name in [
            "x-ms-range",
            "dropbox-api-arg",
            "x-ms-documentdb-partitionkey",
            "x-amz-acl",
            "x-amz-metadata-directive",
            "anthropic-beta",
            "last-event-id",
            "x-tenant",
            "accept-language",
            "accept",
            "range",
            "if-match",
            "stripe-account",
            "x-goog-user-project",
            "prefer",
            "x-csrf-token",
            "origin",
        ] {
            check(name, true);
        }
        for name in ["User-Agent", "X-Stainless-Lang", "traceparent", ":path", "Content-Type", "cookie", ""] {
            check(name, false);
        }
    }
}
