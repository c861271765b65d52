//! The `understudy-controller` program: reads the arguments and runs the controller of
//! `TrafficReplay` resources until it is told to stop.
//!
//! A program of its own, so that the `understudy` command needs no Kubernetes client.
//!
//! Exit status: 0 stopped as asked, 2 could not run.

use anyhow::{Context, bail};
use clap::Parser;
use kube::{Client, Config};
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use understudy_controller::{Controller, Group, JobSettings, LeaseSettings, Settings, parse_duration};

/// Time after its last renewal until another controller may take the lease.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// Longest time to wait for the next event of a watch. The API server ends a watch within five
/// minutes; a connection that is silent for longer is dead.
const READ_TIMEOUT: Duration = Duration::from_secs(330);
/// Exit status of a program that could not run.
const COULD_NOT_RUN: u8 = 2;

/// Run the controller of TrafficReplay resources in a mesh of Istio
///
/// The controller mocks workloads with EnvoyFilters and replays traffic with jobs, as the resources
/// and the annotations of workloads ask for. The cluster is that of the pod it runs in, or that of
/// the current kubeconfig. SIGTERM or Ctrl-C stops the controller; mocks stay as they are.
#[derive(Parser)]
#[command(name = "understudy-controller", version, max_term_width = 110)]
#[command(after_help = "\
Examples:
  understudy-controller --definition | kubectl apply -f -
  understudy-controller --registry oci://registry.example/team
  understudy-controller --leader-election --metrics 0.0.0.0:8080

Exit status: 0 stopped as asked; 2 could not run.")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Args {
    /// Registry of snapshots that a resource names without one
    #[arg(long, value_name = "oci://REGISTRY/TEAM")]
    registry: Option<String>,

    /// Watch this namespace only [default: all namespaces]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,

    /// Watch resources of speedscale.com/v1 too
    #[arg(long)]
    contract_group: bool,

    /// Allow a resource to mock workloads of other namespaces
    #[arg(long)]
    other_namespaces: bool,

    /// Ignore the annotations of workloads
    #[arg(long)]
    no_annotations: bool,

    /// Serve /healthz, /readyz and /metrics at this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<String>,

    /// Work only while holding the lease, which one of several controllers has
    #[arg(long)]
    leader_election: bool,

    /// Name of the lease
    #[arg(long, value_name = "NAME", default_value = "understudy-controller")]
    lease: String,

    /// Namespace of the lease [default: POD_NAMESPACE]
    #[arg(long, value_name = "NAME")]
    lease_namespace: Option<String>,

    /// Time that sidecars get to load the mocks before a replay sends requests
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    settle: Duration,

    /// Image with the understudy command, for the jobs of replays; without one, no replay runs
    #[arg(long, value_name = "IMAGE")]
    job_image: Option<String>,

    /// Secret with the registry's credentials, in the namespace of each replay, for its job
    #[arg(long, value_name = "NAME")]
    registry_secret: Option<String>,

    /// Let jobs use HTTP without TLS to the registry
    #[arg(long)]
    plain_http: bool,

    /// Give jobs a sidecar, for services that require mutual TLS
    #[arg(long)]
    job_sidecar: bool,

    /// Print the resource's definition and exit
    #[arg(long)]
    definition: bool,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(
        env_logger::Env::new().filter_or("UNDERSTUDY_LOG", "warn,understudy_controller=info"),
    )
    .format_timestamp(None)
    .init();
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {}", message(&error)));
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    if args.definition {
        return print_definition(args.contract_group);
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(control(args))
}

fn print_definition(contract_group: bool) -> anyhow::Result<()> {
    let group = if contract_group { Group::Contract } else { Group::Own };
    let text = understudy_istio::to_yaml(&[serde_json::to_value(group.definition())?]);
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("can't write to stdout")
}

async fn control(args: &Args) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let settings = settings(args)?;
    let mut config = Config::infer()
        .await
        .context("no cluster: run it in a pod with a service account, or set KUBECONFIG")?;
    // The controller retries itself and logs each failure. The client's own retries are silent for
    // minutes while a server is busy.
    config.default_retry = false;
    config.read_timeout = Some(READ_TIMEOUT);
    let mut controller = Controller::new(Client::try_from(config)?, settings);
    if let Some(address) = &args.metrics {
        let local = controller.serve(address).await?;
        say(format_args!("metrics and probes at {local}"));
    }
    if args.job_image.is_none() {
        say("no --job-image is given: resources that send requests can't run");
    }
    say("waiting for TrafficReplay resources");
    controller
        .run_until(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    Ok(())
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    if let Some(registry) = args.registry.as_deref().filter(|one| !one.starts_with("oci://")) {
        bail!("{registry:?} is no registry: write oci://REGISTRY/TEAM");
    }
    Ok(Settings {
        registry: args.registry.clone(),
        namespace: args.namespace.clone(),
        contract_group: args.contract_group,
        other_namespaces: args.other_namespaces,
        annotations: !args.no_annotations,
        lease: if args.leader_election { Some(lease(args)?) } else { None },
        settle: args.settle,
        job: JobSettings {
            image: args.job_image.clone(),
            registry_secret: args.registry_secret.clone(),
            plain_http: args.plain_http,
            sidecar: args.job_sidecar,
        },
    })
}

fn lease(args: &Args) -> anyhow::Result<LeaseSettings> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let namespace = args.lease_namespace.clone().or_else(|| variable("POD_NAMESPACE"));
    Ok(LeaseSettings {
        namespace: namespace.context(
            "--leader-election needs a namespace: set POD_NAMESPACE, or name one with --lease-namespace",
        )?,
        name: args.lease.clone(),
        identity: variable("POD_NAME").unwrap_or_else(|| format!("process-{}", std::process::id())),
        duration: LEASE_DURATION,
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("{text:?} is no duration: write 500ms, 30s, 5m or 1h30m"))
}

/// The error with its causes, each cause once.
fn message(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        match (text.is_empty(), text.contains(&cause)) {
            (true, _) => cause,
            (false, true) => text,
            (false, false) => format!("{text}: {cause}"),
        }
    })
}

/// Writes one line to stderr. A stderr that is closed is no reason to stop, and `eprintln!` would
/// panic there.
fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "understudy-controller: {text}");
}
