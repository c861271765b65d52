//! Times as distances from the time of the request, as they stand in signatures.
//!
//! The tolerances are those that `docs/reference/matching.md`, "Times", publishes.

use crate::rules::Instant;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

/// A time that a rule calls the time of the request may be as far from the service's clock, in
/// seconds.
const NOW: u64 = 130;

/// The time of a request.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// In seconds since 1970.
    pub seconds: u64,
    /// True if the request itself says it, so that distances from it are exact. The proxy's clock
    /// is late by as long as the request took to be made.
    pub exact: bool,
}

impl Now {
    /// Returns whether an instant is the time or the day of the request.
    pub fn is_now(&self, instant: &Instant) -> bool {
        match instant.day {
            true => (self.seconds / DAY).abs_diff(instant.seconds / DAY) <= 1,
            false => self.seconds.abs_diff(instant.seconds) <= NOW,
        }
    }

    /// The text that replaces an instant in a signature. `is_now`: a rule says that it is the time
    /// of the request.
    pub fn distance(&self, instant: &Instant, is_now: bool) -> String {
        if instant.day {
            let (today, day) = (self.seconds / DAY, instant.seconds / DAY);
            return match today.abs_diff(day) {
                0 => "<today>".to_owned(),
                days => format!("<today{}{days}d>", sign(day < today)),
            };
        }
        let (distance, before) = (self.seconds.abs_diff(instant.seconds), instant.seconds < self.seconds);
        if distance <= if is_now { NOW } else { 5 } {
            return "<now>".to_owned();
        }
        let units: &[(u64, u64, char)] = match self.exact {
            true => &[(MINUTE, 5, 'm'), (5, 2, 's')],
            false => &[(DAY, 120, 'd'), (HOUR, 120, 'h'), (5 * MINUTE, MINUTE, 'm'), (5, 2, 's')],
        };
        let (length, unit) = units
            .iter()
            .find_map(|&(unit, tolerance, name)| Some((near_multiple(distance, unit, tolerance)?, name)))
            .unwrap_or((distance, 's'));
        let length = match unit {
            'm' => length / MINUTE,
            'h' => length / HOUR,
            'd' => length / DAY,
            _ => length,
        };
        format!("<now{}{length}{unit}>", sign(before))
    }
}

/// The multiple of a unit, but for 0, that a distance is near.
fn near_multiple(distance: u64, unit: u64, tolerance: u64) -> Option<u64> {
    let nearest = distance.checked_add(unit / 2)?.checked_div(unit)?.checked_mul(unit)?;
    (nearest > 0 && nearest.abs_diff(distance) <= tolerance).then_some(nearest)
}

fn sign(before: bool) -> char {
    if before { '-' } else { '+' }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_795_248_000;

    #[test]
    fn windows_of_different_lengths_read_differently() {
        let check = |exact: bool, offset: i64, expect: &str| {
            let instant = Instant { range: 0..1, seconds: T.checked_add_signed(offset).unwrap(), day: false };
            assert_eq!(Now { seconds: T, exact }.distance(&instant, false), expect, "{offset}");
        };
        check(true, 0, "<now>");
        check(true, -3600, "<now-60m>");
        check(true, -3601, "<now-60m>");
        check(true, -7200, "<now-120m>");
        check(true, 7 * 86_400, "<now+10080m>");
        check(true, 30, "<now+30s>");
        check(true, 29, "<now+30s>");
        check(false, -3_607, "<now-1h>");
        check(false, -86_400 - 30, "<now-1d>");
        check(false, 300, "<now+5m>");
        check(false, -1_000, "<now-1000s>");
    }

    #[test]
    fn time_of_the_request_may_be_some_seconds_old() {
        let at =
            |offset: i64| Instant { range: 0..1, seconds: T.checked_add_signed(offset).unwrap(), day: false };
        let now = Now { seconds: T, exact: true };
        assert_eq!(now.distance(&at(-100), true), "<now>");
        assert_eq!(now.distance(&at(-3600), true), "<now-60m>");
    }

    #[test]
    fn days_count_from_the_day_of_the_request() {
        let day = |offset: u64| Instant { range: 0..1, seconds: T / DAY * DAY + offset * DAY, day: true };
        let now = Now { seconds: T, exact: false };
        assert_eq!(now.distance(&day(0), true), "<today>");
        assert_eq!(now.distance(&day(7), false), "<today+7d>");
    }
}
