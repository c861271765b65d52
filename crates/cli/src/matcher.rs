//! The offline matcher: gives requests to the same engine that the filter runs, with the table in memory.

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::path::Path;
use understudy_core::config::Config;
use understudy_core::digest::Digest;
use understudy_core::engine::{Host, Side, Stream, Vm};
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::headers::Headers;
use understudy_core::outbox::Answer;
use understudy_core::table::Table;
use understudy_core::v1::{self, Record};
use understudy_core::verdict::Kind;
use understudy_snapshot::Snapshot;

/// Judges requests as the filter would, one after the other.
pub(crate) struct Matcher<'a> {
    vm: Vm<&'a [u8]>,
    host: Offline,
}

/// What the engine asks of its host, without one.
#[derive(Default)]
struct Offline {
    now: u64,
    body: Vec<u8>,
    protocol: String,
    turns: HashMap<Digest, u64>,
    /// The recorded values that live ones stand for.
    recorded: HashMap<u64, u64>,
}

impl Host for Offline {
    fn now(&mut self) -> u64 {
        self.now
    }
    fn remove_request_header(&mut self, _: &str) {}

    fn body(&mut self, _side: Side, start: usize, max: usize) -> Vec<u8> {
        self.body.iter().skip(start).take(max).copied().collect()
    }

    fn protocol(&mut self) -> String {
        self.protocol.clone()
    }

    fn backend_answered(&mut self) -> bool {
        false
    }
    fn client_left(&mut self) -> bool {
        false
    }

    fn turn(&mut self, _table: &Digest, signature: &Digest) -> u64 {
        let turn = self.turns.entry(*signature).or_default();
        *turn += 1;
        *turn - 1
    }

    fn recorded_value(&mut self, _table: &Digest, live: u64) -> Option<u64> {
        self.recorded.get(&live).copied()
    }

    fn stands_for(&mut self, _table: &Digest, live: u64, recorded: u64) {
        self.recorded.insert(live, recorded);
    }

    fn reset_turns(&mut self, _table: &Digest) {
        self.turns.clear();
        self.recorded.clear();
    }
}

impl<'a> Matcher<'a> {
    /// A matcher that answers from a table.
    pub(crate) fn new(table: &'a [u8]) -> anyhow::Result<Self> {
        let table = Table::open(table).context("can't open the table")?;
        // The collector is never called: the verdicts are taken out of the outbox, as it would send them.
        let config = br#"{"default":"mock","collector":{"cluster":"none","batch_max_bytes":1024,"queue_max_bytes":1073741824},
            "body_cap_bytes":268435456,"grpc_stub":true,"memory_max_bytes":1073741824}"#;
        let config = Config::from_json(config)?;
        Ok(Self { vm: Vm::new(&config, table, "match".to_owned()), host: Offline::default() })
    }

    /// The verdict on a request. `None`: its backend isn't mocked.
    pub(crate) fn judge(&mut self, exchange: &Exchange) -> anyhow::Result<Option<Record>> {
        let request = &exchange.request;
        let Some((scheme, authority)) = exchange.backend.split_once("://") else {
            bail!("{:?} is no backend: it must be scheme://host[:port]", exchange.backend);
        };
        let pseudo: [(&[u8], &[u8]); 4] = [
            (b":method", &request.method),
            (b":path", &request.path),
            (b":scheme", scheme.as_bytes()),
            (b":authority", authority.as_bytes()),
        ];
        let headers = Headers::from_pairs(pseudo.into_iter().chain(request.headers.iter()));
        self.host.now = exchange.time;
        self.host.protocol.clone_from(&exchange.protocol);
        self.host.body.clone_from(&request.body.bytes);
        let (length, mut stream) = (request.body.bytes.len(), Stream::new());
        stream.request_headers(headers, length == 0, &mut self.vm, &mut self.host);
        if length > 0 {
            stream.request_body(length, true, &mut self.vm, &mut self.host);
        }
        stream.end(&mut self.vm, &mut self.host);
        self.take_verdict(exchange)
    }

    fn take_verdict(&mut self, exchange: &Exchange) -> anyhow::Result<Option<Record>> {
        let Some(outbox) = self.vm.outbox() else { return Ok(None) };
        // Late enough for every batch to be due.
        let now = exchange.time / 1000 + 1_000_000;
        let Some((seq, bytes)) = outbox.next(now) else { return Ok(None) };
        let line = bytes.split(|&b| b == b'\n').nth(1).unwrap_or_default();
        let mut record = v1::read_record(line).context("the verdict can't be read")?;
        outbox.answered(seq, Answer::Delivered, now);
        record.exchange.id.clone_from(&exchange.id);
        Ok(Some(record))
    }
}

#[derive(Deserialize)]
struct ReportFile<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    requests: Vec<&'a RawValue>,
}

/// Hands over the outbound requests in a snapshot's folder, in a report, or in a file of exchanges and verdicts, one a line; and what became
/// of each, where that is known.
pub(crate) fn each_request(
    path: &Path,
    mut take: impl FnMut(&Exchange, Option<Kind>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut outbound = |record: &Record| match record.exchange.direction {
        Direction::Outbound => take(&record.exchange, record.verdict.as_ref().map(|verdict| verdict.kind)),
        Direction::Inbound => Ok(()),
    };
    if path.is_dir() {
        for located in Snapshot::open(path)?.exchanges()? {
            outbound(&Record { exchange: located?.exchange, verdict: None })?;
        }
        return Ok(());
    }
    let text = std::fs::read(path).with_context(|| {
        format!("can't read {}; name a snapshot, a report, or a file of exchanges", path.display())
    })?;
    if let Ok(report) = serde_json::from_slice::<ReportFile<'_>>(&text)
        && report.kind == "report"
    {
        for (i, request) in report.requests.iter().enumerate() {
            let record = v1::read_record(request.get().as_bytes());
            outbound(
                &record.with_context(|| format!("{}: request {} can't be read", path.display(), i + 1))?,
            )?;
        }
        return Ok(());
    }
    for (i, line) in text.split(|&b| b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() || is_batch(line) {
            continue;
        }
        let record = v1::read_record(line).with_context(|| {
            format!(
                "{}, line {}: neither an exchange nor a verdict, and the file is no report",
                path.display(),
                i + 1
            )
        })?;
        outbound(&record)?;
    }
    Ok(())
}

/// The first line of a batch, which stands in what a collector has stored.
fn is_batch(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
    }
    serde_json::from_slice::<Head<'_>>(line).is_ok_and(|head| head.kind == "batch")
}
