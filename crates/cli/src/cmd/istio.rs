//! `understudy istio`: the resources that tap or mock in a mesh, as text for `kubectl apply -f -`.

use crate::outcome::Outcome;
use crate::{output, say};
use anyhow::{Context, ensure};
use serde_json::{Number, Value};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use understudy_ca::{Authority, Minter, ServerName, Trust};
use understudy_core::sample::Sample;
use understudy_istio::{
    Certificates, Collector, Https, Module, ROOT_NAMESPACE, Respond, Scope, Simple, Tap, pod_patch, removal,
    to_yaml,
};

/// Address of the collector that the manifests in envoy/istio deploy.
const COLLECTOR: &str = "understudy-collector.understudy.svc.cluster.local:4440";

/// Print the Istio resources that tap or mock workloads of a mesh
///
/// The command contacts no cluster: its output is for `kubectl apply -f -`. The same arguments give
/// the same output.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy istio tap -n payments --service payment --module oci://registry.example/understudy:1 | kubectl apply -f -
  understudy istio respond -n payments --service payment --module oci://registry.example/payment-mocks:1 | kubectl apply -f -
  understudy istio remove -n payments --service payment | kubectl delete --ignore-not-found -f -

Exit status: 0 printed; 2 failed.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Tap(TapArgs),
    Respond(RespondArgs),
    Certificates(CertificatesArgs),
    PodPatch(PodPatchArgs),
    Remove(RemoveArgs),
}

/// Copy the calls of workloads to the collector
///
/// The traffic isn't affected by a missing module, a crash of the filter or an unreachable
/// collector.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy istio tap -n payments --service payment --module oci://registry.example/understudy:1
  understudy istio tap --mesh --inbound --module /etc/understudy/filter.wasm

Exit status: 0 printed; 2 failed.")]
struct TapArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    module: ModuleArgs,

    /// The collector's service
    #[arg(long, value_name = "HOST:PORT", default_value = COLLECTOR)]
    collector: String,

    /// Reach the collector through Istio's own cluster for its service, with mutual TLS if the mesh
    /// has it
    #[arg(long)]
    through_mesh: bool,

    /// Copy requests to the workloads too
    #[arg(long)]
    inbound: bool,

    /// Copy only a share of the traces, from 0.000001 to 1: the same in every sidecar
    #[arg(long, value_name = "SHARE", value_parser = sample)]
    sample: Option<Sample>,

    /// Print a WasmPlugin instead of an EnvoyFilter, or a TrafficExtension (Istio 1.30): shorter,
    /// only outbound, always --through-mesh
    #[arg(
        long,
        value_name = "KIND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "wasm-plugin",
        value_parser = ["wasm-plugin", "traffic-extension"],
        conflicts_with = "inbound"
    )]
    simple: Option<String>,

    #[command(flatten)]
    https: HttpsArgs,
}

/// Answer for the backends of workloads from a bundled snapshot
///
/// While the module can't be fetched, requests are refused with 403: a mocked backend is never
/// reached. With --opt-in, this applies to workloads with the annotation; others aren't affected.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy istio respond -n payments --service payment --module oci://registry.example/payment-mocks:1
  understudy istio respond --mesh --opt-in --module oci://registry.example/mocks:1    if a pod has the annotation
                                                        replay.speedscale.com/mode: responder-only

Exit status: 0 printed; 2 failed.")]
struct RespondArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    module: ModuleArgs,

    /// Mock only workloads whose pods have the annotation replay.speedscale.com/mode:
    /// responder-only
    #[arg(long, conflicts_with = "https")]
    opt_in: bool,

    /// Snapshot of the module to use if there is no annotation replay.speedscale.com/snapshot-id
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,

    /// Treatment of a request that matches nothing recorded; default: from the snapshot
    #[arg(long, value_parser = ["fail", "passthrough", "capture"])]
    on_miss: Option<String>,

    /// Send each verdict to this collector
    #[arg(long, value_name = "HOST:PORT")]
    collector: Option<String>,

    /// Reach the collector by Istio's own cluster for its service
    #[arg(long, requires = "collector")]
    through_mesh: bool,

    #[command(flatten)]
    https: HttpsArgs,
}

