//! Relates outbound calls to the inbound request that caused them, by the trace context that the
//! service propagates.
//!
//! The context is the trace identifier of `traceparent` (W3C Trace Context) or of B3, or else
//! `x-request-id`. Calls of a service that propagates no context aren't related: times show what
//! happened meanwhile and not what was caused, so they aren't used.

use hashbrown::HashMap;
use serde::Serialize;
use std::collections::BTreeMap;
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::trace;
use understudy_snapshot::Snapshot;
use understudy_snapshot::SnapshotError;
use understudy_snapshot::feed;

/// Trace context, by which exchanges are related.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// Trace identifier of W3C or B3, between which tracers translate: 32 hexadecimal digits in
    /// lower case.
    Trace(String),
    /// The value of `x-request-id`.
    RequestId(String),
}

/// Trace contexts of a request, the most specific first.
pub fn contexts(exchange: &Exchange) -> Vec<Context> {
    let headers = &exchange.request.headers;
    let trace = trace::trace_id(headers).map(Context::Trace);
    let request = trace::request_id(headers).map(|id| Context::RequestId(id.to_owned()));
    trace.into_iter().chain(request).collect()
}

/// Position and identifier of an exchange in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its line in `exchanges.ndjson`, counted from 1.
    pub line: u64,
    /// Identifier.
    pub id: String,
}

/// Exchanges with the same context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// Inbound calls of the trace. There are several if the client's own trace is longer than one
    /// call.
    pub inbound: Vec<Place>,
    /// Outbound calls of the trace.
    pub outbound: Vec<Place>,
}

/// Related exchanges of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    traces: BTreeMap<Context, Trace>,
    /// Contexts by identifier of the exchange.
    context_of: HashMap<String, Context>,
    counts: TraceCounts,
}

/// Number of exchanges and of known causes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TraceCounts {
    /// Inbound exchanges.
    pub inbound: u64,
    /// Outbound exchanges.
    pub outbound: u64,
    /// Outbound exchanges that are related to one inbound exchange.
    pub caused: u64,
}

