//! The state that the streams of one VM share: the table, the policy of each backend, the outbox
//! and the counters.

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

/// The names of the counters of each backend, in the order of [`Counts`].
pub const COUNTERS: [&str; 5] = ["match", "miss", "passthrough", "tap", "aborted"];

/// One backend's counts since the last [`Vm::take_counts`].
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

/// The policy for requests to one backend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) mode: Mode,
    pub(super) on_miss: OnMiss,
    /// Whether `on_miss` comes from the configuration, which overrides the snapshot and its rules.
    pub(super) configured: bool,
    /// Index into the counters.
    pub(super) counter: usize,
    /// Whether recorded requests contain tokens instead of secrets.
    pub(super) redacted: bool,
    /// The delay of answers.
    pub(super) latency: Latency,
}

/// The state that the streams of one VM share.
#[derive(Debug)]
pub struct Vm<S> {
    pub(super) table: Table<S>,
    pub(super) outbox: Option<Outbox>,
    pub(super) rules: Rules,
    pub(super) body_cap: usize,
    pub(super) verdict_header: bool,
    pub(super) grpc_stub: bool,
    /// True if matches that rest on an assumption are misses.
    pub(super) strict: bool,
    pub(super) direction: Direction,
    /// The address under which inbound exchanges are recorded, whatever name the client used.
    listener: Option<String>,
    /// Replaces secrets in everything that leaves the VM. `None`: the configuration keeps secrets.
    pub(super) redactor: Option<Redactor>,
    /// Replaces secrets in live requests by the tokens of recorded requests.
    pub(super) as_recorded: Redactor,
    /// Whether a rule can delay answers.
    pub(super) delays: bool,
    /// Whether every request passes untouched.
    idle: bool,
    name_of_vm: String,
    next_id: u64,
    /// The share of tapped exchanges that is copied.
    sample: Sample,
    /// The number of tapped exchanges without a trace context.
    untraced: u64,
    backends: HashMap<Vec<u8>, Policy>,
    other: Policy,
    names: Vec<String>,
    counts: Vec<Counts>,
    memory_max: usize,
    memory_used: usize,
}

impl<S: Segment> Vm<S> {
    /// A VM with this configuration and table. `name` identifies it to the collector and must be
    /// unique.
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
            strict: config.strict,
            direction: match config.direction {
                DirectionName::Outbound => Direction::Outbound,
                DirectionName::Inbound => Direction::Inbound,
            },
            listener: config.listener.clone(),
            idle: false,
            name_of_vm: name,
            next_id: 0,
            sample: config.sample,
            untraced: 0,
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
        vm.idle = vm.ignores_everything();
        vm
    }

    /// Turns mocking off: the workload hasn't opted in.
    pub fn mock_nothing(&mut self) {
        for policy in self.backends.values_mut().chain([&mut self.other]) {
            if policy.mode == Mode::Mock {
                policy.mode = Mode::Off;
            }
        }
        self.idle = self.ignores_everything();
    }

    /// Mocks only the table's backends that `mocks` in the configuration selects, and turns mocking
    /// off for the others. Backends that the configuration names keep their mode. Without a table
    /// nothing changes.
    ///
    /// # Errors
    /// An entry that selects no backend, or several. The message lists the backends.
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
        let without_mock = |mode: Mode| if mode == Mode::Mock { Mode::Off } else { mode };
        for (name, policy) in &mut self.backends {
            let full =
                named.iter().find(|(known, _)| known.as_bytes() == name.as_slice()).map(|(_, full)| full);
            let by_name = std::str::from_utf8(name).is_ok_and(|name| config.backends.contains_key(name));
            if full.is_some_and(|full| chosen.contains(full)) && !by_name {
                policy.mode = Mode::Mock;
            } else if !by_name {
                policy.mode = without_mock(policy.mode);
            }
        }
        self.other.mode = without_mock(self.other.mode);
        self.idle = self.ignores_everything();
        Ok(())
    }

    fn ignores_everything(&self) -> bool {
        self.backends.values().chain([&self.other]).all(|policy| policy.mode == Mode::Off)
    }

    /// Whether every request passes untouched, so that the shell need not call the engine.
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

    /// The outbox, if there is a collector.
    pub fn outbox(&mut self) -> Option<&mut Outbox> {
        self.outbox.as_mut()
    }

    /// The names of the backends with counters of their own. All others are counted as the first
    /// one, `other`, so that requests can't make the number of counters grow.
    pub fn backend_names(&self) -> &[String] {
        &self.names
    }

    /// The counts since the last call, with indices into [`Self::backend_names`].
    pub fn take_counts(&mut self) -> impl Iterator<Item = (usize, Counts)> + '_ {
        self.counts
            .iter_mut()
            .map(std::mem::take)
            .enumerate()
            .filter(|(_, counts)| counts.iter().any(|&n| n > 0))
    }

    /// Writes the backend's name as records state it: for inbound requests the address of the
    /// listener.
    pub(super) fn write_name(&self, scheme: &[u8], authority: &[u8], out: &mut Vec<u8>) {
        let authority = self.listener.as_ref().map_or(authority, |listener| listener.as_bytes());
        backend::write_name(scheme, authority, out);
    }

    /// The policy for requests with this scheme and authority.
    pub(super) fn policy(&self, scheme: &[u8], authority: &[u8]) -> Policy {
        let mut name = Vec::new();
        self.write_name(scheme, authority, &mut name);
        self.backends.get(name.as_slice()).copied().unwrap_or(self.other)
    }

    /// The policy for a tunnel (CONNECT), which can contain HTTP or HTTPS. If both backends are
    /// known, the stricter policy wins: the filter can't see inside the tunnel.
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

    /// Whether a tapped exchange with these request headers is in the sample. All calls of one
    /// trace are in it, or none, in every proxy with the same share. Exchanges without a trace
    /// context are chosen by their number.
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
        self.untraced = self.untraced.saturating_add(1);
        self.sample.takes(format!("{}-{}", self.name_of_vm, self.untraced).as_bytes())
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

    /// Reserves up to `want` bytes of the memory for copies. Returns the reserved size.
    pub(super) fn reserve_memory(&mut self, want: usize) -> usize {
        let got = want.min(self.memory_max.saturating_sub(self.memory_used));
        self.memory_used = self.memory_used.saturating_add(got);
        got
    }

    /// Releases reserved memory.
    pub(super) fn release_memory(&mut self, bytes: usize) {
        self.memory_used = self.memory_used.saturating_sub(bytes);
    }
}
