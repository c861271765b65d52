//! Drives the service: virtual users play the recording, each with connections and carried values
//! of its own.
//!
//! Within a pass, a request waits for all requests that had been answered in the recording before
//! it started, so effects happen in the recorded order. Latency counts from the moment at which a
//! request was due: a service that stalls can't hide the requests that it keeps waiting.

use crate::carry::{Carries, LiveValues};
use crate::client::{Answered, Client, Connector, Failure};
use crate::compare::{Comparer, Context};
use crate::endpoint::Requests;
use crate::load::{Load, Schedule};
use crate::recording::{Recording, end_of};
use crate::report::{Ending, Figures, How, Success};
use crate::settings::Set;
use crate::stats::Stats;
use crate::tally::{Settled, Tally};
use crate::timer::Timer;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::task::JoinSet;
use understudy_core::exchange::{Exchange, Response};

/// Maximum number of requests of one virtual user in flight. The next request waits, and the wait
/// counts as latency.
const UNDER_WAY: usize = 256;
/// Number of timeouts in a row after which the service counts as hanging.
const HANGS: u32 = 3;
/// Time that requests in flight have after a stop.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// The requests of a replay, and how their answers are judged.
#[derive(Debug, Default)]
pub struct Plan {
    /// The recording.
    pub recording: Recording,
    /// Values that are carried from answers to later requests.
    pub carries: Carries,
    /// Values that are sent instead of recorded ones.
    pub set: Vec<Set>,
    /// Comparison of answers.
    pub comparer: Comparer,
    /// Requests that goals name, which are counted separately.
    pub watched: Vec<Requests>,
}

/// The result of driving a service.
#[derive(Debug)]
pub struct Driven {
    /// End of the run.
    pub end: Ending,
    /// Duration of the run.
    pub duration: Duration,
    /// When the run started.
    pub started: SystemTime,
    pub(crate) tally: Tally,
    pub(crate) recorded: Stats,
}

impl Driven {
    /// Latencies, from the moment at which each request was due. `None` without answers.
    pub fn latency(&self) -> Option<Figures> {
        self.tally.latency.figures()
    }

    /// Sums over all requests.
    pub fn success(&self) -> Success {
        self.tally.success()
    }
}

/// Sends the requests of a plan. Clones share their progress.
#[derive(Clone)]
pub struct Driver {
    shared: Arc<Shared>,
    connector: Arc<Connector>,
    load: Load,
}

struct Shared {
    plan: Arc<Plan>,
    tally: Mutex<Tally>,
    settled: AtomicU64,
    timeouts: AtomicU32,
    hangs: watch::Sender<bool>,
    timer: Timer,
}

impl Driver {
    /// A driver that has sent nothing yet.
    pub fn new(plan: Arc<Plan>, load: Load, connector: Connector) -> Self {
        let tally = Mutex::new(Tally::new(plan.recording.steps(), &plan.watched));
        let shared = Shared {
            plan,
            tally,
            settled: AtomicU64::new(0),
            timeouts: AtomicU32::new(0),
            hangs: watch::channel(false).0,
            timer: Timer::default(),
        };
        Self { shared: Arc::new(shared), connector: Arc::new(connector), load }
    }

    /// Number of requests that were answered or have failed.
    pub fn settled(&self) -> u64 {
        self.shared.settled.load(Ordering::Relaxed)
    }

    /// Number of requests in all, where it is known.
    pub fn planned(&self) -> Option<u64> {
        let steps = self.shared.plan.recording.steps().len() as u64;
        self.load.passes().map(|passes| passes * steps * u64::from(self.load.vus))
    }

    /// Sends one request that isn't part of the recording.
    ///
    /// # Errors
    /// The reason why no answer came.
    pub async fn ask(&self, question: &Exchange) -> Result<Response, String> {
        let client = Client::new(Arc::clone(&self.connector));
        client.send(question).await.map(|answered| answered.response).map_err(|failure| failure.problem)
    }

