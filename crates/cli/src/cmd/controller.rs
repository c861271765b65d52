//! `understudy controller`: makes of `TrafficReplay` resources in a cluster what they say.

use super::replay::duration;
use crate::{Outcome, output, say};
use anyhow::{Context, bail};
use kube::{Client, Config};
use std::env;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use understudy_controller::{Controller, Group, JobSettings, LeaseSettings, Settings, image_of};

/// So long after its last renewal another controller takes the lease.
const LEASE: Duration = Duration::from_secs(15);

/// Run the controller of TrafficReplay resources in a mesh of Istio
///
/// It mocks workloads by EnvoyFilters and replays traffic by jobs, as the resources and the annotations of workloads say. The cluster is that of
/// the pod it runs in, or of the current kubeconfig. SIGTERM or Ctrl-C ends it; mocks stay as they are.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy controller --definition | kubectl apply -f -
  understudy controller --registry oci://registry.example/team
  understudy controller --leader-election --metrics 0.0.0.0:8080

Exit status: 0 ended as asked; 2 could not run.")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Args {
    /// Where a snapshot is that has only a name
    #[arg(long, value_name = "oci://REGISTRY/TEAM")]
    registry: Option<String>,

    /// Look at this namespace alone
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,

    /// Look at resources of speedscale.com/v1 too
    #[arg(long)]
    contract_group: bool,

    /// Let a resource be for workloads of other namespaces
    #[arg(long)]
    other_namespaces: bool,

    /// Leave annotations of workloads alone
    #[arg(long)]
    no_annotations: bool,

    /// Serve /healthz, /readyz and /metrics here
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<String>,

    /// Of several controllers, only the one with the lease works
    #[arg(long)]
    leader_election: bool,

    /// The lease's name
    #[arg(long, value_name = "NAME", default_value = "understudy-controller")]
    lease: String,

    /// The lease's namespace [default: POD_NAMESPACE]
    #[arg(long, value_name = "NAME")]
    lease_namespace: Option<String>,

    /// How long sidecars are given to take on mocks before a replay's requests are sent
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    settle: Duration,

    /// The image with this command, for jobs that replay [default: that of the pod POD_NAME]
    #[arg(long, value_name = "IMAGE")]
    job_image: Option<String>,

    /// The secret with the registry's credentials, in the namespace of each replay, for its job
    #[arg(long, value_name = "NAME")]
    registry_secret: Option<String>,

    /// Let jobs speak HTTP without TLS to the registry
    #[arg(long)]
    plain_http: bool,

    /// Give jobs a sidecar, for services that want mutual TLS
    #[arg(long)]
    job_sidecar: bool,

    /// Print the resource's definition, and end
    #[arg(long)]
    definition: bool,
}

pub(crate) async fn run(args: Args) -> Outcome {
    if args.definition {
        let group = if args.contract_group { Group::Contract } else { Group::Own };
        output::text(&understudy_istio::to_yaml(&[serde_json::to_value(group.definition())?]))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    if let Some(registry) = args.registry.as_deref().filter(|registry| !registry.starts_with("oci://")) {
        bail!("{registry:?} is no registry: write oci://REGISTRY/TEAM");
    }
    let config = Config::infer().await;
    let mut config =
        config.context("no cluster: run it in a pod with a service account, or set KUBECONFIG")?;
    // The controller tries again by itself, and says so: the client's own way is to be silent for minutes while a server is busy.
    config.default_retry = false;
    // A watch ends within five minutes by itself; what says nothing for longer never will.
    config.read_timeout = Some(std::time::Duration::from_secs(330));
    let client = Client::try_from(config)?;
    let settings = settings(&args, &client).await?;
    let mut controller = Controller::new(client, settings);
    if let Some(address) = &args.metrics {
        let local = controller.serve(address).await?;
        say::line(format_args!("metrics and probes at {local}"));
    }
    say::line("waiting for TrafficReplay resources");
    controller
        .run_until(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    Ok(ExitCode::SUCCESS)
}

async fn settings(args: &Args, client: &Client) -> anyhow::Result<Settings> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let (pod, namespace) = (variable("POD_NAME"), variable("POD_NAMESPACE"));
    let lease = match (args.leader_election, args.lease_namespace.clone().or_else(|| namespace.clone())) {
        (false, _) => None,
        (true, None) => {
            bail!("--leader-election needs a namespace: set POD_NAMESPACE, or say --lease-namespace")
        }
        (true, Some(namespace)) => {
            let identity = pod.clone().unwrap_or_else(|| format!("process-{}", std::process::id()));
            Some(LeaseSettings { namespace, name: args.lease.clone(), identity, duration: LEASE })
        }
    };
    let image = match (&args.job_image, &pod, &namespace) {
        (Some(image), ..) => Some(image.clone()),
        (None, Some(pod), Some(namespace)) => {
            image_of(client.clone(), namespace, pod).await.unwrap_or_else(|error| {
                say::warning(format_args!("{error}; replays need --job-image"));
                None
            })
        }
        _ => None,
    };
    Ok(Settings {
        registry: args.registry.clone(),
        namespace: args.namespace.clone(),
        contract_group: args.contract_group,
        other_namespaces: args.other_namespaces,
        annotations: !args.no_annotations,
        lease,
        settle: args.settle,
        job: JobSettings {
            image,
            registry_secret: args.registry_secret.clone(),
            plain_http: args.plain_http,
            sidecar: args.job_sidecar,
        },
    })
}
