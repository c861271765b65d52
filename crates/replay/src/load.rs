//! Schedules requests: at the recorded pace or a multiple of it, as fast as answers arrive, or at a
//! fixed rate.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Pace at which the recording is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Multiple of the recorded speed.
    Times(f64),
    /// As fast as the recording's order allows.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = || text.strip_suffix('x')?.parse::<f64>().ok();
        match text {
            "max" => Ok(Self::Max),
            _ => factor()
                .filter(|factor| factor.is_finite() && *factor > 0.0)
                .map(Self::Times)
                .ok_or_else(|| format!("{text:?} is no speed: write max, 1x, 4x or 0.5x")),
        }
    }
}

/// Number and rate of the requests.
#[derive(Clone, Debug)]
pub struct Load {
    /// Speed of each pass.
    pub speed: Speed,
    /// Requests per second of all virtual users together, instead of the recorded pace.
    pub rps: Option<f64>,
    /// Number of virtual users. Each plays the whole recording.
    pub vus: u32,
    /// Number of times that each virtual user plays the recording. `None` with `duration`: until
    /// the time is over.
    pub times: Option<u64>,
    /// Time after which no request is sent.
    pub duration: Option<Duration>,
    /// With a rate: time until the rate is reached. Without: time over which virtual users start.
    pub ramp: Duration,
    /// Time limit for one answer.
    pub request_timeout: Duration,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            speed: Speed::Times(1.0),
            rps: None,
            vus: 1,
            times: None,
            duration: None,
            ramp: Duration::ZERO,
            request_timeout: Duration::from_secs(30),
        }
    }
}

impl Load {
    /// Returns whether the recording is played once, and to its end.
    pub fn is_single_pass(&self) -> bool {
        self.vus == 1 && self.duration.is_none() && self.times.unwrap_or(1) == 1
    }

    /// Number of times that each virtual user plays the recording. `None`: until the time is over.
    pub fn passes(&self) -> Option<u64> {
        match (self.times, self.duration) {
            (Some(times), _) => Some(times),
            (None, Some(_)) => None,
            (None, None) => Some(1),
        }
    }
}

/// Computes when each request is due.
#[derive(Debug)]
pub(crate) struct Schedule {
    load: Load,
    start: Instant,
    next: AtomicU64,
}

impl Schedule {
    pub(crate) fn new(load: Load, start: Instant) -> Self {
        Self { load, start, next: AtomicU64::new(0) }
    }

    /// When a request is due: `pass` is the start of its pass, `recorded` its distance from the
    /// first recorded request. `None`: at once.
    pub(crate) fn due(&self, pass: Instant, recorded: Duration) -> Option<Instant> {
        if let Some(rps) = self.load.rps {
            return Some(self.start + self.at_rate(rps, self.next.fetch_add(1, Ordering::Relaxed)));
        }
        match self.load.speed {
            Speed::Max => None,
            Speed::Times(factor) => Some(pass + recorded.div_f64(factor)),
        }
    }

    /// When the request with this number is due at a rate that grows evenly during the ramp.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn at_rate(&self, rps: f64, number: u64) -> Duration {
        let (number, ramp) = (number as f64, self.load.ramp.as_secs_f64());
        let in_ramp = rps * ramp / 2.0;
        let seconds =
            if number < in_ramp { (2.0 * ramp * number / rps).sqrt() } else { ramp / 2.0 + number / rps };
        Duration::from_secs_f64(seconds)
    }

    /// When a virtual user starts.
    pub(crate) fn begin(&self, user: u32) -> Instant {
        if self.load.rps.is_some() {
            return self.start;
        }
        self.start + self.load.ramp * user / self.load.vus.max(1)
    }

    /// Returns whether the time for new requests is over.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.load.duration.is_some_and(|duration| now >= self.start + duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_factor_or_max() {
        let check = |text: &str, expect: Option<Speed>| assert_eq!(text.parse().ok(), expect, "{text}");
        check("max", Some(Speed::Max));
        check("1x", Some(Speed::Times(1.0)));
        check("0.5x", Some(Speed::Times(0.5)));
        check("0x", None);
        check("-1x", None);
        check("2", None);
        check("NaNx", None);
        check("", None);
    }

    #[test]
    fn a_rate_is_reached_evenly_and_then_held() {
        let load = Load { rps: Some(100.0), ramp: Duration::from_secs(2), ..Load::default() };
        let schedule = Schedule::new(load, Instant::now());
        let at = |number| schedule.at_rate(100.0, number).as_secs_f64();
        let check =
            |number, expect: f64| assert!((at(number) - expect).abs() < 1e-9, "{number}: {}", at(number));
        check(0, 0.0);
        // A quarter of the ramp's hundred requests is sent in half of its time.
        check(25, 1.0);
        check(100, 2.0);
        check(200, 3.0);
    }

    #[test]
    fn the_recordings_pace_is_kept_or_multiplied() {
        let start = Instant::now();
        let due = |speed| {
            let schedule = Schedule::new(Load { speed, ..Load::default() }, start);
            schedule.due(start, Duration::from_secs(4)).map(|due| due - start)
        };
        assert_eq!(due(Speed::Times(4.0)), Some(Duration::from_secs(1)));
        assert_eq!(due(Speed::Max), None);
    }
}