/// Print certificates for HTTPS that ends in the sidecar
///
/// The output is a Secret with a certificate for the hosts, signed by your authority (`understudy
/// ca`), and a ConfigMap with the roots that the app has to trust: those of your system and that
/// authority. It doesn't contain the authority's own key. Anyone who can read the Secret can
/// impersonate these hosts to that app.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy istio certificates -n payments --service payment --https api.stripe.com,api.hubapi.com | kubectl apply --server-side -f -

Exit status: 0 printed; 2 failed.")]
struct CertificatesArgs {
    #[command(flatten)]
    scope: ScopeArgs,

    /// Hosts of the certificate, separated by commas; may be repeated
    #[arg(long, value_name = "HOST", value_delimiter = ',', required = true)]
    https: Vec<String>,

    /// Days of validity: at most 397, since some clients refuse more
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=397))]
    days: u16,

    /// Print JSON instead of YAML
    #[arg(long)]
    json: bool,
}

/// Print a patch for a pod template that mounts the certificates
///
/// For `kubectl patch`: the sidecar gets the certificates, the app's container the authority and
/// the variables by which the usual clients trust it, and the pods the label by which `tap --https`
/// and `respond --https` find them. It is a roll-out of the workload.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kubectl patch deployment payment -n payments --patch \"$(understudy istio pod-patch -n payments --service payment --container payment)\"

Exit status: 0 printed; 2 failed.")]
struct PodPatchArgs {
    #[command(flatten)]
    scope: ScopeArgs,

    /// Name of the app's container in the pod template
    #[arg(long, value_name = "NAME")]
    container: String,

    /// Print JSON instead of YAML
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct HttpsArgs {
    /// Read HTTPS to these hosts too, separated by commas, in pods that have certificates by
    /// `pod-patch`; may be repeated
    #[arg(long, value_name = "HOST", value_delimiter = ',', conflicts_with = "mesh")]
    https: Vec<String>,

    /// The port of HTTPS
    #[arg(long, value_name = "PORT", default_value_t = 443, requires = "https")]
    https_port: u16,

    /// Verify real backends with the certificates in this file of the sidecar's container instead
    /// of those of its system
    #[arg(long, value_name = "PATH", requires = "https")]
    backend_ca: Option<String>,
}

impl HttpsArgs {
    fn read(&self) -> anyhow::Result<Option<Https>> {
        if self.https.is_empty() {
            return Ok(None);
        }
        let hosts = self.https.iter().map(String::as_str);
        Ok(Some(Https::new(hosts, self.https_port, self.backend_ca.as_deref())?))
    }
}

/// Print the resources to delete in order to undo everything
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy istio remove -n payments --service payment | kubectl delete --ignore-not-found -f -

Exit status: 0 printed; 2 failed.")]
struct RemoveArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print JSON instead of YAML
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct ScopeArgs {
    /// The namespace of the workloads
    #[arg(short, long, value_name = "NAME", required_unless_present = "mesh", conflicts_with = "mesh")]
    namespace: Option<String>,

    /// All namespaces: the resources go into Istio's root namespace
    #[arg(long)]
    mesh: bool,

    /// The mesh's root namespace
    #[arg(long, value_name = "NAME", default_value = ROOT_NAMESPACE, requires = "mesh")]
    root_namespace: String,

    /// Only workloads with the label app=NAME; also the service's name in the records
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// Only workloads with this label; may be repeated
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
}

#[derive(clap::Args)]
struct ModuleArgs {
    /// Source of the module for sidecars: oci://…, https://…, or a file in their container
    #[arg(long, value_name = "ADDRESS")]
    module: String,

    /// The SHA-256 of the module, or of the image's manifest
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,

