//! `understudy pull`: gets a pushed snapshot back into a folder.

use crate::oci::{Registry, Source};
use crate::outcome::Outcome;
use crate::{output, say};
use anyhow::{Context, bail};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_snapshot::Snapshot;

/// Get a snapshot from an image that `push --with-snapshot` made
///
/// Credentials are those of `docker login`. Content is verified against the digests that the image
/// names.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy pull oci://registry.example.com/team/payment-mocks:1 snapshots/payment
  understudy pull oci://localhost:5000/payment-mocks:1 snapshots/payment --plain-http

Exit status: 0 pulled; 2 failed.")]
pub(crate) struct Args {
    /// The image: oci://REGISTRY/NAME:TAG, or with its digest
    source: Source,

    /// The folder to create
    folder: PathBuf,

    #[command(flatten)]
    registry: RegistryArgs,

    /// A machine-readable summary on stdout
    #[arg(long)]
    json: bool,
}

/// Arguments about the connection to a registry.
#[derive(clap::Args)]
pub(crate) struct RegistryArgs {
    /// Use HTTP without TLS for the registry
    #[arg(long, conflicts_with = "registry_ca")]
    plain_http: bool,

    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    registry_ca: Option<PathBuf>,
}

impl RegistryArgs {
    /// Gets the snapshot of an image into an existing, empty folder. Returns the image's digest.
    pub(crate) async fn pull(&self, source: &Source, folder: &Path) -> anyhow::Result<String> {
        let registry = Registry { plain_http: self.plain_http, ca: self.registry_ca.as_deref() };
        let bar = say::working("pulling");
        let pulled = registry.pull(source, folder).await;
        bar.finish_and_clear();
        pulled
    }
}

pub(crate) async fn run(args: Args) -> Outcome {
    if args.folder.exists() {
        bail!("{} exists already; name a new folder", args.folder.display());
    }
    let above = args.folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(above).with_context(|| format!("can't make {}", above.display()))?;
    // Pulled into a temporary folder that is renamed when it is complete.
    let beside =
        tempfile::tempdir_in(above).with_context(|| format!("can't write into {}", above.display()))?;
    let made = beside.path().join("snapshot");
    std::fs::create_dir(&made)?;
    let digest = args.registry.pull(&args.source, &made).await?;
    let name = Snapshot::open(&made)?.header().name.clone();
    let moved: io::Result<()> = std::fs::rename(&made, &args.folder);
    moved.with_context(|| format!("can't make {}", args.folder.display()))?;
    if args.json {
        output::json(&json!({ "snapshot": name, "digest": digest, "folder": args.folder }))?;
    } else {
        say::line(format_args!("pulled {name} into {} ({digest})", args.folder.display()));
    }
    Ok(ExitCode::SUCCESS)
}
