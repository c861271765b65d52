//! The index of stored batches and of batches that are being stored: recognises a batch that is
//! sent again, and finds gaps. Its memory is bounded by the maximum numbers of VMs and runs. Never
//! does I/O.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::gaps::{GapReport, VmGaps};
use crate::ranges::Ranges;
use crate::wire::BatchMeta;

/// The way in which a batch became durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It was stored now.
    Stored,
    /// It had been stored before, or another sender stored it at the same time.
    Duplicate,
}

/// The result for those who wait for a batch.
pub(crate) type AppendResult = Result<Appended, Refusal>;

/// Why a batch isn't stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Closed,
    NotWritable(Arc<str>),
}

/// Decision about an arriving batch.
pub(crate) enum Admission {
    /// Nothing: it is stored already.
    Stored,
    /// Wait: the same batch is being stored.
    Wait(oneshot::Receiver<AppendResult>),
    /// Store it, and then call `commit` or `fail`.
    New(oneshot::Receiver<AppendResult>),
    /// Refuse it.
    TooManyGaps,
}

/// The index's content for one VM, in the first frame of a segment.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    vm: String,
    dropped: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    stored: Ranges,
}

/// A batch that was stored now, with those who wait for it.
#[must_use]
pub(crate) struct Committed {
    /// The number of records that the VM has dropped since the batch before.
    pub(crate) dropped: u64,
    waiters: Vec<oneshot::Sender<AppendResult>>,
}

impl Committed {
    /// Reports the result to those who wait.
    pub(crate) fn report(self) {
        for (n, waiter) in self.waiters.into_iter().enumerate() {
            // The first waiter's batch was stored. A waiter may have gone away.
            let _ = waiter.send(Ok(if n == 0 { Appended::Stored } else { Appended::Duplicate }));
        }
    }
}

pub(crate) struct Index {
    vms: HashMap<String, IndexedVm>,
    max_vms: usize,
    max_runs: usize,
    /// True if other collectors receive batches of the same VMs. Then a gap doesn't mean a missing
    /// batch, and readers skip batches that were stored twice.
    is_shared: bool,
    /// The number of missing batches over all VMs, kept up to date for the metrics.
    missing: u128,
    runs: usize,
    forgotten_vms: u64,
    forgotten_missing: u64,
    /// Counts batches: the order in which VMs were heard, without a clock.
    tick: u64,
}

#[derive(Default)]
struct IndexedVm {
    stored: Ranges,
    dropped: u64,
    service: Option<String>,
    heard: u64,
    active: bool,
    in_flight: BTreeMap<u64, Vec<oneshot::Sender<AppendResult>>>,
}

/// The maximum number of runs over all VMs, for each VM of the maximum number of VMs.
const RUNS_PER_VM: usize = 16;

impl Index {
    pub(crate) fn new(max_vms: usize, max_runs: usize) -> Index {
        Index {
            vms: HashMap::new(),
            max_vms,
            max_runs,
            is_shared: false,
            missing: 0,
            runs: 0,
            forgotten_vms: 0,
            forgotten_missing: 0,
            tick: 0,
        }
    }

    /// The index of one of several collectors.
    pub(crate) fn shared(max_vms: usize, max_runs: usize) -> Index {
        Index { is_shared: true, ..Index::new(max_vms, max_runs) }
    }

    /// Registers a batch that arrives.
    pub(crate) fn begin(&mut self, meta: &BatchMeta) -> Admission {
        if !self.vms.contains_key(&meta.vm) {
            self.make_room();
        }
        let all_runs = self.runs;
        let vm = self.vms.entry(meta.vm.clone()).or_default();
        self.tick += 1;
        vm.heard = self.tick;
        if vm.stored.contains(meta.seq) {
            return Admission::Stored;
        }
        let full = vm.stored.runs() >= self.max_runs || all_runs >= self.max_vms.saturating_mul(RUNS_PER_VM);
        // The first run of a VM is no gap.
        if full && !vm.stored.is_empty() && vm.stored.opens_run(meta.seq) {
            if !self.is_shared {
                return Admission::TooManyGaps;
            }
            // Other collectors have the batches between: the sender is right.
            self.missing -= u128::from(vm.stored.missing());
            self.runs -= vm.stored.runs();
            vm.stored = Ranges::default();
        }
        let (sender, receiver) = oneshot::channel();
        match vm.in_flight.get_mut(&meta.seq) {
            Some(waiters) => {
                waiters.push(sender);
                Admission::Wait(receiver)
            }
            None => {
                vm.in_flight.insert(meta.seq, vec![sender]);
                Admission::New(receiver)
            }
        }
    }

