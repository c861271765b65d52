//! Starts the service, waits until it is ready, drives it and stops it. However it fails, that is known within the time that was given.

use super::args::Ready;
use crate::child::Terms;
use crate::say;
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

/// So often a service that isn't ready is asked again.
const AGAIN: Duration = Duration::from_millis(50);
/// How long one such question may take.
const QUESTION: Duration = Duration::from_secs(5);

/// What is to be done.
pub(super) struct Exercise {
    /// What is sent; nothing where backends alone are mocked.
    pub(super) driver: Option<Driver>,
    /// Where the service listens.
    pub(super) target: Option<Target>,
    /// How long it may be driven.
    pub(super) timeout: Option<Duration>,
    /// When it is ready.
    pub(super) ready: Ready,
    /// What starts it.
    pub(super) command: Vec<String>,
}

/// What came of it.
pub(super) struct Exercised {
    /// What was sent, or why nothing was.
    pub(super) outcome: Result<Driven, Ending>,
    /// What the service said.
    pub(super) logs: Logs,
}

impl Exercised {
    /// It ended in another way than it looked like.
    pub(super) fn ended(&mut self, end: Ending) {
        match &mut self.outcome {
            Ok(driven) => driven.end = end,
            Err(ending) => *ending = end,
        }
    }
}

fn ending(how: How, detail: impl Into<String>) -> Ending {
    Ending { how, detail: detail.into() }
}

impl Exercise {
    /// Makes sure that nobody listens where the service is to: its answers would be taken for the service's.
    pub(super) async fn nobody_there(&self) -> anyhow::Result<()> {
        let Some(target) = &self.target else { return Ok(()) };
        if let Ok(Ok(_)) = timeout(QUESTION, TcpStream::connect((target.host.as_str(), target.port))).await {
            bail!(
                "something listens at {target} already: stop it, or say --target and start CMD on another port"
            );
        }
        Ok(())
    }

    /// Drives a service that somebody else has started.
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
        Ok(Ok(drive(driver, stop).await))
    }

    /// Starts the service behind Envoy, drives it and stops it.
    pub(super) async fn run(
        &self,
        terms: Terms<'_>,
        envoy: &Envoy,
        signals: &mut Signals,
    ) -> anyhow::Result<Exercised> {
        let mut service = Service::start(&self.command, &terms)?;
        let outcome = match &self.driver {
            Some(driver) => self.drive(driver, &mut service, envoy, signals).await,
            None => Err(attend(&mut service, envoy, signals).await),
        };
        let logs = service.stop(terms.grace, signals).await?;
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
        Ok(drive(driver, stop).await)
    }

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
        let bar = say::working("waiting until the service is ready");
        let mut last = String::new();
        let ready = timeout(self.ready.within, async {
            while let Err(problem) = self.is_ready(target).await {
                last = problem;
                sleep(AGAIN).await;
            }
        })
        .await;
        bar.finish_and_clear();
        ready.map_err(|_| {
            let within = self.ready.within.as_secs_f64();
            ending(
                How::NeverReady,
                format!(
                    "within {within} s, at {target}: {last}; if it listens elsewhere, say where with --target"
                ),
            )
        })
    }

    async fn is_ready(&self, target: &Target) -> Result<(), String> {
        let (Some(path), Some(driver)) = (&self.ready.path, &self.driver) else {
            let connected = timeout(QUESTION, TcpStream::connect((target.host.as_str(), target.port))).await;
            return match connected {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no connection".to_owned()),
            };
        };
        let request = Request { method: b"GET".into(), path: path.as_bytes().to_vec(), ..Request::default() };
        let protocol = "HTTP/1.1".to_owned();
        let question = Exchange { backend: target.to_string(), protocol, request, ..Exchange::default() };
        match timeout(QUESTION, driver.ask(&question)).await {
            Ok(Ok(response)) if (200..400).contains(&response.status) => Ok(()),
            Ok(Ok(response)) => Err(format!("{path} is answered with {}", response.status)),
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err(format!("{path} isn't answered")),
        }
    }
}

async fn drive(driver: &Driver, stop: impl Future<Output = Ending>) -> Driven {
    let bar = say::requests(driver.planned());
    let show = async {
        loop {
            bar.set_position(driver.settled());
            sleep(Duration::from_millis(200)).await;
        }
    };
    let driven = tokio::select! {
        driven = driver.run(stop) => driven,
        () = show => unreachable!("it is shown until all is driven"),
    };
    bar.finish_and_clear();
    driven
}

/// Waits for the end of a service that nobody drives here.
async fn attend(service: &mut Service, envoy: &Envoy, signals: &mut Signals) -> Ending {
    let how = tokio::select! {
        how = service.ended() => how,
        _ = envoy.wait_exit() => return ending(How::ProxyEnded, ""),
        // Whoever runs a service by hand ends it like this.
        _ = signals.next() => return ending(How::Complete, "it was asked to end"),
    };
    if service.gave(0) { ending(How::Complete, how) } else { ending(How::ServiceEnded, how) }
}
