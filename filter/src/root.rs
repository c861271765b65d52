//! The root of one VM: reads the configuration, holds the state that streams share, drives the
//! outbox.

use crate::host;
use crate::http::{self, HttpStream};
use crate::metrics::Metrics;
use crate::table::Passive;
use crate::timer::Timer;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, MapType};
use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::time::Duration;
use understudy_core::config::{Config, Mode, OutboxConfig};
use understudy_core::digest;
use understudy_core::engine::Vm;
use understudy_core::outbox::CollectorReply;
use understudy_core::table::{Part, Shelf, Table};
use understudy_core::workload::{Consent, Workload};

/// Interval of updating counters if there is no collector to set the pace.
const TICK: Duration = Duration::from_millis(200);

/// State that the streams of one VM share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) vm: Vm<Part<Passive>>,
    pub(crate) metrics: Metrics,
    pub(crate) timer: Timer,
}

impl Shared {
    /// Brings the counters of records up to date.
    pub(crate) fn tell_records(&mut self) {
        if let Some(outbox) = self.vm.outbox() {
            self.metrics.records(outbox.totals());
        }
    }

    fn tell_backends(&mut self) {
        let counts: Vec<_> = self.vm.take_counts().collect();
        for (backend, counts) in counts {
            if let Some(name) = self.vm.backend_names().get(backend) {
                self.metrics.add(backend, name, &counts);
            }
        }
    }
}

/// One VM's root context.
#[derive(Debug)]
pub(crate) struct Root {
    /// The number that Envoy knows this context by.
    id: u32,
    shared: Option<Rc<RefCell<Shared>>>,
    collector: Option<OutboxConfig>,
    /// Batches on their way: the callout's token and the batch's number.
    calls: Vec<(u32, u64)>,
    /// True if it has been said that the collector can't be called.
    complained: bool,
}

impl Root {
    /// The root with this number.
    pub(crate) fn new(id: u32) -> Self {
        Self { id, shared: None, collector: None, calls: Vec::new(), complained: false }
    }
}

/// The table for this workload. `None` if the tables can't be used, which is logged then.
fn choose_table(config: &mut Config, workload: &Workload) -> Option<Table<Part<Passive>>> {
    let asked = workload.snapshot.as_deref().or(config.snapshot.as_deref());
    let called = host::workload_name();
    let chosen = Shelf::open(Passive).and_then(|shelf| shelf.choose(asked, called.as_deref()));
    let table = match chosen {
        Ok(Ok(table)) => table,
        // The table isn't used, so that its identity doesn't matter.
        Ok(Err(_)) if config.ignores_table() => Table::open(Part::nothing(Passive)).ok()?,
        Ok(Err(names)) => {
            let names = names.join(", ");
            let asked = asked.unwrap_or("no snapshot");
            log::error!(
                "understudy: {asked} is requested, but this module has {names}: every request to a mocked backend will miss. Set the annotation \
                 replay.speedscale.com/snapshot-id, or bundle that snapshot"
            );
            // The mocked backends are unknown without a table, so that none may be called.
            config.default = Some(Mode::Mock);
            Table::open(Part::nothing(Passive)).ok()?
        }
        Err(error) => {
            log::error!("understudy: {error}");
            return None;
        }
    };
    let meta = table.meta();
    if config.tap_only && !table.is_empty() {
        log::info!("understudy: this filter only taps: the recording in its module isn't used");
    } else if !table.is_empty() {
        let digest = digest::hex(&table.digest());
        log::info!("understudy: snapshot {} with {} signatures, table {digest}", meta.snapshot, meta.entries);
    }
    Some(table)
}

