//! Brings one `TrafficReplay` to what it says, and writes down how far that has come. It begins anew each time: what it did before is in the
//! cluster, so that it can be interrupted anywhere.

use crate::cluster::{FINALIZER, Kind, value};
use crate::context::{self, Context};
use crate::error::Error;
use crate::filters::{self, Id};
use crate::job::{self, Progress};
use crate::mocks;
use crate::resource::Mode;
use crate::resource::{Cleanup, Group, TrafficReplayStatus};
use crate::spec::{Driven, Replay};
use crate::status::{self, FINISHED, MOCKS_READY, READY, Said};
use crate::{annotations, time};
use k8s_openapi::jiff::Timestamp;
use kube::api::DynamicObject;
use kube::runtime::controller::Action;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Everything is looked at again after this time, though nothing seems to have changed.
const AGAIN: Duration = Duration::from_secs(600);
/// A job that runs is looked at again after this time.
const JOB_AGAIN: Duration = Duration::from_secs(60);
/// The first and the longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// One resource that is being looked at.
struct Case<'a> {
    id: Id,
    object: &'a DynamicObject,
    context: &'a Context,
    /// As it is to be written.
    status: TrafficReplayStatus,
    now: Timestamp,
}

/// Looks at one resource. What fails is said in its status and tried again.
pub(crate) async fn reconcile(
    group: Group,
    object: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let began = Instant::now();
    let Some(id) = context::id(group, &object) else { return Ok(Action::await_change()) };
    let uid = id.uid.clone();
    let outcome = look_at(id, &object, &context).await;
    context.cluster.metrics.reconciled(began.elapsed());
    match outcome {
        Ok(action) => Ok(action),
        Err(error) => {
            context.cluster.metrics.failed(error.code());
            // The watch brings what the other has written, and that's looked at.
            let failures = if error.is_conflict() { 1 } else { context.failed(&uid) };
            Ok(Action::requeue(backoff(failures)))
        }
    }
}

fn backoff(failures: u32) -> Duration {
    let (first, longest) = BACKOFF;
    first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(longest)
}

async fn look_at(id: Id, object: &DynamicObject, context: &Context) -> Result<Action, Error> {
    if object.metadata.deletion_timestamp.is_some() {
        return leave(&id, object, context).await;
    }
    let now = Timestamp::now();
    let old: TrafficReplayStatus = serde_json::from_value(object.data["status"].clone()).unwrap_or_default();
    let status = status::of_generation(&old, id.generation, now);
    let mut case = Case { id, object, context, status, now };
    let outcome = case.bring_about().await;
    let action = match outcome {
        Ok(action) => {
            case.status.reconcile_failures = 0;
            Ok(action)
        }
        Err(error) if error.is_conflict() => return Err(error),
        Err(error) => {
            log::warn!("{}: {error}", case.id);
            let said = Said::no("Failed", format!("{error}; it is tried again{}", help(&error)));
            case.status.say(READY, &said, now);
            case.status.reconcile_failures = case.status.reconcile_failures.saturating_add(1);
            Err(error)
        }
    };
    case.write(&old).await?;
    action
}

/// What may help.
fn help(error: &Error) -> &'static str {
    match (error.code(), error.to_string().contains("EnvoyFilter")) {
        ("api-not-found", true) => ". Is Istio installed?",
        ("api-forbidden", _) => ". The controller's ClusterRole doesn't allow it",
        _ => "",
    }
}

/// Takes away what Kubernetes doesn't by itself, and lets the resource go.
async fn leave(id: &Id, object: &DynamicObject, context: &Context) -> Result<Action, Error> {
    let metrics = &context.cluster.metrics;
    metrics.replay(&id.uid, None);
    context.succeeded(&id.uid);
    context.contests.forget(&id.uid);
    let ours = object.metadata.finalizers.as_ref().is_some_and(|all| all.iter().any(|one| one == FINALIZER));
    if ours {
        mocks::remove_all(&id.uid, &context.cluster).await?;
        context.cluster.set_finalizer(Kind::Replay(id.group), object, false).await?;
        log::info!("{id}: its mocks in other namespaces are removed");
    }
    Ok(Action::await_change())
}

