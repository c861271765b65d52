//! Times as a person gives them: a date with its time (RFC 3339), or how long ago.

use std::time::Duration;
use understudy_core::time;

/// Seconds by the letter that stands behind a number.
const UNITS: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];
const SECOND: u64 = 1_000_000;

/// Reads `2026-11-21T08:00:00Z`, `2026-11-21T09:00:00+01:00`, `10m`, `2h ago`, `now`. In microseconds since 1970.
///
/// # Errors
/// What can be written instead.
pub(crate) fn parse(text: &str, now: u64) -> Result<u64, String> {
    let bad =
        || format!("{text:?} is no time: write 2026-11-21T08:00:00Z, or how long ago, such as 2h or 10m");
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    match ago(text.strip_suffix("ago").unwrap_or(text).trim_end()) {
        Some(seconds) => Ok(now.saturating_sub(seconds.saturating_mul(SECOND))),
        None => rfc3339(text).ok_or_else(bad),
    }
}

/// Reads how long something takes: `5m`, `1h30m`.
///
/// # Errors
/// What can be written instead.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = ago(text.trim()).filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(|| format!("{text:?} is no duration: write 30s, 5m or 1h30m"))
}

/// `1h30m` in seconds.
fn ago(text: &str) -> Option<u64> {
    let (mut rest, mut all) = (text, 0u64);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let (letter, unit) = UNITS.into_iter().find(|(letter, _)| after.starts_with(letter))?;
        all = all.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = after[letter.len()..].trim_start();
    }
    (!text.is_empty()).then_some(all)
}

/// With any offset from UTC (RFC 3339, 5.6).
fn rfc3339(text: &str) -> Option<u64> {
    let text = text.to_ascii_uppercase();
    let at = text.len().checked_sub("+00:00".len())?;
    let (local, offset) = text.split_at_checked(at).filter(|_| !text.ends_with('Z')).unwrap_or((&text, ""));
    if offset.is_empty() {
        return time::from_rfc3339(local);
    }
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let offset_by = (hours * 60 + minutes) * 60 * SECOND;
    let local = time::from_rfc3339(&format!("{local}Z")).filter(|_| hours < 24 && minutes < 60)?;
    match offset.as_bytes().first() {
        Some(b'+') => local.checked_sub(offset_by),
        Some(b'-') => local.checked_add(offset_by),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_248_000 * SECOND; // 2026-11-21T08:00:00Z

    #[test]
    fn times() {
        let check = |text: &str, seconds_ago: i64| {
            let expect = NOW.saturating_add_signed(-seconds_ago * 1_000_000);
            assert_eq!(parse(text, NOW), Ok(expect), "{text}");
        };
        check("now", 0);
        check("2h ago", 7200);
        check("10m", 600);
        check("1h30m", 5400);
        check("1d 2h ago", 93_600);
        check("0s", 0);
        check("2026-11-21T08:00:00Z", 0);
        check("2026-11-21t07:59:00.0z", 60);
        check("2026-11-21T09:00:00+01:00", 0);
        check("2026-11-21T02:30:00-05:30", 0);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "ago",
            "h",
            "10",
            "10 minutes",
            "yesterday",
            "2026-11-21",
            "2026-11-21T08:00:00",
            "-2h",
            "99999999999999999999d",
            "2026-11-21T08:00:00+25:00",
            "2026-11-21T08:00:00+0100",
            "ü",
        ] {
            assert!(parse(text, NOW).is_err_and(|error| error.contains("is no time")), "{text}");
        }
    }
}
