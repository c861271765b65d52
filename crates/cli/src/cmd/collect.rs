//! `understudy collect`: the collector as a service.

use crate::outcome::Outcome;
use crate::{say, when};
use anyhow::bail;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use understudy_collector::{Collector, CollectorConfig, CollectorError, StoreConfig, StoreUrl};

/// Run the collector, which stores the records of filters
///
/// It receives batches (POST /v1/exchanges), stores them durably in a folder or in S3, and serves
/// /healthz, /readyz and /metrics. SIGTERM or Ctrl-C ends it; acknowledged batches are kept.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy collect --store captures
  understudy collect --store /var/lib/understudy --listen 0.0.0.0:4440
  understudy collect --store s3://captures/payments --listen 0.0.0.0:4440

Exit status: 0 stopped by a signal; 2 could not run.")]
pub(crate) struct Args {
    /// Store for batches: a folder, or s3://BUCKET/PREFIX, which any number of collectors may share
    #[arg(long, value_name = "URL")]
    store: StoreUrl,

    /// Endpoint of a service compatible with S3; default: AWS_ENDPOINT_URL, or Amazon's. http://
    /// requires AWS_ALLOW_HTTP=true
    #[arg(long, value_name = "URL")]
    s3_endpoint: Option<String>,

    /// Compact the small objects of a bucket that are older than this into larger ones; `never`
    /// leaves them
    #[arg(long, alias = "join", value_name = "AGE", default_value = "5m", value_parser = compact_age)]
    compact: CompactAge,

    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4440")]
    listen: String,
}

/// The age at which objects are compacted, if at all.
#[derive(Clone, Copy, Debug)]
struct CompactAge(Option<Duration>);

fn compact_age(text: &str) -> Result<CompactAge, String> {
    if text == "never" { Ok(CompactAge(None)) } else { when::duration(text).map(|age| CompactAge(Some(age))) }
}

pub(crate) async fn run(args: Args) -> Outcome {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    if args.s3_endpoint.is_some() && matches!(args.store, StoreUrl::Folder(_)) {
        bail!("--s3-endpoint is of no use with the folder {}; leave it out", args.store);
    }
    let mut store = StoreConfig::at(&args.store, args.s3_endpoint.as_deref())?;
    if let StoreConfig::Bucket(bucket) = &mut store {
        bucket.compact_age = args.compact.0;
    }
    let bound = Collector::bind(&args.listen, CollectorConfig::with_store(store)).await;
    let collector = bound.map_err(|error| match error {
        // As it was given, which may be a name.
        CollectorError::Listen { source, .. } => {
            CollectorError::Listen { address: args.listen.clone(), source }
        }
        other => other,
    })?;
    say::line(format_args!("collecting on {} into {}", collector.local_addr(), args.store));
    let summary = collector
        .run_until(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    let (missing, dropped) = (summary.gaps.missing_batches(), summary.gaps.dropped_records());
    if missing > 0 || dropped > 0 {
        say::warning(format_args!(
            "{} missing, {} dropped by filters",
            say::count(missing, "batch"),
            say::count(dropped, "record")
        ));
    }
    if summary.cut_connections > 0 || summary.unsealed_segments > 0 {
        say::warning(format_args!(
            "{} cut in the middle of a request; {} left for the next start to seal",
            say::count(summary.cut_connections as u64, "connection"),
            say::count(summary.unsealed_segments, "segment")
        ));
    }
    Ok(ExitCode::SUCCESS)
}