    /// Records a batch as durable. [`Committed::report`] reports to those who wait, so that the
    /// caller can update the metrics before.
    pub(crate) fn commit(&mut self, meta: &BatchMeta) -> Committed {
        let dropped = self.restore(meta);
        let waiters = self.vms.get_mut(&meta.vm).and_then(|vm| {
            vm.active = true;
            vm.in_flight.remove(&meta.seq)
        });
        Committed { dropped, waiters: waiters.unwrap_or_default() }
    }

    /// Records that a batch isn't stored. It may arrive again.
    pub(crate) fn fail(&mut self, meta: &BatchMeta, refusal: &Refusal) {
        let Some(vm) = self.vms.get_mut(&meta.vm) else { return };
        for waiter in vm.in_flight.remove(&meta.seq).unwrap_or_default() {
            let _ = waiter.send(Err(refusal.clone()));
        }
        if vm.stored.is_empty() && vm.in_flight.is_empty() {
            self.vms.remove(&meta.vm);
        }
    }

    /// Adds a stored batch. Returns by how many records `dropped` grew.
    pub(crate) fn restore(&mut self, meta: &BatchMeta) -> u64 {
        if !self.vms.contains_key(&meta.vm) {
            self.make_room();
        }
        let vm = self.vms.entry(meta.vm.clone()).or_default();
        self.tick += 1;
        vm.heard = self.tick;
        let (missing, runs) = (vm.stored.missing(), vm.stored.runs());
        vm.stored.insert(meta.seq);
        self.missing = self.missing - u128::from(missing) + u128::from(vm.stored.missing());
        self.runs = self.runs - runs + vm.stored.runs();
        // Batches may arrive out of order: the highest count is the latest.
        let dropped = meta.dropped.saturating_sub(vm.dropped);
        vm.dropped += dropped;
        vm.service.clone_from(&meta.service);
        dropped
    }

    /// Adds the content of an earlier index.
    pub(crate) fn load(&mut self, vms: Vec<Checkpoint>) {
        // The file's order is the order in which VMs were heard, so the oldest are forgotten first.
        for Checkpoint { vm, dropped, service, stored } in vms {
            self.make_room();
            self.missing += u128::from(stored.missing());
            self.runs += stored.runs();
            self.tick += 1;
            let state = IndexedVm { stored, dropped, service, heard: self.tick, ..IndexedVm::default() };
            self.vms.insert(vm, state);
        }
    }

    /// Forgets the batches stored since the checkpoint `vms`. Batches in flight stay.
    pub(crate) fn roll_back(&mut self, vms: Vec<Checkpoint>) {
        let in_flight: Vec<_> = self
            .vms
            .drain()
            .filter(|(_, vm)| !vm.in_flight.is_empty())
            .map(|(name, vm)| (name, vm.in_flight))
            .collect();
        let (forgotten_vms, forgotten_missing) = (self.forgotten_vms, self.forgotten_missing);
        self.clear();
        self.forgotten_vms = forgotten_vms;
        self.forgotten_missing = forgotten_missing;
        self.load(vms);
        for (name, batches) in in_flight {
            self.vms.entry(name).or_default().in_flight = batches;
        }
    }

    pub(crate) fn checkpoint(&self) -> Vec<Checkpoint> {
        let mut vms: Vec<_> = self.vms.iter().filter(|(_, vm)| !vm.stored.is_empty()).collect();
        vms.sort_by_key(|(_, vm)| vm.heard);
        let entry = |(name, vm): (&String, &IndexedVm)| Checkpoint {
            vm: name.clone(),
            dropped: vm.dropped,
            service: vm.service.clone(),
            stored: vm.stored.clone(),
        };
        vms.into_iter().map(entry).collect()
    }

