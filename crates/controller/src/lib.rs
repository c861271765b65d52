//! `TrafficReplay` resources and their controller, which creates `EnvoyFilter`s that mock and jobs
//! that send requests.
//!
//! The wanted objects are a pure function of the resources (`spec`, `filters`, `job`,
//! `annotations`, `status`); the other modules read and write the cluster. Every reconciliation
//! starts from the state of the cluster alone, so that it can be interrupted anywhere and continued
//! by another process.
//!
//! [`Controller::run`] runs a controller in this process:
//! `Controller::run(client, Settings::default(), shutdown).await`.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod annotations;
mod cluster;
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
mod repairs;
mod resource;
mod settings;
mod spec;
mod status;
mod time;
mod watch;
mod workloads;

pub use controller::Controller;
pub use error::Error;
pub use job::JobSettings;
pub use lease::LeaseSettings;
pub use resource::{
    Cleanup, Condition, Group, KIND, Mode, SecretRef, TargetRef, TrafficReplay, TrafficReplaySpec,
    TrafficReplayStatus, WorkloadSpec,
};
pub use settings::Settings;
pub use time::parse_duration;