    /// Sends all requests, or stops when `stop` returns the reason to.
    pub async fn run(&self, stop: impl Future<Output = Ending>) -> Driven {
        let (started, start) = (SystemTime::now(), Instant::now());
        let (tell, told) = watch::channel(false);
        let schedule = Arc::new(Schedule::new(self.load.clone(), start));
        let mut users = JoinSet::new();
        for number in 0..self.load.vus {
            let user = User {
                shared: Arc::clone(&self.shared),
                client: Client::new(Arc::clone(&self.connector)),
                schedule: Arc::clone(&schedule),
                load: self.load.clone(),
                stop: told.clone(),
                start,
                given: LiveValues::default(),
            };
            users.spawn(user.play(number));
        }
        let mut hangs = self.shared.hangs.subscribe();
        let all = async { while users.join_next().await.is_some() {} };
        let mut end = tokio::select! {
            () = all => Ending { how: How::Complete, detail: String::new() },
            ending = stop => ending,
            _ = hangs.wait_for(|hangs| *hangs) => self.hanging(),
        };
        let _ = tell.send(true);
        let _ =
            tokio::time::timeout(LAST_REQUESTS, async { while users.join_next().await.is_some() {} }).await;
        users.shutdown().await;
        if end.how == How::Complete && *hangs.borrow() {
            end = self.hanging();
        }
        let tally = std::mem::replace(&mut *self.shared.tally(), Tally::new(&[], &[]));
        Driven { end, duration: start.elapsed(), started, tally, recorded: self.recorded() }
    }

    fn hanging(&self) -> Ending {
        let detail = format!(
            "{HANGS} requests in a row got no answer within {} s each",
            self.load.request_timeout.as_secs_f64()
        );
        Ending { how: How::ServiceHangs, detail }
    }

