//! Which exchanges deliver telemetry, and to what: by the paths and headers that its protocols lay down.

use super::services::SERVICES;
use super::tag::{self, Kind, Tag};
use super::technologies::Technologies;
use understudy_core::exchange::{Exchange, Request};
use understudy_core::facts::media_type;

/// Paths to which telemetry is posted, and what a body there must be, where the path alone could be another's.
/// Sources: OTLP specification, "OTLP/HTTP Request"; Zipkin API v2 (<https://zipkin.io/zipkin-api/>); Jaeger, "Thrift over HTTP";
/// Datadog's agent (<https://github.com/DataDog/datadog-agent/tree/main/pkg/trace/api>).
const PATHS: [(&str, Tag, Needs); 11] = [
    ("/v1/traces", tag::OPENTELEMETRY, Needs::Otlp),
    ("/v1/metrics", tag::OPENTELEMETRY, Needs::Otlp),
    ("/v1/logs", tag::OPENTELEMETRY, Needs::Otlp),
    ("/opentelemetry.proto.collector.", tag::OPENTELEMETRY, Needs::Nothing),
    ("/api/v2/spans", tag::ZIPKIN, Needs::Nothing),
    ("/api/v1/spans", tag::ZIPKIN, Needs::Nothing),
    ("/api/traces", tag::JAEGER, Needs::Thrift),
    ("/v0.3/traces", tag::DATADOG, Needs::Nothing),
    ("/v0.4/traces", tag::DATADOG, Needs::Nothing),
    ("/v0.5/traces", tag::DATADOG, Needs::Nothing),
    ("/telemetry/proxy/api/v2/apmtelemetry", tag::DATADOG, Needs::Nothing),
];

/// What a body must be to be telemetry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// Protobuf, or JSON with one of OTLP's members at its beginning.
    Otlp,
    Thrift,
}

/// Adds what telemetry an exchange delivers; says whether it does.
pub(super) fn look(exchange: &Exchange, found: &mut Technologies) -> bool {
    if let Some((tag, path)) = delivery(&exchange.request) {
        found.found(tag, || format!("delivery to {path}").into());
        return true;
    }
    has_header(&exchange.request)
}

/// Returns whether an exchange delivers telemetry, by its path or a header.
pub(super) fn delivers(exchange: &Exchange) -> bool {
    delivery(&exchange.request).is_some() || has_header(&exchange.request)
}

/// To what telemetry a request delivers, and by which path that is told.
fn delivery(request: &Request) -> Option<(Tag, &'static str)> {
    if request.method != b"POST" && request.method != b"PUT" {
        return None;
    }
    let path = request.path.split(|&b| b == b'?').next().unwrap_or_default();
    let by_path = PATHS.into_iter().find(|(known, ..)| match known.ends_with('.') {
        true => path.starts_with(known.as_bytes()),
        false => path == known.as_bytes(),
    });
    match by_path {
        Some((known, tag, needs)) => is_such(request, needs).then_some((tag, known)),
        None => is_sentry(path).then_some((tag::SENTRY, "/api/PROJECT/envelope/")),
    }
}

/// Whether a request bears a header that only a service of telemetry is sent.
fn has_header(request: &Request) -> bool {
    let services = || SERVICES.iter().filter(|service| service.tag.kind == Kind::Telemetry);
    let is_theirs = |name: &[u8]| {
        services()
            .flat_map(|service| service.headers)
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    };
    request.headers.iter().any(|(name, _)| name.contains(&b'-') && is_theirs(name))
}

fn is_such(request: &Request, needs: Needs) -> bool {
    let kind = request.headers.get(b"content-type").map(media_type).unwrap_or_default().to_ascii_lowercase();
    let has = |part: &[u8]| kind.windows(part.len()).any(|window| window == part);
    let start = request.body.bytes.get(..request.body.bytes.len().min(64)).unwrap_or_default();
    let names = |name: &[u8]| start.windows(name.len()).any(|window| window == name);
    match needs {
        Needs::Nothing => true,
        Needs::Thrift => has(b"thrift"),
        Needs::Otlp => {
            let members = [&b"\"resourceSpans\""[..], b"\"resourceMetrics\"", b"\"resourceLogs\""];
            // Compressed, it can't be looked into; nothing else of that path is.
            has(b"protobuf") || has(b"json") && (members.into_iter().any(names) || is_compressed(request))
        }
    }
}

fn is_compressed(request: &Request) -> bool {
    request.headers.get(b"content-encoding").is_some()
}

/// Sentry, "Envelopes" (<https://develop.sentry.dev/sdk/data-model/envelopes/>):
/// `/api/PROJECT/envelope/` and the older `/api/PROJECT/store/`, with a number for the project.
fn is_sentry(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/api/") else { return false };
    let mut parts = rest.split(|&b| b == b'/');
    let project = parts.next().unwrap_or_default();
    let is_number = !project.is_empty() && project.iter().all(u8::is_ascii_digit);
    is_number && matches!(parts.next(), Some(b"envelope" | b"store")) && parts.next() == Some(b"")
}
