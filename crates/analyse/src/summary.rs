//! Summarises a snapshot by backend: number and kinds of requests, statuses and durations. For
//! `understudy inspect`.

use crate::technology::{self, Technologies, Technology};
use hashbrown::{HashMap, HashSet};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use understudy_core::backend;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::config::{Mode, OnMiss};
use understudy_core::digest::Digest;
use understudy_core::exchange::{Direction, Exchange, Request, Response};
use understudy_core::facts;
use understudy_core::rules::Rules;
use understudy_core::time;
use understudy_snapshot::Snapshot;
use understudy_snapshot::SnapshotError;
use understudy_snapshot::answerable::{unanswerable, whole_response};
use understudy_snapshot::feed;

/// Maximum number of request kinds in the summary of a backend.
const TOP: usize = 10;

/// Maximum number of protocols in the summary of a backend.
const PROTOCOLS_MAX: usize = 8;
/// Statuses of gRPC that are server errors (OpenTelemetry, "Semantic conventions for gRPC", of a
/// server's span): UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
const GRPC_FAILED: [&str; 6] = ["2", "4", "12", "13", "14", "15"];

/// Summary of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the snapshot.
    pub name: String,
    /// The recorded service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Time of the recording, as RFC 3339.
    pub recorded: String,
    /// Treatment of a miss.
    pub on_miss: OnMiss,
    /// Number of exchanges.
    pub exchanges: u64,
    /// Technologies of the service itself, from its trace headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caller: Vec<Technology>,
    /// Backends by direction (inbound first), then by number of exchanges (most first).
    pub backends: Vec<BackendSummary>,
}

/// Direction of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Clients called the service.
    Inbound,
    /// The service called a backend.
    Outbound,
}

/// Summary of the requests to one backend, or to the service under one name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackendSummary {
    /// `scheme://authority`.
    pub name: String,
    /// Scheme of the name: `http` or `https`.
    pub scheme: String,
    /// Host of the name. The whole name if it isn't `scheme://host[:port]`.
    pub host: String,
    /// Port of the name; 0 if it has no valid one.
    pub port: u16,
    /// True if it was called with TLS.
    pub tls: bool,
    /// Direction.
    pub direction: Way,
    /// Mode in `snapshot.yaml`; `None` for inbound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Protocols, such as `HTTP/1.1`.
    pub protocols: BTreeSet<String>,
    /// Technologies with their evidence, in display order.
    pub technologies: Vec<Technology>,
    /// True if it received only telemetry.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub telemetry: bool,
    /// Number of exchanges.
    pub exchanges: u64,
    /// Share of all exchanges of this direction, from 0 to 1.
    pub share: f64,
    /// Number of failed exchanges: without a complete response, with a status of 500 or above, or
    /// with a server error of gRPC.
    pub errors: u64,
    /// Number of exchanges that can be served as answers.
    pub answerable: u64,
    /// Number of different requests.
    pub signatures: u64,
    /// Most frequent operations, or methods with paths; those with equal counts by name.
    pub top: Vec<Top>,
    /// Number of responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Number of gRPC responses by status (`grpc-status`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub grpc_statuses: BTreeMap<String, u64>,
    /// Length of all request bodies, in bytes.
    pub request_bytes: u64,
    /// Length of all response bodies, in bytes.
    pub response_bytes: u64,
    /// Median duration, in microseconds.
    pub p50_us: u64,
    /// 95th percentile of the duration, in microseconds.
    pub p95_us: u64,
}

/// A kind of request and its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Top {
    /// Operation, such as `DynamoDB_20120810.GetItem`; gRPC service and method, such as
    /// `orders.v1.Orders/Get`; or method and path.
    pub request: String,
    /// Number of exchanges.
    pub exchanges: u64,
}

