//! `understudy bundle`: makes one module of the filter and a snapshot's table.

use crate::oci::{self, Image, Layout};
use crate::outcome::Outcome;
use crate::{output, say};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use understudy_compile::bundle;
use understudy_core::digest;
use understudy_run::module::ModuleParts;

/// Make one module of the filter and a snapshot's table
///
/// The result is deterministic: the same snapshot gives the same bytes. Envoy runs the module
/// unchanged.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy bundle snapshots/payment -o filter.wasm    the filter with the table inside
  understudy bundle --plain -o filter.wasm              the filter without a table: it taps, and mocks only miss
  understudy bundle snapshots/payment --oci-layout image      an OCI image, as a folder

Exit status: 0 written; 2 failed.")]
pub(crate) struct Args {
    /// The snapshot; of several, each proxy uses the one that its annotation, its configuration or
    /// its workload's name selects
    #[arg(required_unless_present = "plain", value_name = "SNAPSHOT")]
    snapshots: Vec<PathBuf>,

    /// The module to write
    #[arg(short, long, value_name = "FILE.wasm", required_unless_present = "oci_layout")]
    output: Option<PathBuf>,

    /// Write an image as a folder, for tools that copy it to a registry; an existing image is
    /// replaced
    #[arg(long, value_name = "FOLDER")]
    oci_layout: Option<PathBuf>,

    /// Layout of the module in the image
    #[arg(long, value_enum, default_value_t, requires = "oci_layout")]
    layout: Layout,

    /// Write the filter with an empty table
    #[arg(long, conflicts_with = "snapshots")]
    plain: bool,

    /// Use this filter instead of the one inside this command: a plain module of another version
    #[arg(long, value_name = "FILE.wasm")]
    filter: Option<PathBuf>,

    /// A machine-readable summary on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if let Some(folder) = &args.oci_layout {
        oci::check_folder(folder)?;
    }
    let parts = ModuleParts::new(&args.snapshots, args.filter.as_deref(), &say::Console)?;
    let bundle = parts.bundle()?;
    let (bytes, digest) = (bundle.len(), digest::hex(&bundle.digest()));
    if let Some(path) = &args.output {
        output::file(path, |file| bundle.write_to(file))?;
    }
    let image = match &args.oci_layout {
        Some(folder) => {
            let module = bundle.into_bytes();
            let record = bundle::inspect(&module)?.record;
            let image = Image::new(module, &record, args.layout, None)?;
            oci::write_folder(folder, &image)?;
            Some(image)
        }
        None => None,
    };
    if args.json {
        let mut summary = json!({
            "file": args.output, "bytes": bytes, "signatures": parts.entries, "table": digest,
        });
        if let Some(image) = image {
            summary["oci_layout"] = json!(args.oci_layout);
            summary["digest"] = json!(image.manifest.digest);
            summary["annotations"] = json!(image.annotations);
        }
        output::json(&summary)?;
        return Ok(ExitCode::SUCCESS);
    }
    let what = match args.plain {
        true => format!("the plain filter, {bytes} bytes"),
        false => format!("{}, {bytes} bytes, table {digest}", say::count(parts.entries, "signature")),
    };
    if let Some(path) = &args.output {
        say::line(format_args!("{}: {what}", path.display()));
    }
    if let (Some(folder), Some(image)) = (&args.oci_layout, image) {
        say::line(format_args!("{}: {what}, image {}", folder.display(), image.manifest.digest));
    }
    Ok(ExitCode::SUCCESS)
}
