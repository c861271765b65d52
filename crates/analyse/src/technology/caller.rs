//! What trace headers show of the service that called.

use super::tag::{self, Tag};
use super::technologies::Technologies;
use understudy_core::exchange::Exchange;

/// Headers that a tracer adds to the requests of its service. Sources: W3C Trace Context; <https://github.com/openzipkin/b3-propagation>;
/// <https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/>; <https://docs.sentry.io/platforms/python/tracing/>;
/// <https://www.jaegertracing.io/docs/1.22/client-libraries/>; <https://docs.newrelic.com/docs/distributed-tracing/>;
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html>; <https://cloud.google.com/trace/docs/trace-context>.
const HEADERS: [(&str, Tag, &str); 12] = [
    ("b3", tag::ZIPKIN, "header b3"),
    ("newrelic", tag::NEW_RELIC, "header newrelic"),
    ("sentry-trace", tag::SENTRY, "header sentry-trace"),
    ("traceparent", tag::OPENTELEMETRY, "header traceparent"),
    ("uber-trace-id", tag::JAEGER, "header uber-trace-id"),
    ("x-amzn-trace-id", tag::X_RAY, "header x-amzn-trace-id"),
    ("x-b3-spanid", tag::ZIPKIN, "header x-b3-spanid"),
    ("x-b3-traceid", tag::ZIPKIN, "header x-b3-traceid"),
    ("x-cloud-trace-context", tag::CLOUD_TRACE, "header x-cloud-trace-context"),
    ("x-datadog-parent-id", tag::DATADOG, "header x-datadog-parent-id"),
    ("x-datadog-sampling-priority", tag::DATADOG, "header x-datadog-sampling-priority"),
    ("x-datadog-trace-id", tag::DATADOG, "header x-datadog-trace-id"),
];

pub(super) fn look(exchange: &Exchange, found: &mut Technologies) {
    for (name, _) in exchange.request.headers.iter() {
        let known = HEADERS.into_iter().find(|(known, ..)| name.eq_ignore_ascii_case(known.as_bytes()));
        if let Some((_, tag, evidence)) = known {
            found.found_of_caller(tag, || evidence.into());
        }
    }
}
