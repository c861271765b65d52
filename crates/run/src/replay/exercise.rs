//! Starts the service, waits until it is ready, drives it and stops it. Every failure of the
//! service is noticed within the configured times.

use super::Readiness;
use crate::child::CmdEnvironment;
use crate::observer::{Observer, Step};
use crate::service::Service;
use crate::signals::Signals;
use anyhow::bail;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use understudy_core::exchange::{Exchange, Request};
use understudy_envoy::Envoy;
use understudy_replay::report::{Ending, How, Logs};
use understudy_replay::target::Target;
use understudy_replay::{Driven, Driver};

/// Pause between two probes of a service that isn't ready.
const PROBE_PAUSE: Duration = Duration::from_millis(50);
/// Time limit of one probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two updates of the progress.
const PROGRESS: Duration = Duration::from_millis(200);

/// Settings for starting and driving a service.
pub(super) struct Exercise<'a> {
    /// Sends the requests; `None` if only backends are mocked.
    pub(super) driver: Option<Driver>,
    /// Address of the service.
    pub(super) target: Option<Target>,
    /// Time limit for driving the service.
    pub(super) timeout: Option<Duration>,
    /// When the service counts as ready.
    pub(super) readiness: Readiness,
    /// CMD and its arguments.
    pub(super) command: Vec<String>,
    /// Receives the progress.
    pub(super) observer: &'a dyn Observer,
}

/// The result of an exercise.
pub(super) struct Exercised {
    /// Result of sending the requests, or the reason why none was sent.
    pub(super) outcome: Result<Driven, Ending>,
    /// The end of the service's output.
    pub(super) logs: Logs,
}

impl Exercised {
    /// Replaces the ending, after a better reason is known.
    pub(super) fn set_ending(&mut self, end: Ending) {
        match &mut self.outcome {
            Ok(driven) => driven.end = end,
            Err(ending) => *ending = end,
        }
    }
}

fn ending(how: How, detail: impl Into<String>) -> Ending {
    Ending { how, detail: detail.into() }
}

