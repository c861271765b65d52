//! The command as people run it: arguments, exit statuses, signals, errors, and the sample service.

mod bad_input;
mod bad_places;
mod call;
mod round_trip;
mod scene;
mod signals;
mod terminal;
