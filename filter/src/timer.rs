//! The times at which waiting streams continue. Envoy gives a root context one periodic tick: this
//! says how soon the next must come.
//!
//! While nothing waits the tick keeps its own pace, and nothing here costs anything.

use crate::host;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use understudy_core::engine::Stream;

/// Envoy's timers count milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// A stream that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    /// The number that Envoy knows its context by.
    pub(crate) context: u32,
    pub(crate) stream: Rc<RefCell<Stream>>,
}

/// A waiter's place: when it is due, and a number, since several can be due at once.
pub(crate) type Place = (Instant, u64);

/// Events by the time at which they are due.
#[derive(Debug)]
pub(crate) struct Timer {
    /// The tick's own pace.
    pace: Duration,
    /// The tick's present period.
    period: Duration,
    /// When the next tick comes.
    next: Instant,
    /// When a tick at its own pace came last.
    paced: Instant,
    waiters: BTreeMap<Place, Waiter>,
    count: u64,
}

impl Timer {
    /// A timer for a tick with this pace, which has just been set.
    pub(crate) fn new(pace: Duration) -> Self {
        let now = Instant::now();
        let next = later(now, pace);
        Self { pace, period: pace, next, paced: now, waiters: BTreeMap::new(), count: 0 }
    }

    /// Lets a stream wait. The place must be given back when the stream ends.
    pub(crate) fn add(&mut self, waiter: Waiter, wait: Duration) -> Place {
        let now = Instant::now();
        self.count = self.count.wrapping_add(1);
        let place = (later(now, wait), self.count);
        self.waiters.insert(place, waiter);
        // Setting the period restarts it. So it is only set for an earlier tick; otherwise the tick
        // might never come.
        if place.0 < self.next {
            self.set_period(now, wait);
        }
        place
    }

    /// A stream has ended: nothing must be sent to it any more.
    pub(crate) fn remove(&mut self, place: Place) {
        self.waiters.remove(&place);
    }

    /// The tick has come. Gives the streams that are due, and whether it is one at its own pace.
    pub(crate) fn tick(&mut self) -> (Vec<Waiter>, bool) {
        let now = Instant::now();
        let mut due = Vec::new();
        while let Some(first) = self.waiters.first_entry().filter(|first| first.key().0 <= now) {
            due.push(first.remove());
        }
        let paced = now.saturating_duration_since(self.paced);
        let own = self.period == self.pace || paced >= self.pace;
        if own {
            self.paced = now;
        }
        let until_own = if own { self.pace } else { self.pace.saturating_sub(paced) };
        let until_due = self.waiters.keys().next().map(|(due, _)| due.saturating_duration_since(now));
        let wanted = until_due.map_or(self.pace, |until_due| until_due.min(until_own));
        match wanted == self.period {
            true => self.next = later(now, self.period),
            false => self.set_period(now, wanted),
        }
        (due, own)
    }

    fn set_period(&mut self, now: Instant, wanted: Duration) {
        // Rounded up: a tick that comes before anything is due is one too many.
        let rounded = wanted.saturating_add(Duration::from_micros(999)).as_millis();
        let millis = u32::try_from(rounded).unwrap_or(u32::MAX);
        self.period = Duration::from_millis(millis.into()).max(SHORTEST).min(self.pace);
        self.next = later(now, self.period);
        host::set_tick_period(self.period);
    }
}

fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}