    pub(crate) fn report(&self) -> GapReport {
        let stored = self.vms.iter().filter(|(_, vm)| !vm.stored.is_empty());
        let mut vms: Vec<_> = stored
            .map(|(name, vm)| VmGaps {
                vm: name.clone(),
                service: vm.service.clone(),
                active: vm.active,
                highest: vm.stored.highest(),
                missing: if self.is_shared { Vec::new() } else { vm.stored.gaps().collect() },
                dropped: vm.dropped,
            })
            .collect();
        vms.sort_by(|a, b| a.vm.cmp(&b.vm));
        let forgotten_missing = if self.is_shared { 0 } else { self.forgotten_missing };
        GapReport { vms, forgotten_vms: self.forgotten_vms, forgotten_missing }
    }

    pub(crate) fn missing(&self) -> u64 {
        if self.is_shared {
            return 0;
        }
        let missing = u64::try_from(self.missing).unwrap_or(u64::MAX);
        missing.saturating_add(self.forgotten_missing)
    }

    pub(crate) fn max_runs(&self) -> usize {
        self.max_runs
    }

    /// Forgets everything. No batch may be in flight.
    pub(crate) fn clear(&mut self) {
        *self = Index { is_shared: self.is_shared, ..Index::new(self.max_vms, self.max_runs) };
    }

    pub(crate) fn len(&self) -> usize {
        self.vms.len()
    }

