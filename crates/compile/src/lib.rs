//! From a snapshot to the module that Envoy loads: the signature table, the bundler that puts it
//! into the filter, and the offline matcher that judges requests with such a table.
//!
//! ```text
//! Snapshot ─► table::build ─► table ─► bundle ─► filter.wasm
//! ```
//!
//! Both steps are pure: equal input gives equal bytes. Nothing else of the project reads or writes
//! WebAssembly.

pub mod bundle;
pub mod matcher;
pub mod table;