/// Outbound calls that an inbound request caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caused<'a> {
    /// These exchanges; the list may be empty.
    These(&'a [Place]),
    /// These exchanges, or others that another inbound request of the same trace caused.
    Shared(&'a Trace),
    /// Unknown: the request had no context, or the snapshot has no such inbound exchange.
    Unknown,
}

impl Traces {
    /// Relates the exchanges of a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`] for the first line that can't be read.
    pub fn of(snapshot: &Snapshot) -> Result<Self, SnapshotError> {
        let mut seen = Vec::new();
        feed::each(snapshot, |item| {
            let located = item?;
            let exchange = &located.exchange;
            let place = Place { line: located.line, id: exchange.id.clone() };
            seen.push((exchange.direction, contexts(exchange), place));
            Ok::<_, SnapshotError>(())
        })?;
        Ok(Self::relate(seen))
    }

    /// Inbound requests first, since outbound calls can only propagate the context of these.
    fn relate(seen: Vec<(Direction, Vec<Context>, Place)>) -> Self {
        let mut traces = Self::default();
        // Contexts of inbound requests, with the context by which the trace is stored.
        let mut carried: HashMap<Context, Context> = HashMap::new();
        let (inbound, outbound): (Vec<_>, Vec<_>) =
            seen.into_iter().partition(|(direction, ..)| *direction == Direction::Inbound);
        for (_, contexts, place) in inbound {
            traces.counts.inbound += 1;
            let Some(strongest) = contexts.first().cloned() else { continue };
            for context in contexts {
                carried.entry(context).or_insert_with(|| strongest.clone());
            }
            traces.context_of.insert(place.id.clone(), strongest.clone());
            traces.traces.entry(strongest).or_default().inbound.push(place);
        }
        for (_, contexts, place) in outbound {
            traces.counts.outbound += 1;
            let known = contexts.iter().find_map(|context| carried.get(context)).cloned();
            let Some(context) = known.or_else(|| contexts.into_iter().next()) else { continue };
            traces.context_of.insert(place.id.clone(), context.clone());
            let trace = traces.traces.entry(context).or_default();
            traces.counts.caused += u64::from(trace.inbound.len() == 1);
            trace.outbound.push(place);
        }
        traces
    }

    /// All traces with their contexts.
    pub fn iter(&self) -> impl Iterator<Item = (&Context, &Trace)> {
        self.traces.iter()
    }

    /// Trace of an exchange, by the exchange's identifier; `None` if it had no context.
    pub fn with(&self, id: &str) -> Option<(&Context, &Trace)> {
        self.traces.get_key_value(self.context_of.get(id)?)
    }

    /// Calls that an inbound exchange caused, by its identifier.
    pub fn caused_by(&self, id: &str) -> Caused<'_> {
        match self.with(id) {
            Some((_, trace)) if !trace.inbound.iter().any(|place| place.id == id) => Caused::Unknown,
            Some((_, trace)) if trace.inbound.len() == 1 => Caused::These(&trace.outbound),
            Some((_, trace)) => Caused::Shared(trace),
            None => Caused::Unknown,
        }
    }

    /// Number of exchanges and of known causes.
    pub fn counts(&self) -> TraceCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::headers::Headers;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn with(headers: &[(&str, &str)]) -> Exchange {
        let mut exchange = Exchange::default();
        exchange.request.headers = Headers::from_pairs(headers.iter().copied());
        exchange
    }

    #[test]
    fn trace_context_in_headers_is_read() {
        let check = |headers: &[(&str, &str)], expect: &[Context]| {
            assert_eq!(contexts(&with(headers)), expect, "{headers:?}");
        };
        let trace = |id: &str| Context::Trace(id.to_owned());
        let request = |id: &str| Context::RequestId(id.to_owned());
        let w3c = format!("00-{TRACE}-00f067aa0ba902b7-01");
        check(&[("traceparent", &w3c)], &[trace(TRACE)]);
        check(&[("Traceparent", &w3c.to_uppercase())], &[trace(TRACE)]);
        check(&[("traceparent", &format!("01-{TRACE}-00f067aa0ba902b7-01-more"))], &[trace(TRACE)]);
        for bad in [
            format!("{w3c}-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-short-01"),
            "00-a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        ] {
            check(&[("traceparent", &bad)], &[]);
        }
        check(&[("b3", &format!("{TRACE}-00f067aa0ba902b7-1"))], &[trace(TRACE)]);
        let short = trace("0000000000000000a3ce929d0e0e4736");
        check(&[("b3", "A3CE929D0E0E4736-00f067aa0ba902b7")], std::slice::from_ref(&short));
        check(&[("b3", "0")], &[]);
        check(&[("X-B3-TraceId", "a3ce929d0e0e4736"), ("x-b3-spanid", "1")], &[short]);
        check(&[("x-request-id", "7")], &[request("7")]);
        check(&[("x-request-id", " ")], &[]);
        check(&[("x-request-id", "7"), ("traceparent", &w3c)], &[trace(TRACE), request("7")]);
    }

    fn relate(rows: &[(Direction, &str, &[Context])]) -> Traces {
        let place = |line: usize, id: &str| Place { line: line as u64, id: id.to_owned() };
        let rows = rows.iter().enumerate();
        Traces::relate(
            rows.map(|(n, (way, id, contexts))| (*way, contexts.to_vec(), place(n + 1, id))).collect(),
        )
    }

    #[test]
    fn call_with_the_inbound_context_is_related() {
        use Direction::{Inbound, Outbound};
        let trace = |id: &str| Context::Trace(id.into());
        let request = |id: &str| Context::RequestId(id.into());
        let traces = relate(&[
            // Before its cause, as its line may be.
            (Outbound, "o1", &[trace("a")]),
            (Inbound, "in1", &[trace("a"), request("1")]),
            // A service that begins a trace of its own, and passes the other identifier on.
            (Outbound, "o2", &[trace("c"), request("1")]),
            (Inbound, "in2", &[trace("b")]),
            (Inbound, "in3", &[trace("b")]),
            (Outbound, "o3", &[trace("b")]),
            (Inbound, "in4", &[request("4")]),
            (Inbound, "in5", &[]),
            (Outbound, "o4", &[]),
            (Outbound, "o5", &[trace("d")]),
        ]);
        let ids = |places: &[Place]| places.iter().map(|place| place.id.clone()).collect::<Vec<_>>();
        let Caused::These(places) = traces.caused_by("in1") else { panic!("{traces:?}") };
        assert_eq!(ids(places), ["o1", "o2"]);
        let Caused::Shared(trace) = traces.caused_by("in2") else { panic!("{traces:?}") };
        assert_eq!(
            (ids(&trace.inbound), ids(&trace.outbound)),
            (vec!["in2".into(), "in3".into()], vec!["o3".into()])
        );
        assert_eq!(traces.caused_by("in4"), Caused::These(&[]));
        for unknown in ["in5", "o1", "nobody"] {
            assert_eq!(traces.caused_by(unknown), Caused::Unknown, "{unknown}");
        }
        assert_eq!(traces.with("o5").map(|(_, trace)| trace.inbound.len()), Some(0));
        assert_eq!(traces.with("o4"), None);
        assert_eq!(traces.counts(), TraceCounts { inbound: 5, outbound: 5, caused: 2 });
    }
}
