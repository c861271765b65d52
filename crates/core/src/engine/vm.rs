//! What the streams of one VM share: the table, what happens to which backend, the outbox, the counters.

use super::chosen;
use crate::backend;
use crate::config::{Config, DirectionName, Mode, OnMiss};
use crate::exchange::Direction;
use crate::headers::Headers;
use crate::latency::Latency;
use crate::outbox::Outbox;
use crate::redact::{Redactor, Settings};
use crate::rules::Rules;
use crate::sample::Sample;
use crate::table::{Segment, Table};
use crate::trace;
use crate::verdict::Kind;
use hashbrown::HashMap;

/// What is counted for each backend, in the order of [`Counts`].
pub const COUNTERS: [&str; 5] = ["match", "miss", "passthrough", "tap", "aborted"];

/// One backend's counts since they were last taken.
pub type Counts = [u64; COUNTERS.len()];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    Match,
    Miss,
    Passthrough,
    Tap,
    Aborted,
}

impl Counter {
    pub(super) fn of(verdict: Kind) -> Self {
        match verdict {
            Kind::Match => Self::Match,
            Kind::Miss => Self::Miss,
            Kind::Passthrough => Self::Passthrough,
        }
    }
}

/// What happens to requests to one backend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) mode: Mode,
    pub(super) on_miss: OnMiss,
    /// Whether the configuration says so, which is more than what the snapshot says.
    pub(super) configured: bool,
    /// Index into the counters.
    pub(super) counter: usize,
    /// Whether the recorded requests have tokens in the place of secrets.
    pub(super) redacted: bool,
    /// How long answers are held back.
    pub(super) latency: Latency,
}

/// What the streams of one VM share.
#[derive(Debug)]
pub struct Vm<S> {
    pub(super) table: Table<S>,
    pub(super) outbox: Option<Outbox>,
    pub(super) rules: Rules,
    pub(super) body_cap: usize,
    pub(super) verdict_header: bool,
    pub(super) grpc_stub: bool,
    pub(super) direction: Direction,
    /// What inbound exchanges are recorded under, whatever name the service was called by.
    listener: Option<String>,
    /// Takes secrets out of what leaves; `None` where the configuration says that they are to be kept.
    pub(super) redactor: Option<Redactor>,
    /// Puts into a live request the tokens that the recorded ones have.
    pub(super) as_recorded: Redactor,
    /// Whether a rule can hold answers back, whatever their backend.
    pub(super) delays: bool,
    /// Whether there is nothing to do for any request.
    idle: bool,
    name_of_vm: String,
    next_id: u64,
    /// Which share of tapped exchanges is copied, and how many of them had nothing that ties them to others.
    sample: Sample,
    untied: u64,
    backends: HashMap<Vec<u8>, Policy>,
    other: Policy,
    names: Vec<String>,
    counts: Vec<Counts>,
    memory_max: usize,
    memory_used: usize,
}

