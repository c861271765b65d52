//! Reconciles one `TrafficReplay`: applies its mocks, runs its replay, and writes its status. Each
//! reconciliation starts from the state of the cluster alone, so that it can be interrupted
//! anywhere.

use crate::cluster::{FINALIZER, ResourceKind, value};
use crate::context::{self, Context};
use crate::error::Error;
use crate::filters::{self, ReplayId};
use crate::job::{self, JobProgress};
use crate::mocks;
use crate::resource::Mode;
use crate::resource::{Cleanup, Group, TrafficReplayStatus};
use crate::spec::{Destination, ValidSpec};
use crate::status::{self, ConditionState, FINISHED, MOCKS_READY, READY};
use crate::{annotations, time};
use k8s_openapi::jiff::Timestamp;
use kube::api::DynamicObject;
use kube::runtime::controller::Action;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Time until the next reconciliation of a resource without changes.
const REFRESH: Duration = Duration::from_secs(600);
/// Time until the next look at a running job.
const JOB_REFRESH: Duration = Duration::from_secs(60);
/// The first and the longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Reconciliation of one resource.
struct Reconciliation<'a> {
    id: ReplayId,
    object: &'a DynamicObject,
    context: &'a Context,
    /// The status to write.
    status: TrafficReplayStatus,
    now: Timestamp,
}

/// Reconciles one resource. A failure is reported in the status and retried.
pub(crate) async fn reconcile(
    group: Group,
    object: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let began = Instant::now();
    let Some(id) = context::id(group, &object) else { return Ok(Action::await_change()) };
    let uid = id.uid.clone();
    let outcome = reconcile_resource(id, &object, &context).await;
    context.cluster.metrics.reconciled(began.elapsed());
    match outcome {
        Ok(action) => Ok(action),
        Err(error) => {
            context.cluster.metrics.failed(error.code());
            // The watch brings the other writer's change, which triggers the next reconciliation.
            let failures = if error.is_conflict() { 1 } else { context.failed(&uid) };
            Ok(Action::requeue(backoff(failures)))
        }
    }
}

fn backoff(failures: u32) -> Duration {
    let (first, longest) = BACKOFF;
    first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(longest)
}

async fn reconcile_resource(
    id: ReplayId,
    object: &DynamicObject,
    context: &Context,
) -> Result<Action, Error> {
    if object.metadata.deletion_timestamp.is_some() {
        return finalize(&id, object, context).await;
    }
    let now = Timestamp::now();
    let old: TrafficReplayStatus = serde_json::from_value(object.data["status"].clone()).unwrap_or_default();
    let status = status::of_generation(&old, id.generation, now);
    let mut this = Reconciliation { id, object, context, status, now };
    let outcome = this.advance().await;
    let action = match outcome {
        Ok(action) => {
            this.status.reconcile_failures = 0;
            Ok(action)
        }
        Err(error) if error.is_conflict() => return Err(error),
        Err(error) => {
            log::warn!("{}: {error}", this.id);
            let state = ConditionState::unmet("Failed", format!("{error}; trying again{}", help(&error)));
            this.status.set(READY, &state, now);
            this.status.reconcile_failures = this.status.reconcile_failures.saturating_add(1);
            Err(error)
        }
    };
    this.write(&old).await?;
    action
}

/// Advice for an error.
fn help(error: &Error) -> &'static str {
    match (error.code(), error.to_string().contains("EnvoyFilter")) {
        ("api-not-found", true) => ". Is Istio installed?",
        ("api-forbidden", _) => ". The controller's ClusterRole doesn't allow it",
        _ => "",
    }
}

/// Removes what Kubernetes doesn't remove automatically, then lets the resource go.
async fn finalize(id: &ReplayId, object: &DynamicObject, context: &Context) -> Result<Action, Error> {
    let metrics = &context.cluster.metrics;
    metrics.replay(&id.uid, None);
    context.succeeded(&id.uid);
    context.repairs.forget(&id.uid);
    let ours = object.metadata.finalizers.as_ref().is_some_and(|all| all.iter().any(|one| one == FINALIZER));
    if ours {
        mocks::remove_all(&id.uid, &context.cluster).await?;
        context.cluster.set_finalizer(ResourceKind::Replay(id.group), object, false).await?;
        log::info!("{id}: mocks in other namespaces are removed");
    }
    Ok(Action::await_change())
}

