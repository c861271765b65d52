//! What never came: the proof, or the refutation, that a capture is whole. Never guesses: batches after the last
//! one that came are unknown to it, so a sender has to flush before somebody asks.

use std::ops::RangeInclusive;

/// What is missing, over all VMs that the store remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GapReport {
    /// By name.
    pub vms: Vec<VmGaps>,
    /// How many VMs have been forgotten because there were too many; since the collector started.
    pub forgotten_vms: u64,
    /// How many batches were missing of these when they were forgotten.
    pub forgotten_missing: u64,
}

/// What is missing of one VM.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VmGaps {
    /// The VM.
    pub vm: String,
    /// The service that it said it belongs to, last.
    pub service: Option<String>,
    /// Whether a batch of it was stored since this store was opened; otherwise all is known from earlier.
    pub active: bool,
    /// The highest `seq` stored.
    pub highest: u64,
    /// The `seq` below it that aren't stored. One that is being sent again may come yet.
    pub missing: Vec<RangeInclusive<u64>>,
    /// How many records the VM said that it has dropped.
    pub dropped: u64,
}

impl GapReport {
    /// Whether every batch up to the highest of each VM is stored and no VM has dropped a record.
    pub fn is_complete(&self) -> bool {
        self.missing_batches() == 0 && self.dropped_records() == 0
    }

    /// How many batches are missing.
    pub fn missing_batches(&self) -> u64 {
        self.vms.iter().map(VmGaps::missing_batches).fold(self.forgotten_missing, u64::saturating_add)
    }

    /// How many records the VMs have dropped.
    pub fn dropped_records(&self) -> u64 {
        self.vms.iter().map(|vm| vm.dropped).fold(0, u64::saturating_add)
    }

    /// The same for the VMs alone that were heard since the store was opened.
    pub fn active(&self) -> GapReport {
        GapReport { vms: self.vms.iter().filter(|vm| vm.active).cloned().collect(), ..*self }
    }
}

impl VmGaps {
    /// How many batches are missing.
    pub fn missing_batches(&self) -> u64 {
        self.missing.iter().map(|gap| gap.end() - gap.start() + 1).fold(0, u64::saturating_add)
    }
}