impl Case<'_> {
    async fn bring_about(&mut self) -> Result<Action, Error> {
        let registry = self.context.settings.registry.as_deref();
        let replay = match Replay::read(&self.object.data["spec"], &self.id.namespace, registry) {
            Ok(replay) => replay,
            // What is there stays: a slip in an edit mustn't let requests through to what was mocked.
            Err(why) => {
                self.both(&Said::no("InvalidSpec", why));
                return Ok(Action::await_change());
            }
        };
        if self.status.finished_time.is_some() {
            return self.after_the_end(&replay).await;
        }
        let wanted = mocks::wanted(&self.id, self.object, &replay, self.context).await?;
        let elsewhere =
            wanted.filters.iter().any(|filter| filter["metadata"]["namespace"] != self.id.namespace.as_str());
        let kind = Kind::Replay(self.id.group);
        if elsewhere && self.context.cluster.set_finalizer(kind, self.object, true).await? {
            // The watch brings it back as it is now.
            return Ok(Action::requeue(BACKOFF.0));
        }
        mocks::bring_about(&self.id, &wanted.filters, self.context).await?;
        self.status.active = !wanted.filters.is_empty();
        if let Some((filter, again)) = self.context.contests.contested(&self.id.uid)
            && self.status.report_id.is_none()
        {
            self.both(&Said::no("Contested", format!("something else changes EnvoyFilter {filter} again and again, so that it is repaired ever later: see its managedFields, and stop that")));
            return Ok(Action::requeue(again));
        }
        self.status.say(MOCKS_READY, &wanted.said, self.now);
        let ready = wanted.said.holds == status::Holds::Yes;
        if ready && self.status.initialized_time.is_none() {
            self.status.initialized_time = Some(time::text(self.now));
        }
        if !ready && self.status.report_id.is_none() {
            self.status.say(READY, &wanted.said, self.now);
            let failures = self.context.failed(&self.id.uid);
            return Ok(Action::requeue(backoff(failures)));
        }
        self.context.succeeded(&self.id.uid);
        if replay.ends() {
            return self.replay(&replay).await;
        }
        let said = match wanted.filters.len() {
            0 => wanted.said,
            _ => Said::yes("Responding", "mocks answer until the resource is removed"),
        };
        self.status.forget(FINISHED);
        self.status.say(READY, &said, self.now);
        Ok(Action::requeue(AGAIN))
    }

    fn both(&mut self, said: &Said) {
        self.status.say(MOCKS_READY, said, self.now);
        self.status.say(READY, said, self.now);
    }

    /// Starts the job when the mocks have had time to come into effect, and sees how it gets on.
    async fn replay(&mut self, replay: &Replay) -> Result<Action, Error> {
        self.status.active = true;
        let name = job::name(&self.id);
        let found = self.context.cluster.get(Kind::Job, &self.id.namespace, &name).await?;
        let Some(found) = found else {
            if self.status.report_id.is_some() {
                return self
                    .end(
                        replay,
                        &Said::no("TestFailed", format!("the job {name} is gone: somebody has deleted it")),
                    )
                    .await;
            }
            return self.start(replay, name).await;
        };
        self.status.report_id = Some(name.clone());
        let pods = self
            .context
            .cluster
            .list(Kind::Pod, &self.id.namespace, Some(&format!("job-name={name}")))
            .await?;
        match job::progress(&value(&found), &pods) {
            Progress::Running => {
                self.status.say(
                    READY,
                    &Said::unknown("Running", format!("the job {name} sends requests")),
                    self.now,
                );
                Ok(Action::requeue(JOB_AGAIN))
            }
            Progress::Ended { completed, why, summary } => {
                let passed = completed && summary.as_ref().is_none_or(|summary| summary.passed);
                let log = format!(
                    "`kubectl logs -n {} job/{name}` says more, while it is there",
                    self.id.namespace
                );
                let said = match (passed, summary) {
                    (true, summary) => Said::yes(
                        "TestSucceeded",
                        summary.map_or_else(String::new, |summary| summary.to_string()),
                    ),
                    (false, Some(summary)) => Said::no("TestFailed", format!("{summary}; {log}")),
                    (false, None) => {
                        Said::no("TestFailed", format!("the replay could not run: {why}; {log}"))
                    }
                };
                self.end(replay, &said).await
            }
        }
    }

    async fn start(&mut self, replay: &Replay, name: String) -> Result<Action, Error> {
        let mocked = replay.mode == Mode::FullReplay && replay.mocked().next().is_some();
        let waited = self
            .status
            .initialized_time
            .as_ref()
            .and_then(|at| time::since(at, self.now))
            .unwrap_or_default();
        let wait = self.context.settings.settle.saturating_sub(waited);
        if mocked && !wait.is_zero() {
            self.status.say(
                READY,
                &Said::unknown("Settling", "the sidecars are given time to take on the mocks"),
                self.now,
            );
            return Ok(Action::requeue(wait));
        }
        let url = match self.url(replay).await? {
            Ok(url) => url,
            Err(why) => {
                self.status.say(READY, &Said::no("NoAddress", why), self.now);
                return Ok(Action::requeue(backoff(self.context.failed(&self.id.uid))));
            }
        };
        let settings = &self.context.settings.job;
        let Some(image) = &settings.image else {
            let why =
                "the controller has no --job-image, the image with the understudy command: replays can't run";
            self.status.say(READY, &Said::no("NoImage", why), self.now);
            return Ok(Action::requeue(AGAIN));
        };
        // Those of earlier generations.
        for job in self.context.cluster.made_for(Kind::Job, &self.id.uid).await? {
            self.context.cluster.delete(Kind::Job, &job).await?;
        }
        let job = job::job(&self.id, replay, &url, image, settings);
        self.context.cluster.apply(Kind::Job, &job).await?;
        log::info!("{}: the job {name} sends requests to {url}", self.id);
        self.status.report_id = Some(name.clone());
        self.status.say(
            READY,
            &Said::unknown("Running", format!("the job {name} sends requests to {url}")),
            self.now,
        );
        Ok(Action::requeue(JOB_AGAIN))
    }

    /// Where requests are sent; or why nobody knows.
    async fn url(&self, replay: &Replay) -> Result<Result<String, String>, Error> {
        let number = match &replay.driven {
            Some(Driven::At(url)) => return Ok(Ok(url.clone())),
            Some(Driven::ServiceOf(number)) => *number,
            None => return Ok(Err("nobody says where requests are sent".to_owned())),
        };
        let Some(workload) = replay.workloads.get(number) else {
            return Ok(Err("there is no workload".to_owned()));
        };
        let target = &workload.target;
        let Some(found) = self.context.cluster.get(Kind::of(target), &target.namespace, &target.name).await?
        else {
            return Ok(Err(format!("there is no {target}: create it, or correct workloads[].ref")));
        };
        let services = self.context.cluster.list(Kind::Service, &target.namespace, None).await?;
        Ok(job::service_url(&services, &filters::labels_of(&found.data), target))
    }

    /// The mocks go before anything else: they are for the time of the replay alone.
    async fn end(&mut self, replay: &Replay, said: &Said) -> Result<Action, Error> {
        mocks::bring_about(&self.id, &[], self.context).await?;
        self.status.finished_time = Some(time::text(self.now));
        log::info!("{}: {}: {}", self.id, said.reason, said.message);
        self.status.say(READY, said, self.now);
        self.status.say(FINISHED, &Said::yes(said.reason, said.message.clone()), self.now);
        self.after_the_end(replay).await
    }

    /// Keeps what is over as it is, and cleans up when it's time.
    async fn after_the_end(&mut self, replay: &Replay) -> Result<Action, Error> {
        mocks::bring_about(&self.id, &[], self.context).await?;
        self.status.active = false;
        self.status.say(MOCKS_READY, &Said::no("Removed", "the replay is over"), self.now);
        if !replay.ends() {
            return Ok(Action::await_change());
        }
        if replay.cleanup != Cleanup::None && self.is_written() {
            let name = job::name(&self.id);
            if let Some(job) = self.context.cluster.get(Kind::Job, &self.id.namespace, &name).await? {
                self.context.cluster.delete(Kind::Job, &job).await?;
            }
        }
        let ended =
            self.status.finished_time.as_ref().and_then(|at| time::since(at, self.now)).unwrap_or_default();
        // What annotations ask for is removed with them, else it would begin again.
        let annotated =
            self.object.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(annotations::MADE));
        let ttl = replay.ttl.or((replay.cleanup == Cleanup::All).then_some(Duration::ZERO));
        let Some(ttl) = ttl.filter(|_| !annotated) else { return Ok(Action::await_change()) };
        if ended < ttl || !self.is_written() {
            return Ok(Action::requeue(ttl.saturating_sub(ended).max(BACKOFF.0)));
        }
        self.context.cluster.delete(Kind::Replay(self.id.group), self.object).await?;
        Ok(Action::await_change())
    }

    /// Whether the end is in the resource's status already: before that, what tells of it isn't removed.
    fn is_written(&self) -> bool {
        self.object.data["status"]["finishedTime"].is_string()
    }

    /// Writes the status where it says something new, and tells of it.
    async fn write(&self, old: &TrafficReplayStatus) -> Result<(), Error> {
        let kind = Kind::Replay(self.id.group);
        let metrics = &self.context.cluster.metrics;
        let ready = self.status.conditions.iter().find(|known| known.type_ == READY);
        metrics.replay(&self.id.uid, Some(ready.map_or("Unknown", |ready| &ready.reason)));
        if self.status == *old {
            return Ok(());
        }
        self.context.cluster.write_status(kind, self.object, &self.status).await?;
        for condition in self.status.news(old) {
            log::info!(
                "{}: {} is {}: {}: {}",
                self.id,
                condition.type_,
                condition.status,
                condition.reason,
                condition.message
            );
            self.context.tell(kind, self.object, condition).await;
        }
        if old.observed_generation != self.status.observed_generation {
            self.tell_ignored(kind).await;
        }
        Ok(())
    }

    async fn tell_ignored(&self, kind: Kind) {
        let registry = self.context.settings.registry.as_deref();
        let replay = Replay::read(&self.object.data["spec"], &self.id.namespace, registry);
        for ignored in replay.iter().flat_map(|replay| &replay.ignored) {
            self.context.warn(kind, self.object, "Ignored", ignored).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_tried_again_ever_later() {
        let seconds: Vec<_> = [1, 2, 3, 9, 10, 1000].into_iter().map(|n| backoff(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300]);
    }
}
