//! Conversion between microseconds since 1970 and RFC 3339 in UTC. Reads no clock.

const DAY: u64 = 86_400;

/// Formats a time (microseconds since 1970-01-01T00:00:00Z) as `2026-11-21T08:00:00.123456Z`.
pub fn to_rfc3339(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (year, month, day) = civil_from_days(seconds / DAY);
    let in_day = seconds % DAY;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        in_day / 3600,
        in_day / 60 % 60,
        in_day % 60,
        micros % 1_000_000
    )
}

/// Parses a time in UTC (`Z`) with up to six fractional digits. `None`: any other format.
pub fn from_rfc3339(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (date, clock) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if hour > 23
        || minute > 59
        || second > 60
        || fraction.len() > 6
        || !fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
    let seconds = days_from_civil(year, month, day)?
        .checked_mul(DAY)?
        .checked_add(hour.checked_mul(3600)?)?
        .checked_add(minute.checked_mul(60)?)?
        .checked_add(second)?;
    seconds.checked_mul(1_000_000)?.checked_add(micros)
}

/// Days since 1970-01-01 to year, month, day in the proleptic Gregorian calendar (Howard Hinnant,
/// "chrono-compatible low-level date algorithms").
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a u64 of microseconds holds 584,000 years: no value here overflows"
)]
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, day)
}

#[allow(
    clippy::arithmetic_side_effects,
    reason = "the caller has checked the ranges: 1970..=9999, 1..=12, 1..=31"
)]
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y / 400;
    let yoe = y % 400;
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    (era * 146_097 + doe).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_formatted_and_parsed() {
        assert_eq!(to_rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(to_rfc3339(1_709_210_096_000_007), "2024-02-29T12:34:56.000007Z");
        assert_eq!(from_rfc3339("2024-02-29T12:34:56.000007Z"), Some(1_709_210_096_000_007));
        assert_eq!(from_rfc3339("2024-02-29T12:34:56.5Z"), Some(1_709_210_096_500_000));
        for bad in ["", "2024-02-29", "2024-02-29T12:34:56", "2024-13-01T00:00:00Z", "x-02-29T12:34:56Z"] {
            assert_eq!(from_rfc3339(bad), None, "{bad}");
        }
    }

    #[cfg(not(target_family = "wasm"))]
    proptest::proptest! {
        #[test]
        fn formatted_time_parses_to_itself(micros in 0u64..253_402_300_800_000_000) {
            proptest::prop_assert_eq!(from_rfc3339(&to_rfc3339(micros)), Some(micros));
        }
    }
}
