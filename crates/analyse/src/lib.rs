//! Analyses recordings: technologies of backends, rules for values that change, causes of calls,
//! and summaries. Only [`learn::apply`] changes a snapshot.

pub mod learn;
pub mod service_map;
pub mod summary;
pub mod technology;
pub mod traces;