/// Summarises a snapshot.
///
/// # Errors
/// [`SnapshotError`] for the first file or line that can't be read.
pub fn summary(snapshot: &Snapshot) -> Result<Summary, SnapshotError> {
    let header = snapshot.header();
    let mut counts: BTreeMap<(Way, String), Counts> = BTreeMap::new();
    for name in header.backends.keys() {
        counts.insert((Way::Outbound, name.clone()), Counts::default());
    }
    for name in header.inbound.keys() {
        counts.insert((Way::Inbound, name.clone()), Counts::default());
    }
    let mut signature = Signature::default();
    let rules = Rules::new(header.rules.clone());
    let mut exchanges = 0;
    feed::each(snapshot, |item| {
        let exchange = &item?.exchange;
        exchanges += 1;
        let way = match exchange.direction {
            Direction::Inbound => Way::Inbound,
            Direction::Outbound => Way::Outbound,
        };
        counts.entry((way, exchange.backend.clone())).or_default().add(exchange, &mut signature, &rules);
        Ok::<_, SnapshotError>(())
    })?;
    let mut caller = Vec::new();
    let told = counts.into_iter().map(|((direction, name), counts)| {
        let mode = (direction == Way::Outbound).then(|| header.backend(&name).mode);
        counts.finish(name, direction, mode, &mut caller)
    });
    let mut backends: Vec<_> = told.collect();
    share(&mut backends);
    backends.sort_by_key(|backend| (backend.direction, std::cmp::Reverse(backend.exchanges)));
    let recorded = time::to_rfc3339(header.recorded);
    let (name, service) = (header.name.clone(), header.service.clone());
    Ok(Summary { name, service, recorded, on_miss: header.on_miss, exchanges, caller, backends })
}

/// Sets the share of each backend in the exchanges of its direction, rounded to four digits.
fn share(backends: &mut [BackendSummary]) {
    for way in [Way::Inbound, Way::Outbound] {
        let ours = || backends.iter().filter(|backend| backend.direction == way);
        let all: u64 = ours().map(|backend| backend.exchanges).sum();
        for backend in backends.iter_mut().filter(|backend| backend.direction == way) {
            let part = backend.exchanges as f64 / all.max(1) as f64;
            backend.share = (part * 10_000.0).round() / 10_000.0;
        }
    }
}

#[derive(Default)]
struct Counts {
    exchanges: u64,
    errors: u64,
    protocols: BTreeSet<String>,
    technologies: Technologies,
    answerable: u64,
    signatures: HashSet<Digest>,
    requests: HashMap<String, u64>,
    statuses: BTreeMap<u16, u64>,
    grpc_statuses: BTreeMap<String, u64>,
    request_bytes: u64,
    response_bytes: u64,
    durations: Vec<u64>,
}

impl Counts {
    fn add(&mut self, exchange: &Exchange, signature: &mut Signature, rules: &Rules) {
        let request = &exchange.request;
        signature.set(&RequestView::from(exchange), rules);
        self.exchanges += 1;
        self.errors += u64::from(failed(exchange));
        self.technologies.add(exchange);
        if self.protocols.len() < PROTOCOLS_MAX && !self.protocols.contains(&exchange.protocol) {
            self.protocols.insert(exchange.protocol.clone());
        }
        self.answerable += u64::from(unanswerable(exchange).is_none());
        self.signatures.insert(signature.digest());
        *self.requests.entry(label(signature)).or_default() += 1;
        self.request_bytes += length(&request.body);
        if let Some(response) = &exchange.response {
            *self.statuses.entry(response.status).or_default() += 1;
            self.response_bytes += length(&response.body);
            if let Some(status) = grpc_status(request, response) {
                *self.grpc_statuses.entry(status).or_default() += 1;
            }
        }
        self.durations.push(exchange.duration);
    }

    /// Completes the summary. Technologies of the caller are added to `caller` for outbound
    /// exchanges.
    fn finish(
        mut self,
        name: String,
        direction: Way,
        mode: Option<Mode>,
        caller: &mut Vec<Technology>,
    ) -> BackendSummary {
        if self.exchanges == 0 {
            self.technologies.backend(&name);
        }
        let telemetry = self.technologies.is_telemetry();
        let (technologies, of_caller) = self.technologies.into_lists();
        if direction == Way::Outbound {
            technology::unite(caller, of_caller);
        }
        let (scheme, host, port) = match backend::parts(&name) {
            Some((scheme, host, port)) => (scheme.to_owned(), host.to_owned(), port),
            None => (String::new(), name.clone(), 0),
        };
        self.durations.sort_unstable();
        let mut top: Vec<_> =
            self.requests.into_iter().map(|(request, exchanges)| Top { request, exchanges }).collect();
        top.sort_by(|a, b| b.exchanges.cmp(&a.exchanges).then_with(|| a.request.cmp(&b.request)));
        top.truncate(TOP);
        BackendSummary {
            name,
            tls: scheme == "https",
            scheme,
            host,
            port,
            direction,
            mode,
            protocols: self.protocols,
            technologies,
            telemetry,
            exchanges: self.exchanges,
            share: 0.0,
            errors: self.errors,
            answerable: self.answerable,
            signatures: self.signatures.len() as u64,
            top,
            statuses: self.statuses,
            grpc_statuses: self.grpc_statuses,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            p50_us: quantile(&self.durations, 50),
            p95_us: quantile(&self.durations, 95),
        }
    }
}

