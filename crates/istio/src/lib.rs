//! Resources that bring the filter into a mesh of Istio: `EnvoyFilter`s, and a `WasmPlugin` or a
//! `TrafficExtension` for the simplest tap.
//!
//! They are a pure function of settings: no cluster, no files, no clock. The same settings give the
//! same text. `envoy/istio/` has the resources of default settings, and `docs/how-to/istio.md` is
//! the guide. The resources differ in what happens when something is missing:
//!
//! | | tap | mock | mock by annotation, if present |
//! |---|---|---|---|
//! | the module can't be fetched | traffic passes | 403, nothing leaves | 403, nothing leaves |
//! | the filter crashes | traffic passes | 503 | 503 |
//!
//! Traffic of workloads without the annotation passes in both cases.
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
