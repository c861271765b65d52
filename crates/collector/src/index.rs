//! Which batches are stored, and which are being stored: makes a batch that is sent again a no-op, and knows the gaps.
//! Its memory is bounded by the VMs and runs of the configuration. Never does I/O.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::gaps::{GapReport, VmGaps};
use crate::ranges::Ranges;
use crate::store::Appended;
use crate::wire::BatchMeta;

/// What somebody who waits for a batch is told.
pub(crate) type Outcome = Result<Appended, Refusal>;

/// Why a batch isn't stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Closed,
    NotWritable(Arc<str>),
}

/// What becomes of a batch that comes in.
pub(crate) enum Begin {
    /// It is stored already.
    Stored,
    /// The same batch is being stored.
    Wait(oneshot::Receiver<Outcome>),
    /// It has to be stored, and `commit` or `fail` called with it.
    New(oneshot::Receiver<Outcome>),
    TooManyGaps,
}

/// What the index knows of one VM, in the first frame of a segment.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    vm: String,
    dropped: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    stored: Ranges,
}

/// Who waits for a batch that is stored now.
#[must_use]
pub(crate) struct Committed {
    /// How many records the VM has dropped since the batch before.
    pub(crate) dropped: u64,
    waiters: Vec<oneshot::Sender<Outcome>>,
}

impl Committed {
    pub(crate) fn tell(self) {
        for (n, waiter) in self.waiters.into_iter().enumerate() {
            // The first is the one that had it stored. Who has gone away doesn't mind.
            let _ = waiter.send(Ok(if n == 0 { Appended::Stored } else { Appended::Duplicate }));
        }
    }
}

pub(crate) struct Index {
    vms: HashMap<String, Vm>,
    max_vms: usize,
    max_runs: usize,
    /// Whether other collectors get batches of the same VMs: then what isn't here isn't missing, and readers find what is there twice.
    shared: bool,
    /// Over all VMs, so that a gauge costs nothing.
    missing: u128,
    runs: usize,
    forgotten_vms: u64,
    forgotten_missing: u64,
    /// Grows with each batch: the order in which VMs were heard, without a clock.
    tick: u64,
}

#[derive(Default)]
struct Vm {
    stored: Ranges,
    dropped: u64,
    service: Option<String>,
    heard: u64,
    active: bool,
    in_flight: BTreeMap<u64, Vec<oneshot::Sender<Outcome>>>,
}

/// Runs over all VMs are bounded by this many for each VM that there may be.
const RUNS_PER_VM: usize = 16;

impl Index {
    pub(crate) fn new(max_vms: usize, max_runs: usize) -> Index {
        let vms = HashMap::new();
        let (missing, runs, forgotten_vms, forgotten_missing, tick) = (0, 0, 0, 0, 0);
        Index { vms, max_vms, max_runs, shared: false, missing, runs, forgotten_vms, forgotten_missing, tick }
    }

    /// One of several collectors'.
    pub(crate) fn shared(max_vms: usize, max_runs: usize) -> Index {
        Index { shared: true, ..Index::new(max_vms, max_runs) }
    }

    pub(crate) fn begin(&mut self, meta: &BatchMeta) -> Begin {
        if !self.vms.contains_key(&meta.vm) {
            self.make_room();
        }
        let all_runs = self.runs;
        let vm = self.vms.entry(meta.vm.clone()).or_default();
        self.tick += 1;
        vm.heard = self.tick;
        if vm.stored.contains(meta.seq) {
            return Begin::Stored;
        }
        let full = vm.stored.runs() >= self.max_runs || all_runs >= self.max_vms.saturating_mul(RUNS_PER_VM);
        // The first run of a VM is no gap.
        if full && !vm.stored.is_empty() && vm.stored.opens_run(meta.seq) {
            if !self.shared {
                return Begin::TooManyGaps;
            }
            // The others have what lies between: no fault of the sender's.
            self.missing -= u128::from(vm.stored.missing());
            self.runs -= vm.stored.runs();
            vm.stored = Ranges::default();
        }
        let (sender, receiver) = oneshot::channel();
        match vm.in_flight.get_mut(&meta.seq) {
            Some(waiters) => {
                waiters.push(sender);
                Begin::Wait(receiver)
            }
            None => {
                vm.in_flight.insert(meta.seq, vec![sender]);
                Begin::New(receiver)
            }
        }
    }

