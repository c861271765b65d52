//! Times in texts, in the spellings that SDKs use: where they stand, and which instant each means.
//!
//! RFC 3339 with any fraction and offset, ISO 8601 in its basic form, RFC 1123 and RFC 850 (RFC
//! 9110,
//! 5.6.7), `asctime` with or without a zone (Amazon Cognito's `Sat Nov 21 08:00:00 UTC 2026`), the
//! common log format, and Unix time in seconds, milliseconds, microseconds and nanoseconds.

use super::token::{Shape, Token, dates, tokens};
use std::ops::Range;

/// A time or a day in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant {
    /// Its place in the text, in bytes.
    pub range: Range<usize>,
    /// Seconds since 1970; midnight in UTC of a day.
    pub seconds: u64,
    /// True if the text names a day alone.
    pub day: bool,
}

/// The times and days in a text, in order.
pub fn instants(text: &[u8]) -> Vec<Instant> {
    let time = |token: Token| match (token.shape, token.time) {
        (Shape::Time, Some(seconds)) => Some(Instant { range: token.range, seconds, day: false }),
        _ => None,
    };
    let mut all: Vec<Instant> = tokens(text).into_iter().filter_map(time).collect();
    for (range, day) in dates(text) {
        let is_part =
            all.iter().any(|known| known.range.start <= range.start && range.end <= known.range.end);
        if !is_part {
            all.push(Instant { range, seconds: day.saturating_mul(86_400), day: true });
        }
    }
    all.sort_by_key(|instant| instant.range.start);
    all
}

/// Reads a time in words that a text begins with: its length in bytes, and seconds since 1970.
pub(super) fn in_words(rest: &[u8]) -> Option<(usize, u64)> {
    let first = *rest.first()?;
    let looks = first.is_ascii_digit() || b"MTWFSmtwfs".contains(&first);
    if !looks {
        return None;
    }
    rfc_1123(rest).or_else(|| rfc_850(rest)).or_else(|| asctime(rest)).or_else(|| common_log(rest))
}

/// `Sat, 21 Nov 2026 08:00:00 GMT`, the weekday being optional (RFC 5322, 3.3).
fn rfc_1123(rest: &[u8]) -> Option<(usize, u64)> {
    let mut reader = Reader { rest, at: 0 };
    if reader.weekday(3) {
        reader.take(b",")?;
        reader.take(b" ")?;
    }
    let day = reader.number(1, 2)?;
    reader.take(b" ")?;
    let month = reader.month()?;
    reader.take(b" ")?;
    let year = reader.number(4, 4)?;
    reader.take(b" ")?;
    let clock = reader.clock()?;
    reader.take(b" ")?;
    let offset = reader.zone()?;
    reader.done(year, month, day, clock, offset)
}

/// `Saturday, 21-Nov-26 08:00:00 GMT`; some write the year in full.
fn rfc_850(rest: &[u8]) -> Option<(usize, u64)> {
    let mut reader = Reader { rest, at: 0 };
    if !reader.weekday(9) && !reader.weekday(3) {
        return None;
    }
    reader.take(b", ")?;
    let day = reader.number(1, 2)?;
    reader.take(b"-")?;
    let month = reader.month()?;
    reader.take(b"-")?;
    let year = reader.number(2, 4)?;
    let year = if year < 100 { year.saturating_add(2000) } else { year };
    reader.take(b" ")?;
    let clock = reader.clock()?;
    reader.take(b" ")?;
    let offset = reader.zone()?;
    reader.done(year, month, day, clock, offset)
}

/// `Sat Nov 21 08:00:00 2026`, `Sat Nov 21 08:00:00 UTC 2026`.
fn asctime(rest: &[u8]) -> Option<(usize, u64)> {
    let mut reader = Reader { rest, at: 0 };
    if !reader.weekday(3) {
        return None;
    }
    reader.take(b" ")?;
    let month = reader.month()?;
    reader.take(b" ")?;
    while reader.take(b" ").is_some() {}
    let day = reader.number(1, 2)?;
    reader.take(b" ")?;
    let clock = reader.clock()?;
    reader.take(b" ")?;
    let offset = reader.zone();
    if offset.is_some() {
        reader.take(b" ")?;
    }
    let year = reader.number(4, 4)?;
    reader.done(year, month, day, clock, offset.unwrap_or(0))
}

/// `21/Nov/2026:08:00:00 +0000` (Apache HTTP Server, "Common Log Format").
fn common_log(rest: &[u8]) -> Option<(usize, u64)> {
    let mut reader = Reader { rest, at: 0 };
    let day = reader.number(1, 2)?;
    reader.take(b"/")?;
    let month = reader.month()?;
    reader.take(b"/")?;
    let year = reader.number(4, 4)?;
    reader.take(b":")?;
    let clock = reader.clock()?;
    reader.take(b" ")?;
    let offset = reader.zone()?;
    reader.done(year, month, day, clock, offset)
}