impl Exercise<'_> {
    /// Makes sure that nothing listens at the target yet: its answers would be taken for the
    /// service's.
    pub(super) async fn ensure_nothing_listens(&self) -> anyhow::Result<()> {
        let Some(target) = &self.target else { return Ok(()) };
        if let Ok(Ok(_)) =
            timeout(PROBE_TIMEOUT, TcpStream::connect((target.host.as_str(), target.port))).await
        {
            bail!(
                "something listens at {target} already: stop it, or start CMD on another port and name that with --target"
            );
        }
        Ok(())
    }

    /// Drives a service that runs already.
    pub(super) async fn drive_alone(&self) -> anyhow::Result<Result<Driven, Ending>> {
        let mut signals = Signals::new()?;
        let Some(driver) = &self.driver else { bail!("there is nothing to send") };
        tokio::select! {
            ready = self.until_ready() => if let Err(end) = ready { return Ok(Err(end)) },
            _ = signals.next() => return Ok(Err(ending(How::Interrupted, "before anything was sent"))),
        }
        let stop = async {
            tokio::select! {
                _ = signals.next() => ending(How::Interrupted, ""),
                end = self.time_over() => end,
            }
        };
        Ok(Ok(drive(driver, stop, self.observer).await))
    }

    /// Starts the service behind Envoy, drives it and stops it.
    pub(super) async fn run(
        &self,
        environment: CmdEnvironment<'_>,
        envoy: &Envoy,
        signals: &mut Signals,
    ) -> anyhow::Result<Exercised> {
        let mut service = Service::start(&self.command, &environment)?;
        let outcome = match &self.driver {
            Some(driver) => self.drive(driver, &mut service, envoy, signals).await,
            None => Err(wait_for_exit(&mut service, envoy, signals).await),
        };
        let logs = service.stop(environment.grace, signals).await?;
        Ok(Exercised { outcome, logs })
    }

    async fn drive(
        &self,
        driver: &Driver,
        service: &mut Service,
        envoy: &Envoy,
        signals: &mut Signals,
    ) -> Result<Driven, Ending> {
        tokio::select! {
            biased;
            how = service.ended() => return Err(ending(How::NeverReady, format!("{how} before it was ready"))),
            _ = envoy.wait_exit() => return Err(ending(How::ProxyEnded, "before the service was ready")),
            _ = signals.next() => return Err(ending(How::Interrupted, "before the service was ready")),
            ready = self.until_ready() => ready?,
        }
        let stop = async {
            tokio::select! {
                how = service.ended() => ending(How::ServiceEnded, how),
                _ = envoy.wait_exit() => ending(How::ProxyEnded, ""),
                _ = signals.next() => ending(How::Interrupted, ""),
                end = self.time_over() => end,
            }
        };
        Ok(drive(driver, stop, self.observer).await)
    }

    /// Returns when the service has been driven long enough.
    async fn time_over(&self) -> Ending {
        match self.timeout {
            Some(limit) => {
                sleep(limit).await;
                ending(How::TimedOut, format!("{} s", limit.as_secs_f64()))
            }
            None => std::future::pending().await,
        }
    }

    /// Waits until the service is ready.
    async fn until_ready(&self) -> Result<(), Ending> {
        let Some(target) = &self.target else { return Ok(()) };
        let step = self.observer.begin(Step::WaitingForService);
        let mut last = String::new();
        let ready = timeout(self.readiness.within, async {
            while let Err(problem) = self.is_ready(target).await {
                last = problem;
                sleep(PROBE_PAUSE).await;
            }
        })
        .await;
        drop(step);
        ready.map_err(|_| {
            let within = self.readiness.within.as_secs_f64();
            ending(
                How::NeverReady,
                format!(
                    "within {within} s, at {target}: {last}; if it listens elsewhere, name the address with --target"
                ),
            )
        })
    }

    async fn is_ready(&self, target: &Target) -> Result<(), String> {
        let (Some(path), Some(driver)) = (&self.readiness.path, &self.driver) else {
            let connected =
                timeout(PROBE_TIMEOUT, TcpStream::connect((target.host.as_str(), target.port))).await;
            return match connected {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no connection".to_owned()),
            };
        };
        let request = Request { method: b"GET".into(), path: path.as_bytes().to_vec(), ..Request::default() };
        let protocol = "HTTP/1.1".to_owned();
        let question = Exchange { backend: target.to_string(), protocol, request, ..Exchange::default() };
        match timeout(PROBE_TIMEOUT, driver.ask(&question)).await {
            Ok(Ok(response)) if (200..400).contains(&response.status) => Ok(()),
            Ok(Ok(response)) => Err(format!("{path} is answered with {}", response.status)),
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err(format!("{path} isn't answered")),
        }
    }
}

async fn drive(driver: &Driver, stop: impl Future<Output = Ending>, observer: &dyn Observer) -> Driven {
    let step = observer.begin(Step::Sending { planned: driver.planned() });
    let show = async {
        loop {
            step.set(driver.settled());
            sleep(PROGRESS).await;
        }
    };
    tokio::select! {
        driven = driver.run(stop) => driven,
        () = show => unreachable!("the progress is shown for as long as requests are sent"),
    }
}

/// Waits for the end of a service that another program drives.
async fn wait_for_exit(service: &mut Service, envoy: &Envoy, signals: &mut Signals) -> Ending {
    let how = tokio::select! {
        how = service.ended() => how,
        _ = envoy.wait_exit() => return ending(How::ProxyEnded, ""),
        // The usual end of a service that a person runs by hand.
        _ = signals.next() => return ending(How::Complete, "it was asked to end"),
    };
    if service.exited_with(0) { ending(How::Complete, how) } else { ending(How::ServiceEnded, how) }
}
