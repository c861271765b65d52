//! Groups requests by method and path pattern, and counts the results of each group.

use crate::noise;
use crate::recording::end_of;
use crate::report::Endpoint;
use crate::stats::Latencies;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use understudy_core::exchange::{Exchange, Request};
use understudy_core::rules::PathPattern;

/// Maximum number of endpoints that are counted: those with the most recorded requests.
const ENDPOINTS: usize = 200;

/// A selection of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// The method; `None`: any.
    pub method: Option<String>,
    /// The path pattern: `*` stands for one segment, `**` for all that follow.
    pub path: PathPattern,
}

impl Requests {
    /// Reads `METHOD PATH`; `*` is any method.
    ///
    /// # Errors
    /// The text has another form; the error says which.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [method, path] = words.as_slice() else {
            return Err(format!("{text:?}: write METHOD PATH, as in `GET /orders/*`"));
        };
        let method = (*method != "*").then(|| (*method).to_owned());
        Ok(Self { method, path: PathPattern::try_from((*path).to_owned())? })
    }

    /// Returns whether a request is selected.
    pub fn is_about(&self, request: &Request) -> bool {
        let path = request.path.split(|&b| b == b'?').next().unwrap_or_default();
        self.method.as_ref().is_none_or(|method| method.as_bytes() == request.method)
            && self.path.matches(path)
    }

    fn name(&self) -> (String, String) {
        (self.method.clone().unwrap_or_else(|| "*".to_owned()), self.path.as_str().to_owned())
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, path) = self.name();
        write!(f, "{method} {path}")
    }
}

/// Results by endpoint. Memory is bounded by the recording, however long a run takes.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    all: Vec<Counted>,
    /// By step: indices of its endpoints.
    of: Vec<Vec<usize>>,
}

#[derive(Debug, Default)]
struct Counted {
    row: Endpoint,
    then: Latencies,
    now: Latencies,
}

impl Endpoints {
    /// The endpoints of a recording, and those that goals name.
    pub(crate) fn new(steps: &[Exchange], asked_for: &[Requests]) -> Self {
        let mut found: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for (number, step) in steps.iter().enumerate() {
            let method = String::from_utf8_lossy(&step.request.method).into_owned();
            found.entry((method, noise::endpoint(&step.request.path))).or_default().push(number);
        }
        let mut found: Vec<_> = found.into_iter().map(|(name, steps)| (name, steps, false)).collect();
        found.sort_by_key(|(_, steps, _)| std::cmp::Reverse(steps.len()));
        found.truncate(ENDPOINTS);
        for requests in asked_for {
            let own = (0..steps.len()).filter(|number| requests.is_about(&steps[*number].request));
            found.push((requests.name(), own.collect(), true));
        }
        let mut endpoints = Self { all: Vec::new(), of: vec![Vec::new(); steps.len()] };
        let start = steps.first().map_or(0, |step| step.time);
        for (number, ((method, path), own, asked_for)) in found.into_iter().enumerate() {
            let row = Endpoint { method, path, asked_for, ..Endpoint::default() };
            let mut counted = Counted { row, ..Counted::default() };
            for step in own {
                endpoints.of[step].push(number);
                if steps[step].response.is_some() {
                    let at = Duration::from_micros(end_of(&steps[step]).saturating_sub(start));
                    counted.then.add(at, Duration::from_micros(steps[step].duration));
                }
            }
            endpoints.all.push(counted);
        }
        endpoints
    }

    /// Counts an answer, or a request without one.
    pub(crate) fn add(&mut self, step: usize, at: Duration, latency: Option<Duration>, failed: bool) {
        for number in &self.of[step] {
            let Counted { row, now, .. } = &mut self.all[*number];
            row.sent += 1;
            row.same += u64::from(!failed);
            row.different += u64::from(failed && latency.is_some());
            row.errors += u64::from(latency.is_none());
            if let Some(latency) = latency {
                now.add(at, latency);
            }
        }
    }

    /// The results, including endpoints to which nothing was sent.
    pub(crate) fn rows(&self) -> Vec<Endpoint> {
        let row = |counted: &Counted| Endpoint {
            recorded: counted.then.figures(),
            replayed: counted.now.figures(),
            ..counted.row.clone()
        };
        self.all.iter().map(row).collect()
    }
}

/// The row of a report that a goal is about.
pub(crate) fn find<'a>(rows: &'a [Endpoint], requests: &Requests) -> Option<&'a Endpoint> {
    let (method, path) = requests.name();
    rows.iter().find(|row| row.asked_for && row.method == method && row.path == path)
}

#[cfg(test)]
mod tests;