impl<S: Segment> Vm<S> {
    /// A VM with this configuration and table. `name` identifies it to the collector and must be unique.
    pub fn new(config: &Config, table: Table<S>, name: String) -> Self {
        let outbox = config
            .collector
            .as_ref()
            .map(|c| Outbox::new(name.clone(), config.service.clone(), c).sampled(config.sample));
        let no_table = table.is_empty() || config.ignores_table();
        let default = config.default.unwrap_or(match (no_table, &outbox) {
            (false, _) => Mode::Mock,
            (true, Some(_)) => Mode::Tap,
            (true, None) => Mode::Off,
        });
        let on_miss = config.on_miss.unwrap_or(table.meta().on_miss);
        let rules = Rules::new(table.meta().rules.clone());
        let configured = config.on_miss.is_some();
        let redaction = &config.redaction;
        let recorded = table.meta().redaction.as_ref();
        let redactor = redaction.enabled.then(|| Redactor::new(&redaction.with(recorded)));
        let as_recorded = Redactor::new(recorded.unwrap_or(&Settings::default()));
        let latency = config.latency.unwrap_or(table.meta().latency);
        let other = Policy { mode: default, on_miss, configured, counter: 0, redacted: false, latency };
        let mut vm = Self {
            table,
            delays: rules.make_delays(),
            rules,
            outbox,
            redactor,
            as_recorded,
            body_cap: usize::try_from(config.body_cap_bytes).unwrap_or(usize::MAX),
            verdict_header: config.verdict_header,
            grpc_stub: config.grpc_stub,
            direction: match config.direction {
                DirectionName::Outbound => Direction::Outbound,
                DirectionName::Inbound => Direction::Inbound,
            },
            listener: config.listener.clone(),
            idle: false,
            name_of_vm: name,
            next_id: 0,
            sample: config.sample,
            untied: 0,
            backends: HashMap::new(),
            other,
            names: vec!["other".to_owned()],
            counts: vec![Counts::default()],
            memory_max: usize::try_from(config.memory_max_bytes).unwrap_or(usize::MAX),
            memory_used: 0,
        };
        if let Some(listener) = &config.listener {
            vm.add_backend(backend::name("http", listener), other);
        }
        let recorded = if no_table { Vec::new() } else { vm.table.meta().backends.clone() };
        for backend in recorded {
            let on_miss = config.on_miss.or(backend.on_miss).unwrap_or(on_miss);
            let latency = config.latency.or(backend.latency).unwrap_or(latency);
            let (mode, redacted) = (backend.mode, backend.redacted);
            vm.add_backend(backend.name, Policy { mode, on_miss, redacted, latency, ..other });
        }
        for (name, rule) in &config.backends {
            let known = vm.backends.get(name.as_bytes()).copied().unwrap_or(other);
            let policy = Policy {
                mode: rule.mode,
                on_miss: rule.on_miss.or(config.on_miss).unwrap_or(known.on_miss),
                configured: configured || rule.on_miss.is_some(),
                latency: rule.latency.or(config.latency).unwrap_or(known.latency),
                ..known
            };
            vm.add_backend(name.clone(), policy);
        }
        vm.idle = vm.stays_out();
        vm
    }

    /// Leaves what would be mocked alone: the workload hasn't asked for it.
    pub fn mock_nothing(&mut self) {
        for policy in self.backends.values_mut().chain([&mut self.other]) {
            if policy.mode == Mode::Mock {
                policy.mode = Mode::Off;
            }
        }
        self.idle = self.stays_out();
    }

    /// Leaves all but these of the table's backends alone (`mocks` in the configuration). What the configuration says of a backend by its name
    /// stays. A table that isn't there has no backends to choose from: then all is as it was.
    ///
    /// # Errors
    /// An entry that names none of the backends, or several, and what there is.
    pub fn mock_only(&mut self, config: &Config) -> Result<(), String> {
        if config.mocks.is_empty()
            || config.mocks.iter().any(|entry| entry == chosen::ALL)
            || self.table.is_empty()
        {
            return Ok(());
        }
        let meta = self.table.meta();
        let service = config.service.as_deref().unwrap_or(&meta.snapshot);
        let named: Vec<_> = meta
            .backends
            .iter()
            .filter_map(|backend| Some((backend.name.clone(), chosen::full_name(service, &backend.name)?)))
            .collect();
        let chosen = chosen::chosen(&config.mocks, &named.iter().map(|(_, full)| full.clone()).collect())?;
        let leave = |mode: Mode| if mode == Mode::Mock { Mode::Off } else { mode };
        for (name, policy) in &mut self.backends {
            let full =
                named.iter().find(|(known, _)| known.as_bytes() == name.as_slice()).map(|(_, full)| full);
            let by_name = std::str::from_utf8(name).is_ok_and(|name| config.backends.contains_key(name));
            if full.is_some_and(|full| chosen.contains(full)) && !by_name {
                policy.mode = Mode::Mock;
            } else if !by_name {
                policy.mode = leave(policy.mode);
            }
        }
        self.other.mode = leave(self.other.mode);
        self.idle = self.stays_out();
        Ok(())
    }

    fn stays_out(&self) -> bool {
        self.backends.values().chain([&self.other]).all(|policy| policy.mode == Mode::Off)
    }

    /// Whether every request passes untouched, so that nobody need look at any.
    pub fn is_idle(&self) -> bool {
        self.idle
    }

