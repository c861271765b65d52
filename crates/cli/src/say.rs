//! Messages for the person: on stderr, because stdout belongs to CMD or to the machine that reads
//! `--json`.
//!
//! A closed stderr, as in `understudy … 2>&1 | head`, is no reason to stop.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use understudy_core::rules::Rule;
pub(crate) use understudy_run::text::{count, now};
use understudy_run::{Event, Observer, Progress, Severity, Step};

/// Prints one line.
pub(crate) fn line(text: impl Display) {
    block(format_args!("understudy: {text}\n"));
}

/// Prints text of several lines unchanged.
pub(crate) fn block(text: impl Display) {
    // One write, so that CMD's output is never in the middle of it. `eprint!` would panic if stderr
    // is closed.
    let _ = std::io::stderr().lock().write_all(text.to_string().as_bytes());
}

/// Prints a warning: something is wrong, but the command goes on.
pub(crate) fn warning(text: impl Display) {
    line(format_args!("warning: {text}"));
}

/// Prints why the command could not run, and what to do about it if that is known.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = format!("{error}");
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    line(format_args!("error: {text}"));
    let help = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<understudy_envoy::Error>())
        .map(understudy_envoy::Error::help);
    if let Some(help) = help.filter(|help| !help.is_empty()) {
        block(format_args!("  {}\n", help.replace('\n', "\n  ")));
    }
}

/// Progress of a step with a count. Shown only on a terminal, and only while CMD doesn't own it.
pub(crate) fn progress(what: &'static str) -> ProgressBar {
    bar("understudy: {msg} {pos} {spinner}", what)
}

/// Progress of sending requests, with their number if it is known. Shown like [`progress`].
pub(crate) fn requests(planned: Option<u64>) -> ProgressBar {
    let bar = match planned {
        Some(_) => bar("understudy: {msg} {pos} of {len} {spinner}", "requests answered:"),
        None => bar("understudy: {msg} {pos} {spinner}", "requests answered:"),
    };
    if let Some(planned) = planned {
        bar.set_length(planned);
    }
    bar
}

/// Progress of a step of unknown length. Shown like [`progress`].
pub(crate) fn working(what: &'static str) -> ProgressBar {
    bar("understudy: {msg} {spinner}", what)
}

fn bar(template: &str, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Prints how many rules a snapshot has gained.
pub(crate) fn learned(snapshot: &Path, rules: &[Rule]) {
    if !rules.is_empty() {
        line(format_args!(
            "{} added for values that change by themselves (`understudy tune {}` shows which and why)",
            count(rules.len() as u64, "rule"),
            snapshot.display()
        ));
    }
}

/// Shows what a run reports: events as lines, steps as progress bars.
pub(crate) struct Console;

impl Observer for Console {
    fn event(&self, event: &Event<'_>) {
        match event.severity() {
            Severity::Notice => line(event),
            Severity::Warning => warning(event),
        }
    }

    fn begin(&self, step: Step) -> Box<dyn Progress> {
        Box::new(StepBar(match step {
            Step::Sending { planned } => requests(planned),
            step if step.is_counted() => progress(step.label()),
            step => working(step.label()),
        }))
    }
}

/// Progress bar of a step. It disappears with the step.
struct StepBar(ProgressBar);

impl Progress for StepBar {
    fn set(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for StepBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
