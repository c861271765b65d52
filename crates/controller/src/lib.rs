//! `TrafficReplay` resources, and the controller that makes of them what they say: `EnvoyFilter`s that mock, and jobs that send requests.
//!
//! What there is to be is a pure function of resources (`spec`, `filters`, `job`, `annotations`, `status`); the rest asks the API server and
//! brings it about. Every reconciliation begins anew from what is in the cluster, so that it can end anywhere and go on in another process.
//!
//! [`Controller::run`] runs one in this process: `Controller::run(client, Settings::default(), shutdown).await`.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod annotations;
mod cluster;
mod contest;
mod context;
mod controller;
mod error;
mod filters;
mod http;
mod job;
mod lease;
mod metrics;
mod mocks;
mod reconcile;
mod resource;
mod spec;
mod status;
mod time;
mod watch;
mod workloads;

pub use controller::{Controller, Settings};
pub use error::Error;
pub use job::JobSettings;
pub use lease::LeaseSettings;
pub use resource::{
    Cleanup, Condition, Group, KIND, Mode, SecretRef, TargetRef, TrafficReplay, TrafficReplaySpec,
    TrafficReplayStatus, WorkloadSpec,
};
pub use time::parse_duration;