    /// Print JSON instead of YAML
    #[arg(long)]
    json: bool,
}

impl ScopeArgs {
    fn read(&self) -> anyhow::Result<Scope> {
        let namespace = self.namespace.as_deref().unwrap_or(&self.root_namespace);
        let service = self.service.as_ref().map(|name| format!("app={name}"));
        let mut labels = service.iter().chain(&self.labels);
        Ok(labels.try_fold(Scope::namespace(namespace)?, |scope, label| scope.with_label(label))?)
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    match &args.action {
        Action::Tap(args) => print(&tap(args)?, args.module.json)?,
        Action::Respond(args) => print(&respond(args)?, args.module.json)?,
        Action::Certificates(args) => print(&certificates(args)?, args.json)?,
        Action::PodPatch(args) => print_one(&pod_patch(&args.scope.read()?, &args.container), args.json)?,
        Action::Remove(args) => print(&removal(&args.scope.read()?), args.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn sample(text: &str) -> Result<Sample, String> {
    let share = text.parse::<f64>().map_err(|_| format!("{text:?} is no number such as 0.01"))?;
    Sample::try_from(share)
}

fn tap(args: &TapArgs) -> anyhow::Result<Vec<Value>> {
    let collector = Collector::new(&args.collector, args.through_mesh)?;
    let share = args.sample.and_then(|sample| Number::from_f64(sample.into()));
    let tap = Tap {
        scope: args.scope.read()?,
        module: Module::new(&args.module.module, args.module.sha256.as_deref())?,
        collector: match share {
            Some(share) => collector.sampled(share),
            None => collector,
        },
        inbound: args.inbound,
        service: args.scope.service.clone(),
        https: args.https.read()?,
    };
    match args.simple.as_deref() {
        Some("traffic-extension") => Ok(tap.simple(Simple::TrafficExtension)?),
        Some(_) => Ok(tap.simple(Simple::WasmPlugin)?),
        None => Ok(tap.resources()),
    }
}

fn respond(args: &RespondArgs) -> anyhow::Result<Vec<Value>> {
    ensure!(
        args.on_miss.as_deref() != Some("capture") || args.collector.is_some(),
        "--on-miss capture needs --collector HOST:PORT to send the exchanges to"
    );
    let collector = args.collector.as_deref().map(|address| Collector::new(address, args.through_mesh));
    let respond = Respond {
        scope: args.scope.read()?,
        module: Module::new(&args.module.module, args.module.sha256.as_deref())?,
        opt_in: args.opt_in,
        snapshot: args.snapshot.clone(),
        mocks: Vec::new(),
        on_miss: args.on_miss.clone(),
        collector: collector.transpose()?,
        service: args.scope.service.clone(),
        https: args.https.read()?,
    };
    Ok(respond.resources())
}

fn certificates(args: &CertificatesArgs) -> anyhow::Result<Vec<Value>> {
    let https = Https::new(args.https.iter().map(String::as_str), 443, None)?;
    let names = https.hosts().map(ServerName::parse).collect::<Result<Vec<_>, _>>()?;
    let authority = Authority::open_or_create(&Authority::folder()?)?;
    if let Some(warning) = authority.warning() {
        say::warning(warning);
    }
    let lifetime = Duration::from_secs(u64::from(args.days) * 24 * 60 * 60);
    let leaf = Minter::new(authority.clone(), lifetime)?.mint(&names, SystemTime::now())?;
    let folder = tempfile::tempdir().context("can't make a folder for the roots")?;
    let trust = Trust::write(&authority, folder.path())?;
    trust.warnings().iter().for_each(say::warning);
    let bundle = std::fs::read_to_string(folder.path().join("bundle.pem")).context("can't read the roots")?;
    let scope = args.scope.read()?;
    let (chain, key, authority) = (leaf.chain, leaf.key, authority.pem().to_owned());
    Ok(Certificates { scope, chain, key, authority, bundle }.resources())
}

fn print_one(value: &Value, json: bool) -> anyhow::Result<()> {
    if json { output::json(value) } else { output::text(&to_yaml(std::slice::from_ref(value))) }
}

fn print(resources: &[Value], json: bool) -> anyhow::Result<()> {
    if json {
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": resources });
        return output::json(&list);
    }
    output::text(&to_yaml(resources))
}
