//! `understudy push`: publishes a snapshot's filter as an image in a registry.

use crate::oci::{Image, Layout, Registry, Target};
use crate::outcome::Outcome;
use crate::{output, say};
use anyhow::{bail, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_compile::bundle;
use understudy_run::module::ModuleParts;

/// Publish the filter with a snapshot's table as an OCI image
///
/// Istio's agent accepts the image, which holds one file, plugin.wasm. The same snapshot gives the
/// same digest, and existing parts aren't sent again. Credentials are those of `docker login`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy push snapshots/payment oci://registry.example.com/team/payment-mocks:1
  understudy push snapshots/payment oci://localhost:5000/payment-mocks:1 --plain-http
  understudy push snapshots/payment oci://registry.example.com/team/payment-mocks:1 --layout artifact

Exit status: 0 pushed; 2 failed.")]
pub(crate) struct Args {
    /// The snapshot; of several, each proxy uses the one that its annotation, its configuration or
    /// its workload's name selects
    #[arg(required = true, value_name = "SNAPSHOT")]
    snapshots: Vec<PathBuf>,

    /// The image: oci://REGISTRY/NAME:TAG
    target: Target,

    /// Layout of the module in the image
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,

    /// Add the snapshot itself to the image, for `understudy pull` and replays; sidecars don't read
    /// it
    #[arg(long)]
    with_snapshot: bool,

    /// Use HTTP without TLS for the registry
    #[arg(long, conflicts_with = "registry_ca")]
    plain_http: bool,

    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    registry_ca: Option<PathBuf>,

    /// Use this filter instead of the one inside this command: a plain module of another version
    #[arg(long, value_name = "FILE.wasm")]
    filter: Option<PathBuf>,

    /// A machine-readable summary on stdout
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The snapshot to add to the image, if any.
    fn snapshot(&self) -> anyhow::Result<Option<&Path>> {
        if !self.with_snapshot {
            return Ok(None);
        }
        ensure!(
            self.layout == Layout::Image,
            "an artifact can't contain a snapshot: leave out --layout artifact, or --with-snapshot"
        );
        match self.snapshots.as_slice() {
            [one] => Ok(Some(one)),
            _ => bail!("--with-snapshot allows only one snapshot: push each one under its own name"),
        }
    }
}

pub(crate) async fn run(args: Args) -> Outcome {
    let snapshot = args.snapshot()?;
    let parts = ModuleParts::new(&args.snapshots, args.filter.as_deref(), &say::Console)?;
    let module = parts.bundle()?.into_bytes();
    let (record, bytes) = (bundle::inspect(&module)?.record, module.len());
    let image = Image::new(module, &record, args.layout, snapshot)?;
    let registry = Registry { plain_http: args.plain_http, ca: args.registry_ca.as_deref() };
    let bar = say::working("pushing");
    let pushed = registry.push(&args.target, &image).await;
    bar.finish_and_clear();
    let pushed = pushed?;
    let reference = format!("{}@{}", args.target, image.manifest.digest);
    if args.json {
        let summary = json!({
            "reference": reference, "digest": image.manifest.digest, "annotations": image.annotations, "bytes": bytes,
            "signatures": parts.entries, "sent": pushed.sent, "there_already": pushed.there_already,
        });
        output::json(&summary)?;
        return Ok(ExitCode::SUCCESS);
    }
    say::line(format_args!(
        "pushed {}, {bytes} bytes, {}; {} there already",
        say::count(parts.entries, "signature"),
        say::count(pushed.sent, "part"),
        pushed.there_already
    ));
    for (name, value) in &image.annotations {
        say::block(format_args!("  {name}: {value}\n"));
    }
    output::text(&format!("{reference}\n"))?;
    Ok(ExitCode::SUCCESS)
}
