//! A snapshot being written from recorded exchanges.

use crate::observer::{Event, Observer, Progress, Step};
use std::collections::BTreeMap;
use std::path::Path;
use understudy_analyse::{learn, technology};
use understudy_core::exchange::{Direction, End, Exchange};
use understudy_snapshot::{Existing, Header, Snapshot, SnapshotError, SnapshotWriter};

/// A snapshot being written. If it is dropped unfinished, nothing is left of it.
pub struct SnapshotDraft<'a> {
    writer: SnapshotWriter,
    observer: &'a dyn Observer,
    step: Box<dyn Progress>,
    written: u64,
    undelivered: Undelivered,
}

impl<'a> SnapshotDraft<'a> {
    /// Starts a snapshot at `target`. Telemetry is left out unless `keep_telemetry` is set.
    ///
    /// # Errors
    /// The folder can't be written, or holds a snapshot that may not be replaced.
    pub fn begin(
        target: &Path,
        existing: Existing,
        keep_telemetry: bool,
        observer: &'a dyn Observer,
    ) -> anyhow::Result<Self> {
        let mut writer = SnapshotWriter::create(target, existing)?;
        if !keep_telemetry {
            writer.leave_out_telemetry(technology::is_telemetry);
        }
        let step = observer.begin(Step::WritingExchanges);
        Ok(Self { writer, observer, step, written: 0, undelivered: Undelivered::default() })
    }

    /// Adds an exchange.
    ///
    /// # Errors
    /// The exchange can't be written.
    pub fn push(&mut self, exchange: &Exchange) -> Result<(), SnapshotError> {
        self.writer.push(exchange)?;
        self.undelivered.add(exchange);
        self.written += 1;
        self.step.set(self.written);
        Ok(())
    }

    /// Returns whether the snapshot has no exchanges.
    pub fn is_empty(&self) -> bool {
        self.writer.is_empty()
    }

    /// Moves the snapshot to its place and adds the rules that its exchanges are evidence for.
    ///
    /// # Errors
    /// The snapshot can't be written or read again.
    pub fn finish(self, header: Header) -> anyhow::Result<Snapshot> {
        let Self { writer, observer, step, undelivered, .. } = self;
        drop(step);
        let telemetry = writer.telemetry();
        let mut snapshot = writer.finish(header)?;
        let step = observer.begin(Step::Learning);
        learn::apply(&mut snapshot, &|_| true)?;
        drop(step);
        undelivered.report(observer);
        for (backend, exchanges) in telemetry {
            observer.event(&Event::TelemetryLeftOut { backend: &backend, exchanges });
        }
        Ok(snapshot)
    }
}

/// Requests that Envoy could not deliver, by backend and Envoy's own words for the reason.
#[derive(Default)]
struct Undelivered(BTreeMap<(String, String), u64>);

impl Undelivered {
    /// Maximum number of characters of Envoy's words.
    const REASON_MAX: usize = 300;

    fn add(&mut self, exchange: &Exchange) {
        if let (End::NoResponse, Some(response)) = (exchange.end, &exchange.response) {
            let words = String::from_utf8_lossy(&response.body.bytes);
            let reason: String = words.trim().chars().take(Self::REASON_MAX).collect();
            let backend = match exchange.direction {
                Direction::Outbound => exchange.backend.clone(),
                Direction::Inbound => format!("the service behind {}", exchange.backend),
            };
            *self.0.entry((backend, reason)).or_default() += 1;
        }
    }

    fn report(&self, observer: &dyn Observer) {
        for ((backend, reason), requests) in &self.0 {
            observer.event(&Event::Undelivered { backend, requests: *requests, reason });
        }
    }
}
