//! Leader election: of several controllers, the holder of a `Lease` works. A holder that can't
//! renew the lease in time stops before another controller may take it.

use crate::error::{Attempting, Error};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The lease and its duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Identity of this controller, different from that of all others, such as the pod's name.
    pub identity: String,
    /// Time after its last renewal until another controller may take the lease. At least 3 s.
    pub duration: Duration,
}

/// A candidate for the lease, or its holder.
pub(crate) struct Election {
    api: Api<Lease>,
    settings: LeaseSettings,
    /// The lease's resource version and when it was first seen. The times in the lease are those of
    /// other machines' clocks.
    seen: Option<(Option<String>, Instant)>,
}

impl Election {
    pub(crate) fn new(client: Client, settings: LeaseSettings) -> Self {
        Self { api: Api::namespaced(client, &settings.namespace), settings, seen: None }
    }

    /// Waits until this controller holds the lease.
    pub(crate) async fn win(&mut self) {
        let mut warned = false;
        loop {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) => warned = false,
                Err(error) if !warned => {
                    log::warn!("can't read or take the lease: {error}");
                    warned = true;
                }
                Err(_) => {}
            }
            sleep(self.pace()).await;
        }
    }

    /// Renews the lease until it is lost: taken by another controller, or not renewed for two
    /// thirds of its duration. Returns the reason.
    pub(crate) async fn hold(&mut self) -> String {
        let mut last = Instant::now();
        loop {
            sleep(self.pace()).await;
            let end = last + self.settings.duration * 2 / 3;
            let left = end.saturating_duration_since(Instant::now());
            match timeout(left, self.attempt()).await {
                Ok(Ok(true)) => last = Instant::now(),
                Ok(Ok(false)) => return "another controller has taken it".to_owned(),
                Ok(Err(error)) if Instant::now() >= end => return error.to_string(),
                Ok(Err(error)) => log::warn!("can't renew the lease: {error}"),
                Err(_) => {
                    sleep_until(end).await;
                    return "the API server doesn't answer".to_owned();
                }
            }
        }
    }

    /// Releases the lease, so that another controller can take it at once.
    pub(crate) async fn release(&mut self) {
        let release = async {
            let Some(mut lease) = self.api.get_opt(&self.settings.name).await? else { return Ok(()) };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_ref() != Some(&self.settings.identity) {
                return Ok(());
            }
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
            self.api.replace(&self.settings.name, &PostParams::default(), &lease).await.map(drop)
        };
        match timeout(self.pace(), release).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::warn!("can't release the lease: {error}"),
            Err(_) => log::warn!("can't release the lease: the API server doesn't answer"),
        }
    }

    /// Time between two attempts.
    fn pace(&self) -> Duration {
        self.settings.duration / 6
    }

    /// Tries to take or renew the lease. Returns whether this controller holds it.
    async fn attempt(&mut self) -> Result<bool, Error> {
        let name = self.settings.name.clone();
        let attempt = || format!("the lease {}/{name}", self.settings.namespace);
        let found = self.api.get_opt(&name).await.attempting(attempt)?;
        let now = MicroTime(Timestamp::now());
        let Some(mut lease) = found else {
            let lease = Lease {
                metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
                spec: Some(self.claim(&LeaseSpec::default(), now)),
            };
            return won(self.api.create(&PostParams::default(), &lease).await.attempting(attempt));
        };
        let version = lease.metadata.resource_version.clone();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, Instant::now()));
        }
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty());
        let ours = holder == Some(self.settings.identity.as_str());
        let theirs =
            Duration::from_secs(spec.lease_duration_seconds.and_then(|s| s.try_into().ok()).unwrap_or(0));
        let over = self.seen.as_ref().is_some_and(|(_, since)| since.elapsed() > theirs);
        if !ours && holder.is_some() && !over {
            return Ok(false);
        }
        lease.spec = Some(self.claim(&spec, now));
        won(self.api.replace(&name, &PostParams::default(), &lease).await.attempting(attempt))
    }

    fn claim(&self, old: &LeaseSpec, now: MicroTime) -> LeaseSpec {
        let ours = old.holder_identity.as_ref() == Some(&self.settings.identity);
        let seconds = self.settings.duration.as_millis().div_ceil(1000);
        LeaseSpec {
            holder_identity: Some(self.settings.identity.clone()),
            lease_duration_seconds: i32::try_from(seconds).ok(),
            acquire_time: if ours { old.acquire_time.clone() } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(old.lease_transitions.unwrap_or(0).saturating_add(i32::from(!ours))),
            ..old.clone()
        }
    }
}

/// A conflict means that another controller was faster.
fn won(outcome: Result<Lease, Error>) -> Result<bool, Error> {
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}
