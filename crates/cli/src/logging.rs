//! The log: on stderr, one line an event, with the request and batch that the event belongs to. The
//! format is documented in `docs/how-to/run-the-collector.md`.

use std::io::stderr;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that sets the level, for all modules or for some.
const VARIABLE: &str = "UNDERSTUDY_LOG";
const DEFAULT: &str = "warn";

/// Starts the log for this process. Events of the `log` crate are logged too.
pub(crate) fn start() {
    let level = std::env::var(VARIABLE).ok().filter(|level| !level.is_empty());
    let filter = level.as_deref().unwrap_or(DEFAULT).parse::<Targets>();
    let is_valid = filter.is_ok();
    let filter = filter.unwrap_or_else(|_| Targets::new().with_default(tracing::Level::WARN));
    // Without `log_internal_errors`, a closed stderr doesn't stop the process.
    let lines =
        tracing_subscriber::fmt::layer().with_writer(stderr).without_time().log_internal_errors(false);
    tracing_subscriber::registry().with(lines).with(filter).init();
    if !is_valid {
        tracing::warn!("{VARIABLE} isn't valid: write a level such as `debug`, or MODULE=LEVEL, ...");
    }
}
