//! The resources that bring the filter into a mesh of Istio: `EnvoyFilter`s, and a `WasmPlugin` or a
//! `TrafficExtension` for the simplest tap.
//!
//! A pure function of settings: no cluster, no files, no clock. The same settings give the same text. `envoy/istio/` has what the defaults
//! give, and `docs/how-to/istio.md` says how it is used. What each resource does when something is missing is the point of them:
//!
//! | | tap | mock | mock by annotation |
//! |---|---|---|---|
//! | the module can't be had | the traffic goes on | 403, nothing leaves | as a mock where the annotation is, else the traffic goes on |
//! | the filter crashes | the traffic goes on | 503 | 503 |
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod certificates;
mod error;
mod https;
mod module;
mod parts;
mod removal;
mod respond;
mod scope;
mod stub;
mod tap;
mod yaml;

pub use certificates::{Certificates, pod_patch};
pub use error::Error;
pub use https::Https;
pub use module::Module;
pub use removal::removal;
pub use respond::Respond;
pub use scope::{ROOT_NAMESPACE, Scope};
pub use tap::{Collector, Simple, Tap};
pub use yaml::to_yaml;
