//! The report of a replay: one file, version 2, from which everything else is derived.
//! `docs/reference/report.md` describes it.
//!
//! These types are the file's own. A reader refuses unknown versions and unknown keys.

mod chart;
mod file;
mod html;
mod junit;
pub mod kept;
mod markdown;
mod model;
mod text;
mod versus;
pub mod view;
mod whole;

pub use file::{Head, head, read};
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use model::{
    Call, Calls, Carried, Detail, Ending, Endpoint, Figures, GoalResult, How, IgnoredPlace, Interval,
    JudgedCall, Logs, Message, OLDEST, Pair, Performance, Report, Responder, Success, TYPE, VERSION,
};
pub use text::{millis, number, summary};
pub use versus::{Versus, versus};
pub use whole::WholeRequest;

#[cfg(test)]
mod tests;