impl Reconciliation<'_> {
    async fn advance(&mut self) -> Result<Action, Error> {
        let registry = self.context.settings.registry.as_deref();
        let replay = match ValidSpec::read(&self.object.data["spec"], &self.id.namespace, registry) {
            Ok(replay) => replay,
            // The current mocks stay: a mistake in an edit must not let requests reach mocked
            // backends.
            Err(why) => {
                self.set_both(&ConditionState::unmet("InvalidSpec", why));
                return Ok(Action::await_change());
            }
        };
        if self.status.finished_time.is_some() {
            return self.after_the_end(&replay).await;
        }
        let wanted = mocks::wanted(&self.id, self.object, &replay, self.context).await?;
        let elsewhere =
            wanted.filters.iter().any(|filter| filter["metadata"]["namespace"] != self.id.namespace.as_str());
        let kind = ResourceKind::Replay(self.id.group);
        if elsewhere && self.context.cluster.set_finalizer(kind, self.object, true).await? {
            // The watch brings the resource with its finalizer.
            return Ok(Action::requeue(BACKOFF.0));
        }
        mocks::apply(&self.id, &wanted.filters, self.context).await?;
        self.status.active = !wanted.filters.is_empty();
        if let Some((filter, again)) = self.context.repairs.contested(&self.id.uid)
            && self.status.report_id.is_none()
        {
            self.set_both(&ConditionState::unmet("Contested", format!("something else keeps changing EnvoyFilter {filter}, so that repairs wait longer each time: find the writer in its managedFields, and stop it")));
            return Ok(Action::requeue(again));
        }
        self.status.set(MOCKS_READY, &wanted.state, self.now);
        if wanted.complete && self.status.initialized_time.is_none() {
            self.status.initialized_time = Some(time::text(self.now));
        }
        if !wanted.complete && self.status.report_id.is_none() {
            self.status.set(READY, &wanted.state, self.now);
            let failures = self.context.failed(&self.id.uid);
            return Ok(Action::requeue(backoff(failures)));
        }
        self.context.succeeded(&self.id.uid);
        if replay.ends() {
            return self.replay(&replay).await;
        }
        let state = match wanted.filters.len() {
            0 => wanted.state,
            _ => ConditionState::met(
                "Responding",
                "the EnvoyFilters of the mocks are applied, and stay until the resource is removed",
            ),
        };
        self.status.remove(FINISHED);
        self.status.set(READY, &state, self.now);
        Ok(Action::requeue(REFRESH))
    }

    fn set_both(&mut self, state: &ConditionState) {
        self.status.set(MOCKS_READY, state, self.now);
        self.status.set(READY, state, self.now);
    }

    /// Starts the job once the sidecars had time to load the mocks, and follows its progress.
    async fn replay(&mut self, replay: &ValidSpec) -> Result<Action, Error> {
        self.status.active = true;
        let name = job::name(&self.id);
        let found = self.context.cluster.get(ResourceKind::Job, &self.id.namespace, &name).await?;
        let Some(found) = found else {
            if self.status.report_id.is_some() {
                return self
                    .end(
                        replay,
                        &ConditionState::unmet(
                            "TestFailed",
                            format!("the job {name} is gone: something has deleted it"),
                        ),
                    )
                    .await;
            }
            return self.start(replay, name).await;
        };
        self.status.report_id = Some(name.clone());
        let pods = self
            .context
            .cluster
            .list(ResourceKind::Pod, &self.id.namespace, Some(&format!("job-name={name}")))
            .await?;
        match job::progress(&value(&found), &pods) {
            JobProgress::Running => {
                self.status.set(
                    READY,
                    &ConditionState::unknown("Running", format!("the job {name} sends requests")),
                    self.now,
                );
                Ok(Action::requeue(JOB_REFRESH))
            }
            JobProgress::Ended { completed, reason, summary } => {
                let passed = completed && summary.as_ref().is_none_or(|summary| summary.passed);
                let log = format!(
                    "`kubectl logs -n {} job/{name}` has details while the job exists",
                    self.id.namespace
                );
                let state = match (passed, summary) {
                    (true, summary) => ConditionState::met(
                        "TestSucceeded",
                        summary.map_or_else(String::new, |summary| summary.to_string()),
                    ),
                    (false, Some(summary)) => {
                        ConditionState::unmet("TestFailed", format!("{summary}; {log}"))
                    }
                    (false, None) => ConditionState::unmet(
                        "TestFailed",
                        format!("the replay could not run: {reason}; {log}"),
                    ),
                };
                self.end(replay, &state).await
            }
        }
    }

    async fn start(&mut self, replay: &ValidSpec, name: String) -> Result<Action, Error> {
        let mocked = replay.mode == Mode::FullReplay && replay.mocked().next().is_some();
        let elapsed = self
            .status
            .initialized_time
            .as_ref()
            .and_then(|at| time::since(at, self.now))
            .unwrap_or_default();
        let wait = self.context.settings.settle.saturating_sub(elapsed);
        if mocked && !wait.is_zero() {
            self.status.set(
                READY,
                &ConditionState::unknown("Settling", "the sidecars get time to load the mocks"),
                self.now,
            );
            return Ok(Action::requeue(wait));
        }
        let url = match self.url(replay).await? {
            Ok(url) => url,
            Err(why) => {
                self.status.set(READY, &ConditionState::unmet("NoAddress", why), self.now);
                return Ok(Action::requeue(backoff(self.context.failed(&self.id.uid))));
            }
        };
        let settings = &self.context.settings.job;
        let Some(image) = &settings.image else {
            let why =
                "the controller has no --job-image, the image with the understudy command: no replay can run";
            self.status.set(READY, &ConditionState::unmet("NoImage", why), self.now);
            return Ok(Action::requeue(REFRESH));
        };
        // Jobs of earlier generations.
        for job in self.context.cluster.created_for(ResourceKind::Job, &self.id.uid).await? {
            self.context.cluster.delete(ResourceKind::Job, &job).await?;
        }
        let job = job::job(&self.id, replay, &url, image, settings);
        self.context.cluster.apply(ResourceKind::Job, &job).await?;
        log::info!("{}: the job {name} sends requests to {url}", self.id);
        self.status.report_id = Some(name.clone());
        self.status.set(
            READY,
            &ConditionState::unknown("Running", format!("the job {name} sends requests to {url}")),
            self.now,
        );
        Ok(Action::requeue(JOB_REFRESH))
    }

    /// URL to send requests to, or the reason why there is none.
    async fn url(&self, replay: &ValidSpec) -> Result<Result<String, String>, Error> {
        let index = match &replay.destination {
            Some(Destination::Url(url)) => return Ok(Ok(url.clone())),
            Some(Destination::ServiceOf(index)) => *index,
            None => return Ok(Err("the resource names no target for its requests".to_owned())),
        };
        let Some(workload) = replay.workloads.get(index) else {
            return Ok(Err("the resource has no workload".to_owned()));
        };
        let target = &workload.target;
        let Some(found) =
            self.context.cluster.get(ResourceKind::of(target), &target.namespace, &target.name).await?
        else {
            return Ok(Err(format!("there is no {target}: create it, or correct workloads[].ref")));
        };
        let services = self.context.cluster.list(ResourceKind::Service, &target.namespace, None).await?;
        Ok(job::service_url(&services, &filters::pod_labels_of(&found.data), target))
    }

    /// Ends the replay. Its mocks are removed first: they are for the time of the replay alone.
    async fn end(&mut self, replay: &ValidSpec, state: &ConditionState) -> Result<Action, Error> {
        mocks::apply(&self.id, &[], self.context).await?;
        self.status.finished_time = Some(time::text(self.now));
        log::info!("{}: {}: {}", self.id, state.reason, state.message);
        self.status.set(READY, state, self.now);
        self.status.set(FINISHED, &ConditionState::met(state.reason, state.message.clone()), self.now);
        self.after_the_end(replay).await
    }

    /// Keeps the result, and cleans up when it's time.
    async fn after_the_end(&mut self, replay: &ValidSpec) -> Result<Action, Error> {
        mocks::apply(&self.id, &[], self.context).await?;
        self.status.active = false;
        self.status.set(MOCKS_READY, &ConditionState::unmet("Removed", "the replay has ended"), self.now);
        if !replay.ends() {
            return Ok(Action::await_change());
        }
        if replay.cleanup != Cleanup::None && self.is_written() {
            let name = job::name(&self.id);
            if let Some(job) = self.context.cluster.get(ResourceKind::Job, &self.id.namespace, &name).await? {
                self.context.cluster.delete(ResourceKind::Job, &job).await?;
            }
        }
        let ended =
            self.status.finished_time.as_ref().and_then(|at| time::since(at, self.now)).unwrap_or_default();
        // A resource of annotations is removed together with them: otherwise it would start again.
        let annotated = self
            .object
            .metadata
            .labels
            .as_ref()
            .is_some_and(|labels| labels.contains_key(annotations::ANNOTATED));
        let ttl = replay.ttl.or((replay.cleanup == Cleanup::All).then_some(Duration::ZERO));
        let Some(ttl) = ttl.filter(|_| !annotated) else { return Ok(Action::await_change()) };
        if ended < ttl || !self.is_written() {
            return Ok(Action::requeue(ttl.saturating_sub(ended).max(BACKOFF.0)));
        }
        self.context.cluster.delete(ResourceKind::Replay(self.id.group), self.object).await?;
        Ok(Action::await_change())
    }

    /// Returns whether the stored status has the end already. Until then, the job that proves the
    /// result stays.
    fn is_written(&self) -> bool {
        self.object.data["status"]["finishedTime"].is_string()
    }

    /// Writes a status with news, and reports the news as events.
    async fn write(&self, old: &TrafficReplayStatus) -> Result<(), Error> {
        let kind = ResourceKind::Replay(self.id.group);
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
            self.context.report(kind, self.object, condition).await;
        }
        if old.observed_generation != self.status.observed_generation {
            self.report_ignored(kind).await;
        }
        Ok(())
    }

    async fn report_ignored(&self, kind: ResourceKind) {
        let registry = self.context.settings.registry.as_deref();
        let replay = ValidSpec::read(&self.object.data["spec"], &self.id.namespace, registry);
        for ignored in replay.iter().flat_map(|replay| &replay.ignored) {
            self.context.warn(kind, self.object, "Ignored", ignored).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_wait_longer_each_time() {
        let seconds: Vec<_> = [1, 2, 3, 9, 10, 1000].into_iter().map(|n| backoff(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300]);
    }
}
