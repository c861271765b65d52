//! What a capture store holds: services, from when to when, how much with which backend. Reads all of it, one batch at a time.

use std::collections::BTreeMap;

use serde::Serialize;
use understudy_core::exchange::Direction;
use understudy_core::sample::Sample;
use understudy_core::{time, v1};

use crate::error::ReadError;
use crate::read::Reader;
use crate::select::Seen;
use crate::wire::RecordKind;

/// So many backends are named for each service: what a client asks for must not fill the memory.
const NAMED: usize = 1000;

/// What one service has sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServiceSurvey {
    /// Its name, where its filter has one.
    pub service: Option<String>,
    /// How many exchanges.
    pub exchanges: u64,
    /// How many verdicts.
    pub verdicts: u64,
    /// When the first exchange began, as RFC 3339.
    pub from: Option<String>,
    /// When the last one began.
    pub to: Option<String>,
    /// How many outbound exchanges with each backend.
    pub backends: BTreeMap<String, u64>,
    /// How many inbound exchanges, by the name under which the service was called.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inbound: BTreeMap<String, u64>,
    /// Which share of what there was these are; the smallest, where there are several.
    #[serde(skip_serializing_if = "Sample::is_whole")]
    pub sample: Sample,
    /// How many exchanges under further names, where there are very many.
    pub others: u64,
    #[serde(skip)]
    times: Option<(u64, u64)>,
}

impl ServiceSurvey {
    fn add(&mut self, direction: Direction, name: String, time: u64) {
        self.exchanges += 1;
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
        let names = match direction {
            Direction::Outbound => &mut self.backends,
            Direction::Inbound => &mut self.inbound,
        };
        if names.len() < NAMED || names.contains_key(&name) {
            *names.entry(name).or_default() += 1;
        } else {
            self.others += 1;
        }
    }
}

impl Reader {
    /// Sums up what is still to come, by service; each exchange counts once. `tick` is called for each.
    ///
    /// # Errors
    /// A segment or a record can't be read.
    pub async fn survey(mut self, mut tick: impl FnMut()) -> Result<Vec<ServiceSurvey>, ReadError> {
        let mut services: BTreeMap<Option<String>, ServiceSurvey> = BTreeMap::new();
        let mut seen = Seen::default();
        while let Some(mut batch) = self.next_batch().await? {
            let service = batch.meta().service.clone();
            let survey = services.entry(service).or_default();
            survey.sample = survey.sample.min(batch.meta().sample);
            while let Some(record) = batch.next_record()? {
                let exchange = v1::read_record(&record.line).map_err(|error| batch.damaged(error))?.exchange;
                if record.kind == RecordKind::Verdict {
                    survey.verdicts += 1;
                } else if seen.insert(&exchange.id) {
                    survey.add(exchange.direction, exchange.backend, exchange.time);
                    tick();
                }
            }
        }
        let told = services.into_iter().map(|(service, survey)| {
            let (from, to) =
                survey.times.map(|(from, to)| (time::to_rfc3339(from), time::to_rfc3339(to))).unzip();
            ServiceSurvey { service, from, to, ..survey }
        });
        Ok(told.collect())
    }
}
