//! A collector that answers as a test demands, and keeps every received batch.

use crate::upstream::{Nobody, Upstream};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use understudy_core::v1::{self, Record};

/// A batch as it came.
#[derive(Clone, Debug)]
pub struct Batch {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Status of the response to the batch.
    pub status: u16,
}

impl Batch {
    /// First line of the batch.
    pub fn header(&self) -> Value {
        let line = self.bytes.split(|&b| b == b'\n').next().unwrap_or_default();
        serde_json::from_slice(line).expect("a batch's header")
    }

    /// A number of its first line.
    pub fn number(&self, key: &str) -> u64 {
        self.header()[key].as_u64().expect("a number")
    }

    /// Records of the batch.
    pub fn records(&self) -> Vec<Record> {
        let lines = self.bytes.split(|&b| b == b'\n').skip(1).filter(|line| !line.is_empty());
        lines.map(|line| v1::read_record(line).expect("a record of ours")).collect()
    }
}

/// The collector.
#[derive(Debug)]
pub struct Sink {
    upstream: Upstream,
    answer: Arc<Mutex<&'static str>>,
    batches: Arc<Mutex<Vec<Batch>>>,
}

impl Sink {
    /// Starts a sink. `answer`: a status and more lines of a head, such as `503 No\r
    /// retry-after: 1`.
    pub fn start(at: Nobody, answer: &'static str) -> Self {
        let (answer, batches) = (Arc::new(Mutex::new(answer)), Arc::new(Mutex::new(Vec::new())));
        let shared = (answer.clone(), batches.clone());
        let upstream = at.listen(move |mut wire| {
            let (answer, batches) = shared.clone();
            async move {
                while let Some(seen) = wire.request().await {
                    let answer = *answer.lock().expect("no panic while it was held");
                    let status = answer[..3].parse().expect("a status");
                    let batch = Batch { bytes: seen.body, status };
                    batches.lock().expect("no panic while it was held").push(batch);
                    wire.send(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n")).await;
                }
            }
        });
        Self { upstream, answer, batches }
    }

    /// Address on which the sink listens.
    pub fn address(&self) -> SocketAddr {
        self.upstream.address()
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answer: &'static str) {
        *self.answer.lock().expect("no panic while it was held") = answer;
    }

    /// All batches that came, also those that were refused.
    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().expect("no panic while it was held").clone()
    }

    /// The identifiers of the records that were taken.
    pub fn taken(&self) -> Vec<String> {
        let taken = self.batches().into_iter().filter(|batch| batch.status == 204);
        taken.flat_map(|batch| batch.records()).map(|record| record.exchange.id).collect()
    }
}
