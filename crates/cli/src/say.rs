//! What is said to the person: on stderr, since stdout belongs to CMD or to the machine that reads `--json`.
#![allow(clippy::print_stderr, reason = "this is the one place that talks to the person")]

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;
use std::time::Duration;

/// A line for the person.
pub(crate) fn line(text: impl Display) {
    eprintln!("understudy: {text}");
}

/// Text of several lines, as it is.
pub(crate) fn block(text: impl Display) {
    eprint!("{text}");
}

/// Something that isn't as it should be, and isn't fatal.
pub(crate) fn warning(text: impl Display) {
    eprintln!("understudy: warning: {text}");
}

/// Why the command could not run, with what to do about it where that is known.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = format!("{error}");
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    eprintln!("understudy: error: {text}");
    let help = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<understudy_envoy::Error>())
        .map(understudy_envoy::Error::help);
    if let Some(help) = help.filter(|help| !help.is_empty()) {
        eprintln!("  {}", help.replace('\n', "\n  "));
    }
}

/// Something that takes a while. Shown on a terminal alone, and only while CMD doesn't own it.
pub(crate) fn progress(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template("understudy: {msg} {pos} {spinner}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// `1 exchange`, `2 exchanges`.
pub(crate) fn count(number: u64, one: &str) -> String {
    let plural = if let Some(stem) = one.strip_suffix('y') {
        format!("{stem}ies")
    } else if one.ends_with(['s', 'h']) {
        format!("{one}es")
    } else {
        format!("{one}s")
    };
    format!("{number} {}", if number == 1 { one } else { &plural })
}
