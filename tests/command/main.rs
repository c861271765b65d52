//! The command as people run it: arguments, exit statuses, signals, errors, and the sample service.

mod bad_input;
mod bad_places;
mod ca;
mod call;
mod convert;
mod edges;
mod faults;
mod help;
mod istio;
mod merge;
mod round_trip;
mod sample;
mod scene;
mod secrets;
mod sidecar;
mod signals;
mod tables;
mod terminal;
mod tune;
