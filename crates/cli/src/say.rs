//! What is said to the person: on stderr, since stdout belongs to CMD or to the machine that reads `--json`.
//!
//! A stderr that is closed, as in `understudy … 2>&1 | head`, is nobody to talk to, and no reason to stop.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A line for the person.
pub(crate) fn line(text: impl Display) {
    block(format_args!("understudy: {text}\n"));
}

/// Text of several lines, as it is.
pub(crate) fn block(text: impl Display) {
    // One write, so that what CMD says comes before or after it. `eprint!` would panic where stderr is closed.
    let _ = std::io::stderr().lock().write_all(text.to_string().as_bytes());
}

/// Something that isn't as it should be, and isn't fatal.
pub(crate) fn warning(text: impl Display) {
    line(format_args!("warning: {text}"));
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
    line(format_args!("error: {text}"));
    let help = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<understudy_envoy::Error>())
        .map(understudy_envoy::Error::help);
    if let Some(help) = help.filter(|help| !help.is_empty()) {
        block(format_args!("  {}\n", help.replace('\n', "\n  ")));
    }
}

/// Something that takes a while and can be counted. Shown on a terminal alone, and only while CMD doesn't own it.
pub(crate) fn progress(what: &'static str) -> ProgressBar {
    bar("understudy: {msg} {pos} {spinner}", what)
}

/// Requests that are sent, of so many where that is known. Shown like [`progress`].
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

/// Something that takes a while, nobody knows how long. Shown like [`progress`].
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

/// The time, in microseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0))
}

/// `1 exchange`, `2 exchanges`, `2 batches`, `2 queries`.
pub(crate) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {}", plural(one)) }
}

fn plural(one: &str) -> String {
    match one.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if ["s", "x", "z", "ch", "sh"].iter().any(|end| one.ends_with(end)) => format!("{one}es"),
        _ => format!("{one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let check = |number, one, expect: &str| assert_eq!(count(number, one), expect);
        check(1, "exchange", "1 exchange");
        check(0, "exchange", "0 exchanges");
        check(2, "batch", "2 batches");
        check(2, "miss", "2 misses");
        check(2, "query", "2 queries");
        check(2, "key", "2 keys");
        check(2, "path", "2 paths");
    }
}