    fn recorded(&self) -> Stats {
        let mut stats = Stats::default();
        let recording = &self.shared.plan.recording;
        for step in recording.steps().iter().filter(|step| step.response.is_some()) {
            let at = Duration::from_micros(end_of(step).saturating_sub(recording.start()));
            stats.add(at, Some(Duration::from_micros(step.duration)), false);
        }
        stats
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A virtual user.
struct User {
    shared: Arc<Shared>,
    client: Client,
    schedule: Arc<Schedule>,
    load: Load,
    stop: watch::Receiver<bool>,
    start: Instant,
    given: LiveValues,
}

/// A request that has been answered or has failed.
struct Under {
    step: usize,
    live: Exchange,
    planned: Instant,
    outcome: Result<Answered, Failure>,
    timed_out: bool,
}

type Flight = FuturesUnordered<BoxFuture<'static, Under>>;

impl User {
    async fn play(mut self, number: u32) {
        let mut stop = self.stop.clone();
        let begin = self.schedule.begin(number);
        tokio::select! {
            () = self.shared.timer.until(begin) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let mut passes = 0;
        while self.load.passes().is_none_or(|all| passes < all) && !self.is_over() {
            self.given = LiveValues::default();
            self.pass().await;
            passes += 1;
        }
    }

    fn is_over(&self) -> bool {
        *self.stop.borrow() || *self.shared.hangs.borrow() || self.schedule.is_over(Instant::now())
    }

    /// Plays the recording once.
    async fn pass(&mut self) {
        let plan = Arc::clone(&self.shared.plan);
        let steps = plan.recording.steps();
        let (begun, first) = (Instant::now(), plan.recording.start());
        let mut flight = Flight::new();
        // Recorded ends of the requests in flight.
        let mut ends: Vec<(usize, u64)> = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let recorded = Duration::from_micros(step.time.saturating_sub(first));
            let due = self.schedule.due(begun, recorded);
            while ends.len() >= UNDER_WAY || ends.iter().any(|(_, end)| *end <= step.time) {
                if !self.settle_next(&mut flight, &mut ends).await {
                    return;
                }
            }
            // A request that its user couldn't send earlier isn't late, unless a fixed rate is
            // asked for.
            let ready = Instant::now();
            let planned = match due {
                Some(due) if self.load.rps.is_some() => due,
                Some(due) => due.max(ready),
                None => ready,
            };
            if !self.wait(planned, &mut flight, &mut ends).await || self.is_over() {
                break;
            }
            ends.push((number, end_of(step)));
            flight.push(self.send(number, step, planned));
        }
        while !ends.is_empty() {
            if !self.settle_next(&mut flight, &mut ends).await {
                return;
            }
        }
    }

    /// Waits until `until` and settles the answers that arrive meanwhile. `false`: the run is
    /// stopped.
    async fn wait(&mut self, until: Instant, flight: &mut Flight, ends: &mut Vec<(usize, u64)>) -> bool {
        let (shared, mut stop) = (Arc::clone(&self.shared), self.stop.clone());
        let mut moment = std::pin::pin!(shared.timer.until(until));
        loop {
            tokio::select! {
                biased;
                () = &mut moment => return true,
                _ = stop.wait_for(|stop| *stop) => return false,
                Some(under) = flight.next(), if !flight.is_empty() => self.settle(under, ends),
            }
        }
    }

    /// Settles the next answer. `false`: no request is in flight.
    async fn settle_next(&mut self, flight: &mut Flight, ends: &mut Vec<(usize, u64)>) -> bool {
        let under = flight.next().await;
        under.map(|under| self.settle(under, ends)).is_some()
    }

    fn send(&self, number: usize, step: &Exchange, planned: Instant) -> BoxFuture<'static, Under> {
        let plan = &self.shared.plan;
        let mut live = Exchange {
            id: step.id.clone(),
            direction: step.direction,
            backend: step.backend.clone(),
            protocol: step.protocol.clone(),
            request: step.request.clone(),
            ..Exchange::default()
        };
        self.given.put(&plan.carries, number, &mut live.request);
        for set in &plan.set {
            set.apply(&mut live.request);
        }
        live.time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0));
        let (client, limit) = (self.client.clone(), self.load.request_timeout);
        Box::pin(async move {
            let answered = tokio::time::timeout(limit, client.send(&live)).await;
            let timed_out = answered.is_err();
            let outcome = answered
                .unwrap_or_else(|_| Err(Failure::new(format!("no answer within {} s", limit.as_secs_f64()))));
            Under { step: number, live, planned, outcome, timed_out }
        })
    }

    fn settle(&mut self, under: Under, ends: &mut Vec<(usize, u64)>) {
        ends.retain(|(step, _)| *step != under.step);
        let Under { step, mut live, planned, outcome, timed_out } = under;
        self.watch(timed_out);
        let shared = Arc::clone(&self.shared);
        let plan = &shared.plan;
        let recorded = &plan.recording.steps()[step];
        let (error, sent, done, missing) = match outcome {
            Ok(Answered { response, sent, done }) => {
                let missing = self.given.take(&plan.carries, step, &response);
                live.response = Some(response);
                (None, sent, done, missing)
            }
            Err(failure) => (Some(failure.problem), planned, Instant::now(), Vec::new()),
        };
        let context = Context { carries: &plan.carries, given: &self.given };
        let compared = plan.comparer.compare(recorded, &mut live, context);
        let settled = Settled {
            step,
            recorded,
            live: &live,
            error,
            compared,
            at: done - self.start,
            latency: done.saturating_duration_since(planned),
            service: done.saturating_duration_since(sent),
            missing,
        };
        shared.tally().add(settled);
        shared.settled.fetch_add(1, Ordering::Relaxed);
    }

    /// Detects a service that no longer answers.
    fn watch(&self, timed_out: bool) {
        if !timed_out {
            self.shared.timeouts.store(0, Ordering::Relaxed);
        } else if self.shared.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= HANGS {
            self.shared.hangs.send_replace(true);
        }
    }
}
