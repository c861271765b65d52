//! The controller under load and under attack: many resources at once, an API server that refuses
//! and forgets, controllers that die, other managers that write the same objects, and hostile
//! texts.

#[path = "load/cluster.rs"]
mod cluster;
#[path = "load/failures.rs"]
mod failures;
#[path = "load/hostile.rs"]
mod hostile;
#[path = "load/many.rs"]
mod many;