    /// At the maximum number of VMs, forgets the eighth of them that was silent longest.
    fn make_room(&mut self) {
        if self.vms.len() < self.max_vms {
            return;
        }
        let idle = self.vms.iter().filter(|(_, vm)| vm.in_flight.is_empty());
        let mut idle: Vec<_> = idle.map(|(name, vm)| (vm.heard, name.clone())).collect();
        idle.sort_unstable();
        idle.truncate(self.max_vms.div_ceil(8));
        for (_, name) in idle {
            let Some(vm) = self.vms.remove(&name) else { continue };
            self.missing -= u128::from(vm.stored.missing());
            self.runs -= vm.stored.runs();
            self.forgotten_vms += 1;
            self.forgotten_missing = self.forgotten_missing.saturating_add(vm.stored.missing());
            // With several collectors it does no harm: readers skip batches that were stored twice.
            if !self.is_shared {
                tracing::warn!(
                    vm = name,
                    max_vms = self.max_vms,
                    "a VM is forgotten because there are too many; a batch that it sends again is stored again"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::sample::Sample;

    fn meta(vm: &str, seq: u64) -> BatchMeta {
        BatchMeta { vm: vm.into(), seq, dropped: 0, service: None, sample: Sample::WHOLE }
    }

    fn store(index: &mut Index, vm: &str, seq: u64) {
        assert!(matches!(index.begin(&meta(vm, seq)), Admission::New(_)));
        index.commit(&meta(vm, seq)).report();
    }

    #[test]
    fn second_sender_of_a_batch_waits_for_the_first() {
        let mut index = Index::new(8, 8);
        let Admission::New(mut first) = index.begin(&meta("a", 1)) else { panic!() };
        let Admission::Wait(mut second) = index.begin(&meta("a", 1)) else { panic!() };
        assert!(second.try_recv().is_err());
        index.commit(&meta("a", 1)).report();
        assert_eq!(first.try_recv().unwrap(), Ok(Appended::Stored));
        assert_eq!(second.try_recv().unwrap(), Ok(Appended::Duplicate));
        assert!(matches!(index.begin(&meta("a", 1)), Admission::Stored));
    }

    #[test]
    fn failed_batch_may_arrive_again() {
        let mut index = Index::new(8, 8);
        let Admission::New(mut first) = index.begin(&meta("a", 1)) else { panic!() };
        let Admission::Wait(mut second) = index.begin(&meta("a", 1)) else { panic!() };
        let full = Refusal::NotWritable("full".into());
        index.fail(&meta("a", 1), &full);
        assert_eq!(first.try_recv().unwrap(), Err(full.clone()));
        assert_eq!(second.try_recv().unwrap(), Err(full.clone()));
        assert_eq!(index.len(), 0, "a VM without a stored batch isn't kept");
        store(&mut index, "a", 1);
    }

    #[test]
    fn gaps_filled_later_are_closed() {
        let mut index = Index::new(8, 8);
        for seq in [1, 2, 5, 9] {
            store(&mut index, "a", seq);
        }
        assert_eq!(index.missing(), 5);
        let report = index.report();
        assert_eq!(report.vms[0].missing, [3..=4, 6..=8]);
        assert!(!report.is_complete());
        for seq in [3, 4, 6, 7, 8] {
            store(&mut index, "a", seq);
        }
        assert_eq!((index.missing(), index.runs), (0, 1));
        assert!(index.report().is_complete());
    }

    #[test]
    fn drop_counts_out_of_order_are_cumulative() {
        let mut index = Index::new(8, 8);
        let dropped = |seq, dropped| BatchMeta { dropped, ..meta("a", seq) };
        assert_eq!(index.commit(&dropped(1, 2)).dropped, 2);
        assert_eq!(index.commit(&dropped(3, 7)).dropped, 5);
        assert_eq!(index.commit(&dropped(2, 2)).dropped, 0);
        assert_eq!(index.report().dropped_records(), 7);
        assert!(!index.report().is_complete());
    }

    #[test]
    fn vms_above_the_maximum_are_forgotten() {
        let mut index = Index::new(16, 3);
        for vm in 0..100 {
            store(&mut index, &format!("vm{vm}"), 2);
            assert!(index.len() <= 16);
        }
        assert!(matches!(index.begin(&meta("vm99", 2)), Admission::Stored), "the latest are remembered");
        assert_eq!(index.missing(), 100);
        assert_eq!(index.report().missing_batches(), 100);
        for seq in [4, 6] {
            store(&mut index, "vm99", seq);
        }
        assert!(matches!(index.begin(&meta("vm99", 8)), Admission::TooManyGaps));
        store(&mut index, "vm99", 7);
        let total = Index::new(1, usize::MAX);
        let mut index = total;
        for n in 1..=16 {
            store(&mut index, "a", 2 * n);
        }
        assert!(matches!(index.begin(&meta("a", 34)), Admission::TooManyGaps), "the bound over all VMs");
    }

    #[test]
    fn shared_index_reports_no_gaps() {
        let mut index = Index::shared(8, 3);
        for n in 1..=100 {
            store(&mut index, "a", 2 * n);
        }
        assert_eq!((index.missing(), index.report().is_complete()), (0, true));
        assert!(index.runs <= 3, "memory is bounded");
        assert!(matches!(index.begin(&meta("a", 200)), Admission::Stored));
        // Forgetting runs has subtracted what adding them had added.
        let sum: u64 = index.vms.values().map(|vm| vm.stored.missing()).sum();
        assert_eq!((index.missing, index.runs), (u128::from(sum), index.vms["a"].stored.runs()));
    }

    #[test]
    fn index_rolled_back_forgets_later_batches_and_keeps_those_in_flight() {
        let mut index = Index::new(8, 8);
        store(&mut index, "a", 1);
        let checkpoint = index.checkpoint();
        store(&mut index, "a", 2);
        store(&mut index, "b", 2);
        let Admission::New(mut in_flight) = index.begin(&meta("a", 3)) else { panic!() };
        index.roll_back(checkpoint);
        assert!(matches!(index.begin(&meta("a", 1)), Admission::Stored));
        assert!(matches!(index.begin(&meta("a", 2)), Admission::New(_)));
        assert!(matches!(index.begin(&meta("b", 2)), Admission::New(_)));
        assert!(matches!(index.begin(&meta("a", 3)), Admission::Wait(_)));
        index.commit(&meta("a", 3)).report();
        assert_eq!(in_flight.try_recv().unwrap(), Ok(Appended::Stored));
        assert_eq!((index.missing(), index.runs), (1, 2));
    }

    #[test]
    fn checkpoint_loaded_again_restores_the_index() {
        let mut index = Index::new(8, 8);
        for (vm, seq) in [("a", 1), ("b", 3), ("a", 2), ("b", 5)] {
            store(&mut index, vm, seq);
        }
        let text = serde_json::to_string(&index.checkpoint()).unwrap();
        let mut again = Index::new(8, 8);
        again.load(serde_json::from_str(&text).unwrap());
        assert_eq!((again.missing(), again.runs, again.len()), (index.missing(), index.runs, 2));
        assert!(matches!(again.begin(&meta("b", 5)), Admission::Stored));
        assert!(matches!(again.begin(&meta("b", 4)), Admission::New(_)));
        assert!(!again.report().vms[0].active);
    }
}
