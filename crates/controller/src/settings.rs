//! Settings of a controller.

use crate::job::JobSettings;
use crate::lease::LeaseSettings;
use std::time::Duration;

/// Settings of a controller.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Registry of snapshots that a resource names without one: `oci://REGISTRY/TEAM`.
    pub registry: Option<String>,
    /// The only namespace to watch; all of them without it.
    pub namespace: Option<String>,
    /// True if resources of `speedscale.com/v1` are watched too.
    pub contract_group: bool,
    /// True if a resource may mock workloads of another namespace.
    pub other_namespaces: bool,
    /// True if annotations of workloads become resources.
    pub annotations: bool,
    /// The lease that this controller must hold to work; without one, it works at once.
    pub lease: Option<LeaseSettings>,
    /// Time that sidecars get to load the mocks before a replay sends requests.
    pub settle: Duration,
    /// Settings of the jobs that send requests.
    pub job: JobSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            registry: None,
            namespace: None,
            contract_group: false,
            other_namespaces: false,
            annotations: true,
            lease: None,
            settle: Duration::from_secs(10),
            job: JobSettings::default(),
        }
    }
}