    /// The batch is durable. Those who wait aren't told yet, so that all that is counted can be counted before.
    pub(crate) fn commit(&mut self, meta: &BatchMeta) -> Committed {
        let dropped = self.restore(meta);
        let waiters = self.vms.get_mut(&meta.vm).and_then(|vm| {
            vm.active = true;
            vm.in_flight.remove(&meta.seq)
        });
        Committed { dropped, waiters: waiters.unwrap_or_default() }
    }

    /// The batch is not stored, and may come again.
    pub(crate) fn fail(&mut self, meta: &BatchMeta, refusal: &Refusal) {
        let Some(vm) = self.vms.get_mut(&meta.vm) else { return };
        for waiter in vm.in_flight.remove(&meta.seq).unwrap_or_default() {
            let _ = waiter.send(Err(refusal.clone()));
        }
        if vm.stored.is_empty() && vm.in_flight.is_empty() {
            self.vms.remove(&meta.vm);
        }
    }

    /// Takes in a batch that is stored. Returns by how many records `dropped` grew.
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
        // Batches may come out of order: the latest count is the highest.
        let dropped = meta.dropped.saturating_sub(vm.dropped);
        vm.dropped += dropped;
        vm.service.clone_from(&meta.service);
        dropped
    }

    /// Takes in what an earlier index knew.
    pub(crate) fn load(&mut self, vms: Vec<Checkpoint>) {
        // In the order of the file, which is the order in which they were heard: the last ones matter most.
        for Checkpoint { vm, dropped, service, stored } in vms {
            self.make_room();
            self.missing += u128::from(stored.missing());
            self.runs += stored.runs();
            self.tick += 1;
            let known = Vm { stored, dropped, service, heard: self.tick, ..Vm::default() };
            self.vms.insert(vm, known);
        }
    }

    pub(crate) fn checkpoint(&self) -> Vec<Checkpoint> {
        let mut vms: Vec<_> = self.vms.iter().filter(|(_, vm)| !vm.stored.is_empty()).collect();
        vms.sort_by_key(|(_, vm)| vm.heard);
        let entry = |(name, vm): (&String, &Vm)| Checkpoint {
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
                missing: if self.shared { Vec::new() } else { vm.stored.gaps().collect() },
                dropped: vm.dropped,
            })
            .collect();
        vms.sort_by(|a, b| a.vm.cmp(&b.vm));
        let forgotten_missing = if self.shared { 0 } else { self.forgotten_missing };
        GapReport { vms, forgotten_vms: self.forgotten_vms, forgotten_missing }
    }

    pub(crate) fn missing(&self) -> u64 {
        if self.shared {
            return 0;
        }
        let missing = u64::try_from(self.missing).unwrap_or(u64::MAX);
        missing.saturating_add(self.forgotten_missing)
    }

    pub(crate) fn max_runs(&self) -> usize {
        self.max_runs
    }

    /// Forgets everything; nothing may be in flight.
    pub(crate) fn clear(&mut self) {
        *self = Index { shared: self.shared, ..Index::new(self.max_vms, self.max_runs) };
    }

    pub(crate) fn len(&self) -> usize {
        self.vms.len()
    }

    /// Forgets an eighth of the VMs when there is no room for one more: those that were silent longest.
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
            // Of several collectors each may forget: readers take what is there twice once.
            if !self.shared {
                log::warn!(
                    "vm {name} is forgotten, there are more than {}: batches it sends again are stored again",
                    self.max_vms
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
        assert!(matches!(index.begin(&meta(vm, seq)), Begin::New(_)));
        index.commit(&meta(vm, seq)).tell();
    }

    #[test]
    fn who_sends_the_same_batch_meanwhile_waits_for_the_first() {
        let mut index = Index::new(8, 8);
        let Begin::New(mut first) = index.begin(&meta("a", 1)) else { panic!() };
        let Begin::Wait(mut second) = index.begin(&meta("a", 1)) else { panic!() };
        assert!(second.try_recv().is_err());
        index.commit(&meta("a", 1)).tell();
        assert_eq!(first.try_recv().unwrap(), Ok(Appended::Stored));
        assert_eq!(second.try_recv().unwrap(), Ok(Appended::Duplicate));
        assert!(matches!(index.begin(&meta("a", 1)), Begin::Stored));
    }

    #[test]
    fn what_failed_may_come_again() {
        let mut index = Index::new(8, 8);
        let Begin::New(mut first) = index.begin(&meta("a", 1)) else { panic!() };
        let Begin::Wait(mut second) = index.begin(&meta("a", 1)) else { panic!() };
        let full = Refusal::NotWritable("full".into());
        index.fail(&meta("a", 1), &full);
        assert_eq!(first.try_recv().unwrap(), Err(full.clone()));
        assert_eq!(second.try_recv().unwrap(), Err(full.clone()));
        assert_eq!(index.len(), 0, "nothing is kept of a vm that never had a batch stored");
        store(&mut index, "a", 1);
    }

    #[test]
    fn gaps_open_and_close() {
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
    fn drops_are_cumulative_and_may_come_out_of_order() {
        let mut index = Index::new(8, 8);
        let dropped = |seq, dropped| BatchMeta { dropped, ..meta("a", seq) };
        assert_eq!(index.commit(&dropped(1, 2)).dropped, 2);
        assert_eq!(index.commit(&dropped(3, 7)).dropped, 5);
        assert_eq!(index.commit(&dropped(2, 2)).dropped, 0);
        assert_eq!(index.report().dropped_records(), 7);
        assert!(!index.report().is_complete());
    }

    #[test]
    fn memory_is_bounded() {
        let mut index = Index::new(16, 3);
        for vm in 0..100 {
            store(&mut index, &format!("vm{vm}"), 2);
            assert!(index.len() <= 16);
        }
        assert!(matches!(index.begin(&meta("vm99", 2)), Begin::Stored), "the latest are remembered");
        assert_eq!(index.missing(), 100);
        assert_eq!(index.report().missing_batches(), 100);
        for seq in [4, 6] {
            store(&mut index, "vm99", seq);
        }
        assert!(matches!(index.begin(&meta("vm99", 8)), Begin::TooManyGaps));
        store(&mut index, "vm99", 7);
        let total = Index::new(1, usize::MAX);
        let mut index = total;
        for n in 1..=16 {
            store(&mut index, "a", 2 * n);
        }
        assert!(matches!(index.begin(&meta("a", 34)), Begin::TooManyGaps), "the bound over all VMs");
    }

    #[test]
    fn of_several_collectors_none_misses_what_others_have() {
        let mut index = Index::shared(8, 3);
        for n in 1..=100 {
            store(&mut index, "a", 2 * n);
        }
        assert_eq!((index.missing(), index.report().is_complete()), (0, true));
        assert!(index.runs <= 3, "memory is bounded");
        assert!(matches!(index.begin(&meta("a", 200)), Begin::Stored));
        // As a sum: forgetting has taken out what it had put in.
        let sum: u64 = index.vms.values().map(|vm| vm.stored.missing()).sum();
        assert_eq!((index.missing, index.runs), (u128::from(sum), index.vms["a"].stored.runs()));
    }

    #[test]
    fn a_checkpoint_brings_all_back() {
        let mut index = Index::new(8, 8);
        for (vm, seq) in [("a", 1), ("b", 3), ("a", 2), ("b", 5)] {
            store(&mut index, vm, seq);
        }
        let text = serde_json::to_string(&index.checkpoint()).unwrap();
        let mut again = Index::new(8, 8);
        again.load(serde_json::from_str(&text).unwrap());
        assert_eq!((again.missing(), again.runs, again.len()), (index.missing(), index.runs, 2));
        assert!(matches!(again.begin(&meta("b", 5)), Begin::Stored));
        assert!(matches!(again.begin(&meta("b", 4)), Begin::New(_)));
        assert!(!again.report().vms[0].active);
    }
}
