//! Drives a service with its own recorded traffic, and says whether it still behaves.
//!
//! ```text
//! snapshot ─► Recording ─► Plan (what is carried, what is noise) ─► Driver ─► Driven ─► Report ─► text, HTML, JUnit, Markdown
//! ```
//!
//! Starts no service and no proxy: whoever uses it says where the service is, and what its backends were asked. Nothing is left out of a
//! comparison in silence.

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
mod tally;
mod timer;

pub use drive::{Driven, Driver, Plan};
pub use error::Error;
pub use outcome::{About, plan, report};
pub use tally::{request_message, share};
