//! Times and durations in the notation of the resources. Reads no clock: the time is an argument.

use k8s_openapi::jiff::Timestamp;
use std::time::Duration;

/// A time in the API's notation: to the second, in UTC.
pub(crate) fn text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Time since then; zero for a time in the future, and `None` for a text that is no time.
pub(crate) fn since(earlier: &str, now: Timestamp) -> Option<Duration> {
    let earlier: Timestamp = earlier.parse().ok()?;
    Some(Duration::try_from(now.duration_since(earlier)).unwrap_or_default())
}

/// Reads a duration in Go's notation: numbers with units in a row, such as `90s`, `1h30m`, `500ms`.
/// `None` for anything else, and for zero.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (mut rest, mut whole) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        whole = whole.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = after;
    }
    (!whole.is_zero()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        #[track_caller]
        fn check(text: &str, expect: Option<u64>) {
            assert_eq!(parse_duration(text).map(|time| time.as_millis()), expect.map(u128::from), "{text}");
        }
        check("90s", Some(90_000));
        check("1h30m", Some(5_400_000));
        check("1.5m", Some(90_000));
        check("500ms", Some(500));
        for bad in ["", "5", "s", "0s", "-5s", "5d", "1h-5m", "5m ", "1e9h", "99999999999999999999h"] {
            check(bad, None);
        }
    }

    #[test]
    fn times_are_to_the_second_and_never_negative() {
        let now: Timestamp = "2026-11-21T12:00:05Z".parse().unwrap();
        assert_eq!(text(now), "2026-11-21T12:00:05Z");
        assert_eq!(since("2026-11-21T12:00:00Z", now), Some(Duration::from_secs(5)));
        assert_eq!(since("2026-11-21T13:00:00Z", now), Some(Duration::ZERO));
        assert_eq!(since("yesterday", now), None);
    }
}