    fn add_backend(&mut self, name: String, policy: Policy) {
        let known = self.backends.get(name.as_bytes()).map(|policy| policy.counter);
        let counter = known.unwrap_or(self.names.len());
        self.backends.insert(name.as_bytes().to_vec(), Policy { counter, ..policy });
        if known.is_none() {
            self.names.push(name);
            self.counts.push(Counts::default());
        }
    }

    /// The table.
    pub fn table(&self) -> &Table<S> {
        &self.table
    }

    /// What waits for the collector.
    pub fn outbox(&mut self) -> Option<&mut Outbox> {
        self.outbox.as_mut()
    }

    /// The names of the backends that are counted apart; all others count as the first, `other`, so that what a
    /// client puts into its requests can't make the number of counters grow.
    pub fn backend_names(&self) -> &[String] {
        &self.names
    }

    /// The counts of each of [`Self::backend_names`] since the last call.
    pub fn take_counts(&mut self) -> impl Iterator<Item = (usize, Counts)> + '_ {
        self.counts
            .iter_mut()
            .map(std::mem::take)
            .enumerate()
            .filter(|(_, counts)| counts.iter().any(|&n| n > 0))
    }

    /// The name that the records have for where a request goes: its backend's, or the address that the service was called at.
    pub(super) fn write_name(&self, scheme: &[u8], authority: &[u8], out: &mut Vec<u8>) {
        let authority = self.listener.as_ref().map_or(authority, |listener| listener.as_bytes());
        backend::write_name(scheme, authority, out);
    }

    pub(super) fn policy(&self, scheme: &[u8], authority: &[u8]) -> Policy {
        let mut name = Vec::new();
        self.write_name(scheme, authority, &mut name);
        self.backends.get(name.as_slice()).copied().unwrap_or(self.other)
    }

    /// What happens to a tunnel (CONNECT): with or without TLS in it, it leads to a backend. Where both are named, mocking counts, and then
    /// failing: what is inside is out of our sight.
    pub(super) fn policy_of_tunnel(&self, authority: &[u8]) -> Policy {
        let (mut named, mut name) = (None, Vec::new());
        for scheme in [&b"https"[..], b"http"] {
            backend::write_name(scheme, authority, &mut name);
            if let Some(policy) = self.backends.get(name.as_slice()) {
                let strictness = |p: &Policy| (p.mode == Mode::Mock, p.on_miss == OnMiss::Fail);
                if named.as_ref().is_none_or(|known| strictness(policy) > strictness(known)) {
                    named = Some(*policy);
                }
            }
        }
        named.unwrap_or(self.other)
    }

    /// Whether a tapped exchange with these request headers is to be copied. What one request has caused is copied with it, by every proxy
    /// that has the same share; what is tied to nothing is chosen by its number.
    pub(super) fn samples(&mut self, headers: &Headers) -> bool {
        if self.sample.is_whole() {
            return true;
        }
        if let Some(trace) = trace::trace_id(headers) {
            return self.sample.takes(trace.as_bytes());
        }
        if let Some(request) = trace::request_id(headers) {
            return self.sample.takes(request.as_bytes());
        }
        self.untied = self.untied.saturating_add(1);
        self.sample.takes(format!("{}-{}", self.name_of_vm, self.untied).as_bytes())
    }

    pub(super) fn count(&mut self, backend: usize, counter: Counter) {
        if let Some(count) = self.counts.get_mut(backend).and_then(|counts| counts.get_mut(counter as usize))
        {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn new_id(&mut self) -> String {
        self.next_id = self.next_id.saturating_add(1);
        format!("{}-{}", self.name_of_vm, self.next_id)
    }

    /// Takes up to `want` bytes from what copies may use. Gives what there is.
    pub(super) fn take_memory(&mut self, want: usize) -> usize {
        let got = want.min(self.memory_max.saturating_sub(self.memory_used));
        self.memory_used = self.memory_used.saturating_add(got);
        got
    }

    pub(super) fn give_memory_back(&mut self, bytes: usize) {
        self.memory_used = self.memory_used.saturating_sub(bytes);
    }
}
