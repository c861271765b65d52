//! Missing batches: the proof, or the refutation, that a capture is whole. Batches after the last
//! one that arrived can't be known, so senders have to flush before a report is made.

use std::ops::RangeInclusive;

/// The missing batches of all VMs that the store remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GapReport {
    /// By name.
    pub vms: Vec<VmGaps>,
    /// The number of VMs forgotten because there were too many, since the collector started.
    pub forgotten_vms: u64,
    /// The number of batches that these VMs missed when they were forgotten.
    pub forgotten_missing: u64,
}

/// The missing batches of one VM.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VmGaps {
    /// The VM.
    pub vm: String,
    /// The service in its latest batch.
    pub service: Option<String>,
    /// True if one of its batches was stored since this store was opened.
    pub active: bool,
    /// The highest `seq` stored.
    pub highest: u64,
    /// The `seq` below `highest` that aren't stored. They may still arrive.
    pub missing: Vec<RangeInclusive<u64>>,
    /// The number of records that the VM reported as dropped.
    pub dropped: u64,
}

impl GapReport {
    /// Returns whether every batch up to the highest of each VM is stored and no VM has dropped a
    /// record.
    pub fn is_complete(&self) -> bool {
        self.missing_batches() == 0 && self.dropped_records() == 0
    }

    /// The number of missing batches.
    pub fn missing_batches(&self) -> u64 {
        self.vms.iter().map(VmGaps::missing_batches).fold(self.forgotten_missing, u64::saturating_add)
    }

    /// The number of records that the VMs have dropped.
    pub fn dropped_records(&self) -> u64 {
        self.vms.iter().map(|vm| vm.dropped).fold(0, u64::saturating_add)
    }

    /// The report for the active VMs only.
    pub fn active(&self) -> GapReport {
        GapReport { vms: self.vms.iter().filter(|vm| vm.active).cloned().collect(), ..*self }
    }
}

impl VmGaps {
    /// The number of missing batches.
    pub fn missing_batches(&self) -> u64 {
        self.missing.iter().map(|gap| gap.end() - gap.start() + 1).fold(0, u64::saturating_add)
    }
}
