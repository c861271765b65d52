//! Durations and times as a person writes them. One grammar for all arguments: jiff's "friendly"
//! durations, ISO 8601 durations, and RFC 3339 times.

use jiff::fmt::temporal::Pieces;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use std::time::Duration;

/// Maximum offset of local time from UTC (RFC 3339, 5.6), in seconds.
const OFFSET_MAX: i32 = 24 * 60 * 60;

/// Reads a duration above zero: `500ms`, `30s`, `1.5h`, `1h30m`, `5 minutes`, `2d`, `PT1H30M`.
///
/// # Errors
/// The text is no duration; the message says what can be written instead.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    length(text)
        .filter(|length| !length.is_zero())
        .ok_or_else(|| format!("{text:?} is no duration: write 500ms, 30s, 5m or 1h30m"))
}

/// Reads a time and returns it in microseconds since 1970: `2026-11-21T08:00:00Z`,
/// `2026-11-21T09:00:00+01:00`, `now`, or a duration that is subtracted from `now`, such as `10m`
/// or `2h ago`.
///
/// # Errors
/// The text is no time; the message says what can be written instead.
pub(crate) fn time(text: &str, now: u64) -> Result<u64, String> {
    let trimmed = text.trim();
    if trimmed == "now" {
        return Ok(now);
    }
    let ago = trimmed.strip_suffix("ago").unwrap_or(trimmed).trim_end();
    let micros = match length(ago) {
        Some(length) => Some(now.saturating_sub(u64::try_from(length.as_micros()).unwrap_or(u64::MAX))),
        None => timestamp(trimmed),
    };
    micros.ok_or_else(|| {
        format!("{text:?} is no time: write 2026-11-21T08:00:00Z, or how long ago, such as 2h or 10m")
    })
}

/// Reads a duration that may be zero. A day has 24 hours; months and years have no fixed length.
fn length(text: &str) -> Option<Duration> {
    let text = text.trim();
    let whole = parse_span(text);
    // Units out of order, such as `30m1h`: jiff wants the longest first.
    let sum = || {
        let mut parts = split_after_units(text).into_iter().map(parse_span);
        parts.try_fold(SignedDuration::ZERO, |sum, part| sum.checked_add(part?))
    };
    Duration::try_from(whole.or_else(sum)?).ok()
}

fn parse_span(text: &str) -> Option<SignedDuration> {
    // jiff wants a digit before the point of `.5s`.
    let zero = if text.starts_with('.') { "0" } else { "" };
    let span: Span = format!("{zero}{text}").parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

/// Splits `1h 30m` into `1h` and `30m`: a part ends where a digit follows a letter.
fn split_after_units(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut after_letter = false;
    for (at, c) in text.char_indices() {
        if after_letter && c.is_ascii_digit() {
            parts.push(text[start..at].trim());
            start = at;
            after_letter = false;
        }
        after_letter |= c.is_ascii_alphabetic();
    }
    parts.push(text[start..].trim());
    parts
}

/// Reads an RFC 3339 time, in microseconds since 1970.
fn timestamp(text: &str) -> Option<u64> {
    let time: Timestamp = text.parse().ok()?;
    // jiff allows offsets of up to 25:59.
    let offset = Pieces::parse(text).ok()?.to_numeric_offset().map_or(0, |offset| offset.seconds());
    if offset.abs() >= OFFSET_MAX {
        return None;
    }
    u64::try_from(time.as_microsecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const NOW: u64 = 1_795_248_000 * SECOND; // 2026-11-21T08:00:00Z

    #[test]
    fn duration_with_units_is_read() {
        #[track_caller]
        fn check(text: &str, expect: Option<u64>) {
            let millis = duration(text).ok().map(|duration| duration.as_millis());
            assert_eq!(millis, expect.map(u128::from), "{text}");
        }
        check("500ms", Some(500));
        check("1.5s", Some(1500));
        check("2m", Some(120_000));
        check("1h", Some(3_600_000));
        check("1.5h", Some(5_400_000));
        check(".5s", Some(500));
        check("1h30m", Some(5_400_000));
        check(" 1h 30m ", Some(5_400_000));
        check("30m1h", Some(5_400_000));
        check("1h 10s 5s", Some(3_615_000));
        check("5 minutes", Some(300_000));
        check("PT1H30M", Some(5_400_000));
        check("1d", Some(86_400_000));
        check("1w", Some(604_800_000));
        check("0s", None);
        check("-1s", None);
        check("1s ago", None);
        check("10", None);
        check("s", None);
        check("1mo", None);
        check("1y", None);
        check("1e400s", None);
        check("", None);
    }

    #[test]
    fn time_in_any_spelling_is_read() {
        let check = |text: &str, seconds_ago: i64| {
            let expect = NOW.saturating_add_signed(-seconds_ago * 1_000_000);
            assert_eq!(time(text, NOW), Ok(expect), "{text}");
        };
        check("now", 0);
        check("2h ago", 7200);
        check("10m", 600);
        check("10 minutes", 600);
        check("1h30m", 5400);
        check("1d 2h ago", 93_600);
        check("0s", 0);
        check("2026-11-21T08:00:00Z", 0);
        check("2026-11-21t07:59:00.0z", 60);
        check("2026-11-21T09:00:00+01:00", 0);
        check("2026-11-21T09:00:00+0100", 0);
        check("2026-11-21T02:30:00-05:30", 0);
    }

    #[test]
    fn time_that_is_ambiguous_or_out_of_range_is_refused() {
        for text in [
            "",
            "ago",
            "h",
            "10",
            "yesterday",
            "2026-11-21",
            "2026-11-21T08:00:00",
            "-2h",
            "99999999999999999999d",
            "2026-11-21T08:00:00+25:00",
            "1969-11-21T08:00:00Z",
            "ü",
        ] {
            assert!(time(text, NOW).is_err_and(|error| error.contains("is no time")), "{text}");
        }
    }
}
