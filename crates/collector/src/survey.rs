//! Surveys a capture store: its services, their time spans, and the number of exchanges with each
//! backend. Reads the whole store, one batch at a time.

use std::collections::BTreeMap;

use serde::Serialize;
use understudy_core::exchange::Direction;
use understudy_core::sample::Sample;
use understudy_core::{time, v1};

use crate::error::ReadError;
use crate::read::Reader;
use crate::select::SeenIds;
use crate::wire::RecordKind;

/// The maximum number of backends named for each service, because clients choose the names.
const MAX_NAMES: usize = 1000;

/// The survey of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServiceSurvey {
    /// Its name, if its filter has one.
    pub service: Option<String>,
    /// The number of exchanges.
    pub exchanges: u64,
    /// The number of verdicts.
    pub verdicts: u64,
    /// The time at which the first exchange began, in RFC 3339.
    pub from: Option<String>,
    /// The time at which the last exchange began.
    pub to: Option<String>,
    /// The number of outbound exchanges with each backend.
    pub backends: BTreeMap<String, u64>,
    /// The number of inbound exchanges, by the name under which the service was called.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inbound: BTreeMap<String, u64>,
    /// The share of all exchanges that these are a sample of; the smallest, if there are several.
    #[serde(skip_serializing_if = "Sample::is_whole")]
    pub sample: Sample,
    /// The number of exchanges with backends above the maximum number of names.
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
        if names.len() < MAX_NAMES || names.contains_key(&name) {
            *names.entry(name).or_default() += 1;
        } else {
            self.others += 1;
        }
    }
}

impl Reader {
    /// Surveys the batches that the reader has yet to return. Each exchange counts once. `tick` is
    /// called for each.
    ///
    /// # Errors
    /// A segment or a record can't be read.
    pub async fn survey(mut self, mut tick: impl FnMut()) -> Result<Vec<ServiceSurvey>, ReadError> {
        let mut services: BTreeMap<Option<String>, ServiceSurvey> = BTreeMap::new();
        let mut seen = SeenIds::default();
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
        let surveys = services.into_iter().map(|(service, survey)| {
            let (from, to) =
                survey.times.map(|(from, to)| (time::to_rfc3339(from), time::to_rfc3339(to))).unzip();
            ServiceSurvey { service, from, to, ..survey }
        });
        Ok(surveys.collect())
    }
}
