//! The command as people run it: arguments, exit statuses, signals, errors, and the sample service.

mod bad_input;
mod bad_places;
mod ca;
mod call;
mod convert;
mod edges;
mod faults;
mod help;
mod inbound;
mod merge;
mod replay;
mod replay_others;
mod replay_run;
mod replay_wire;
mod round_trip;
mod sample;
mod scene;
mod secrets;
mod select;
mod sidecar;
mod signals;
mod store;
mod store_memory;
mod tables;
mod terminal;
mod tune;