/// Applies the workload's consent to mocking, and logs the decision.
fn apply_consent(workload: &Workload, vm: &mut Vm<Part<Passive>>) {
    match &workload.consent {
        Consent::Given => return log::info!("understudy: this workload's annotation turns mocking on"),
        Consent::Not(why) => log::error!("understudy: nothing is mocked: {why}"),
        Consent::None => log::info!("understudy: nothing is mocked: this workload has no annotation for it"),
    }
    vm.mock_nothing();
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, _headers: usize, body_size: usize, _trailers: usize) {
        let Some(at) = self.calls.iter().position(|(known, _)| *known == token) else { return };
        let (_, seq) = self.calls.swap_remove(at);
        let headers = host::headers(MapType::HttpCallResponseHeaders);
        let number = |name: &[u8]| {
            headers.get(name).and_then(|v| std::str::from_utf8(v).ok()?.trim().parse::<u64>().ok())
        };
        let status = number(b":status").and_then(|status| u16::try_from(status).ok());
        let reply = CollectorReply::from_status(status, number(b"retry-after"));
        self.complain(status, reply, body_size);
        if let Some(shared) = &self.shared {
            let mut shared = shared.borrow_mut();
            if let Some(outbox) = shared.vm.outbox() {
                outbox.replied(seq, reply, host::now() / 1000);
            }
            shared.tell_records();
        }
        self.send_batches();
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = host::buffer(BufferType::PluginConfiguration, 0, usize::MAX);
        let mut config = match Config::from_json(&bytes) {
            Ok(config) => config,
            Err(error) => {
                log::error!("understudy: {error}");
                return false;
            }
        };
        let workload = Workload::read(host::annotation);
        let Some(table) = choose_table(&mut config, &workload) else { return false };
        let name = format!("{:016x}", RandomState::new().build_hasher().finish());
        let flush =
            config.collector.as_ref().map(|c| Duration::from_millis(u64::from(c.flush_interval_ms) / 2));
        let mut vm = Vm::new(&config, table, name);
        if let Err(why) = vm.mock_only(&config) {
            log::error!("understudy: the filter's configuration isn't valid: `mocks`: {why}");
            return false;
        }
        if config.opt_in {
            apply_consent(&workload, &mut vm);
        }
        self.collector = config.collector;
        let pace = flush.unwrap_or(TICK).min(TICK);
        let (metrics, timer) = (Metrics::default(), Timer::new(pace));
        let idle = vm.is_idle() && self.collector.is_none();
        self.shared = Some(Rc::new(RefCell::new(Shared { vm, metrics, timer })));
        idle || host::set_tick_period(pace)
    }

    fn on_tick(&mut self) {
        let Some(shared) = &self.shared else { return };
        let (due, own) = shared.borrow_mut().timer.tick();
        if !due.is_empty() {
            for waiter in due {
                let action = waiter.stream.borrow_mut().resume(&mut shared.borrow_mut().vm);
                // A stream takes itself out when it ends, so that its context is there.
                if host::act_for(waiter.context) {
                    http::act(action);
                }
            }
            host::act_for(self.id);
        }
        if own {
            shared.borrow_mut().tell_backends();
            self.send_batches();
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(HttpStream::new(context_id, self.shared.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Root {
    /// Sends batches that are due. Called only from the root's own callbacks, since a callout of a
    /// stream's context ends with the stream.
    fn send_batches(&mut self) {
        let (Some(shared), Some(collector)) = (&self.shared, &self.collector) else { return };
        let mut shared = shared.borrow_mut();
        let Some(outbox) = shared.vm.outbox() else { return };
        let now = host::now() / 1000;
        while let Some((seq, bytes)) = outbox.next(now) {
            let headers = vec![
                (":method", "POST"),
                (":scheme", "http"),
                (":path", collector.path.as_str()),
                (":authority", collector.authority.as_deref().unwrap_or(&collector.cluster)),
                ("content-type", "application/x-ndjson"),
            ];
            let timeout = Duration::from_millis(u64::from(collector.timeout_ms));
            match hostcalls::dispatch_http_call(&collector.cluster, headers, Some(bytes), vec![], timeout) {
                Ok(token) => self.calls.push((token, seq)),
                Err(status) => {
                    if !std::mem::replace(&mut self.complained, true) {
                        let cluster = &collector.cluster;
                        log::error!(
                            "understudy: can't call the collector ({status:?}): is there a cluster {cluster:?} in Envoy's \
                             configuration? Records are kept up to queue_max_bytes"
                        );
                    }
                    outbox.replied(seq, CollectorReply::Retry(None), now);
                }
            }
        }
    }

    fn complain(&mut self, status: Option<u16>, reply: CollectorReply, body_size: usize) {
        if reply == CollectorReply::Acknowledged {
            self.complained = false;
            return;
        }
        // A refused batch is lost, so that each is worth a line; of a collector that is away, one
        // line is enough.
        if reply != CollectorReply::Refused && std::mem::replace(&mut self.complained, true) {
            return;
        }
        let body = host::buffer(BufferType::HttpCallResponseBody, 0, body_size.min(300));
        let body = String::from_utf8_lossy(&body);
        let status = status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
        match reply {
            CollectorReply::Refused => {
                log::error!("understudy: the collector refused a batch with {status}, it is dropped: {body}")
            }
            _ => log::warn!(
                "understudy: the collector answered {status}; records wait and are sent again: {body}"
            ),
        }
    }
}