/// Label of a request: its operation, since all operations may share one path, or else its method
/// and path.
fn label(signature: &Signature) -> String {
    let text = |key: &[u8]| signature.get(key).map(String::from_utf8_lossy);
    let grpc = signature.get(b"content-type").is_some_and(facts::is_grpc);
    match (text(b"operation"), text(b"path")) {
        (Some(operation), _) => operation.into_owned(),
        (None, Some(path)) if grpc => path.trim_start_matches('/').to_owned(),
        (None, _) => format!("{} {}", text(b"method").unwrap_or_default(), text(b"path").unwrap_or_default()),
    }
}

/// Returns whether an exchange failed, as [`BackendSummary::errors`] defines it.
fn failed(exchange: &Exchange) -> bool {
    let Ok(response) = whole_response(exchange) else { return true };
    let status = grpc_status(&exchange.request, response);
    response.status >= 500 || status.is_some_and(|status| GRPC_FAILED.contains(&status.as_str()))
}

/// Status of a gRPC call: a trailer, or a header if there are no messages.
fn grpc_status(request: &Request, response: &Response) -> Option<String> {
    request.headers.get(b"content-type").filter(|content_type| facts::is_grpc(content_type))?;
    let status = response.trailers.get(b"grpc-status").or_else(|| response.headers.get(b"grpc-status"))?;
    Some(String::from_utf8_lossy(status).into_owned())
}

/// Original length of a body, which may have been truncated.
fn length(body: &understudy_core::exchange::Body) -> u64 {
    body.truncated.unwrap_or(body.bytes.len() as u64)
}

/// Percentile of sorted values; 0 if there are none.
fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::exchange::End;
    use understudy_core::headers::Headers;

    #[test]
    fn a_grpc_call_is_named_by_its_method_and_told_by_its_status() {
        let mut exchange = Exchange::default();
        (exchange.request.method, exchange.request.path) =
            (b"POST".to_vec(), b"/orders.v1.Orders/Get".to_vec());
        exchange.request.headers = Headers::from_pairs([("content-type", "application/grpc")]);
        let trailers = Headers::from_pairs([("grpc-status", "5")]);
        exchange.response = Some(Response { status: 200, trailers, ..Response::default() });
        let mut counts = Counts::default();
        counts.add(&exchange, &mut Signature::default(), &Rules::default());
        let summary = counts.finish(String::new(), Way::Outbound, None, &mut Vec::new());
        assert_eq!(summary.top[0].request, "orders.v1.Orders/Get");
        assert_eq!(summary.grpc_statuses, [("5".to_owned(), 1)].into());
    }

    #[test]
    fn server_error_counts_as_failure() {
        let check = |status: u16, grpc: &str, end: End, expect: bool| {
            let content_type = if grpc.is_empty() { "text/plain" } else { "application/grpc" };
            let request = Request {
                headers: Headers::from_pairs([("content-type", content_type)]),
                ..Request::default()
            };
            let trailers = Headers::from_pairs([("grpc-status", grpc)]);
            let response = Some(Response { status, trailers, ..Response::default() });
            let exchange = Exchange { request, response, end, ..Exchange::default() };
            assert_eq!(failed(&exchange), expect, "{status} {grpc} {end:?}");
        };
        check(200, "", End::Complete, false);
        check(404, "", End::Complete, false);
        check(500, "", End::Complete, true);
        check(503, "", End::Complete, true);
        check(200, "0", End::Complete, false);
        check(200, "5", End::Complete, false);
        check(200, "14", End::Complete, true);
        check(200, "", End::ResponseAborted, true);
        check(200, "", End::NoResponse, true);
        assert!(failed(&Exchange { response: None, ..Exchange::default() }));
    }

    #[test]
    fn quantile_of_few_durations_is_one_of_them() {
        let check = |values: &[u64], p50, p95| {
            assert_eq!((quantile(values, 50), quantile(values, 95)), (p50, p95), "{values:?}");
        };
        check(&[], 0, 0);
        check(&[7], 7, 7);
        check(&[1, 2, 3, 4], 2, 4);
        check(&(1..=100).collect::<Vec<_>>(), 50, 95);
    }
}
