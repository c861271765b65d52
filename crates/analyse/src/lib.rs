//! What a recording shows: which technologies its backends are made of, which values change by themselves, which call has caused which,
//! and how much of each there is. Reads snapshots; only [`learn::apply`] changes one.

pub mod learn;
pub mod service_map;
pub mod summary;
pub mod technology;
pub mod traces;
