//! Drives a service with its own recorded traffic and reports whether it still behaves as recorded.
//!
//! ```text
//! snapshot ─► Recording ─► Plan (carried values, noise) ─► Driver ─► Driven ─► Report
//! Report ─► text, HTML, JUnit, Markdown
//! ```
//!
//! Starts neither a service nor a proxy: the caller tells where the service is and which calls its
//! backends received. No difference is left out of a comparison without being named.

pub mod carry;
pub mod client;
pub mod compare;
pub mod endpoint;
pub mod goal;
pub mod load;
pub mod noise;
pub mod place;
pub mod recording;
pub mod report;
pub mod settings;
pub mod stats;
pub mod target;

mod drive;
mod error;
mod outcome;
mod planning;
mod tally;
mod timer;

pub use drive::{Driven, Driver, Plan};
pub use error::Error;
pub use outcome::{About, report};
pub use planning::plan;
pub use tally::{request_message, share};