/// The seconds that an offset at the start of a text stands for, and its length: `Z`, `+01:00`,
/// `+0100`.
pub(super) fn offset(rest: &[u8]) -> Option<(usize, i64)> {
    if matches!(rest.first(), Some(b'Z' | b'z')) {
        return Some((1, 0));
    }
    let sign = match rest.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = |at: usize| -> Option<i64> {
        let two = rest.get(at..at.checked_add(2)?)?;
        two.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(two).ok()?.parse().ok()).flatten()
    };
    let hours = digits(1)?;
    let (length, minutes) = match rest.get(3) {
        Some(b':') => (6, digits(4)?),
        _ => (5, digits(3)?),
    };
    let seconds = hours.saturating_mul(3600).saturating_add(minutes.saturating_mul(60));
    Some((length, seconds.saturating_mul(sign)))
}

struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn left(&self) -> &[u8] {
        self.rest.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, text: &[u8]) -> Option<()> {
        let fits = self.left().get(..text.len())?.eq_ignore_ascii_case(text);
        if fits {
            self.at = self.at.saturating_add(text.len());
        }
        fits.then_some(())
    }

    /// A weekday of three letters, or in full where `longest` says so.
    fn weekday(&mut self, longest: usize) -> bool {
        const DAYS: [&[u8]; 7] =
            [b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday"];
        DAYS.iter().any(|day| {
            let name = if longest > 3 { day } else { day.get(..3).unwrap_or_default() };
            let before = self.at;
            let fits = self.take(name).is_some() && !self.left().first().is_some_and(u8::is_ascii_alphabetic);
            if !fits {
                self.at = before;
            }
            fits
        })
    }

    fn month(&mut self) -> Option<u64> {
        const MONTHS: [&[u8]; 12] =
            [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
        let found = MONTHS.iter().position(|month| self.take(month).is_some())?;
        u64::try_from(found).ok().map(|month| month.saturating_add(1))
    }

    fn number(&mut self, fewest: usize, most: usize) -> Option<u64> {
        let digits = self.left().iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        let number =
            (digits >= fewest).then(|| std::str::from_utf8(self.left().get(..digits)?).ok()).flatten();
        let number = number?.parse().ok()?;
        self.at = self.at.saturating_add(digits);
        Some(number)
    }

    fn clock(&mut self) -> Option<(u64, u64, u64)> {
        let hour = self.number(2, 2)?;
        self.take(b":")?;
        let minute = self.number(2, 2)?;
        self.take(b":")?;
        Some((hour, minute, self.number(2, 2)?))
    }

    /// `GMT`, `UTC`, `UT`, `Z` or an offset: its seconds.
    fn zone(&mut self) -> Option<i64> {
        if [&b"GMT"[..], b"UTC", b"UT", b"Z"].into_iter().any(|name| self.take(name).is_some()) {
            return Some(0);
        }
        let (length, seconds) = offset(self.left())?;
        self.at = self.at.saturating_add(length);
        Some(seconds)
    }

    fn done(
        &self,
        year: u64,
        month: u64,
        day: u64,
        (hour, minute, second): (u64, u64, u64),
        offset: i64,
    ) -> Option<(usize, u64)> {
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        let seconds = crate::time::from_rfc3339(&text)? / 1_000_000;
        Some((self.at, seconds.checked_add_signed(offset.checked_neg()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_of_one_instant_reads_as_that_instant() {
        for text in [
            "2026-11-21T08:00:00Z",
            "2026-11-21T08:00:00.123456789Z",
            "2026-11-21T09:00:00+01:00",
            "2026-11-21 02:30:00.5-0530",
            "20261121T080000Z",
            "Sat, 21 Nov 2026 08:00:00 GMT",
            "Sat, 21 Nov 2026 08:00:00 +0000",
            "21 Nov 2026 08:00:00 GMT",
            "Saturday, 21-Nov-26 08:00:00 GMT",
            "Sat Nov 21 08:00:00 2026",
            "Sat Nov 21 08:00:00 UTC 2026",
            "21/Nov/2026:08:00:00 +0000",
            "1795248000",
            "1795248000123",
            "1795248000123456",
            "1795248000123456789",
            "1795248000.25",
        ] {
            for around in [("", ""), ("at=", ";"), ("cpu,host=a v=1 ", "\n"), ("\"", "\"")] {
                let whole = [around.0, text, around.1].concat();
                let found = instants(whole.as_bytes());
                let [one] = found.as_slice() else { panic!("{whole}: {found:?}") };
                assert_eq!((one.seconds, one.day), (1_795_248_000, false), "{whole}");
                assert_eq!(&whole[one.range.clone()], text);
            }
        }
    }

    #[test]
    fn days_are_found_beside_times_and_not_in_them() {
        let found = instants(b"2026-11-21 and 2026-11-21T08:00:00Z");
        let seen: Vec<_> = found.iter().map(|instant| (instant.day, instant.seconds)).collect();
        assert_eq!(seen, [(true, 1_795_219_200), (false, 1_795_248_000)]);
    }

    #[test]
    fn words_that_begin_like_a_weekday_are_no_times() {
        for text in ["Saturn", "Mon", "Fri, maybe", "Sunday 21 Nov", "Wed, 99 Foo 2026 08:00:00 GMT", "12/34"]
        {
            assert_eq!(instants(text.as_bytes()), [], "{text}");
        }
    }
}
