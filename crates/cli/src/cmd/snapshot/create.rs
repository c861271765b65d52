//! `understudy snapshot create`: makes a snapshot of some of a capture store.

use super::place::PlaceArgs;
use crate::outcome::Outcome;
use crate::{output, say, when};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use understudy_collector::{Reader, Selected, Selection, SelectionCounts, StoreUrl};
use understudy_core::backend::Pattern;
use understudy_core::config::{Config, RedactionConfig};
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::redact::{Redactor, Settings, contains_token};
use understudy_core::sample::Sample;
use understudy_core::time;
use understudy_run::{Interrupted, RecordingContext, Signals, SnapshotDraft};
use understudy_snapshot::{Existing, Header, Snapshot};

/// Make a snapshot of a capture store
///
/// A collector may write to the store meanwhile; the snapshot holds what the store has now. Rules
/// are learned, as `record` does. The snapshot is written as a whole or not at all.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy snapshot create payment --store /var/lib/understudy --service payment
  understudy snapshot create payment --store file:///var/lib/understudy --service payment --from 2h --to 1h
  understudy snapshot create night --store captures --from 2026-11-21T00:00:00Z --to 2026-11-21T06:00:00Z --backend api.stripe.com
  understudy snapshot create payment --store captures --redaction redaction.json    the filter's `redaction`, with the key

Exit status: 0 created; 2 failed, or no exchange was selected.")]
pub(super) struct Args {
    /// The snapshot's name
    name: String,

    /// The capture store: the collector's folder, file:///path/to/it, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "URL")]
    store: StoreUrl,

    /// The service, as named in its filter's configuration; required if the store holds several
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// Exchanges that started then or later: 2026-11-21T08:00:00Z, or how long ago, such as 2h or
    /// 10m
    #[arg(long, value_name = "TIME", value_parser = time_of)]
    from: Option<u64>,

    /// Exchanges that started before this time
    #[arg(long, value_name = "TIME", value_parser = time_of)]
    to: Option<u64>,

    /// Only calls of these backends: api.stripe.com, 'dynamodb.*', 'https://*'; may be repeated
    #[arg(long = "backend", value_name = "PATTERN")]
    backends: Vec<Pattern>,

    /// The folder to write [default: NAME in the folder of snapshots]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,

    /// The `redaction` of the filter's configuration, as JSON: the same secrets then match
    #[arg(long, value_name = "FILE")]
    redaction: Option<PathBuf>,

    /// Keep exchanges with OpenTelemetry, Zipkin, Datadog, Sentry and similar services
    #[arg(long)]
    keep_telemetry: bool,

    /// Replace an existing snapshot; other files in its folder stay
    #[arg(long)]
    force: bool,

    /// A machine-readable summary on stdout
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    place: PlaceArgs,
}

fn time_of(text: &str) -> Result<u64, String> {
    when::time(text, say::now())
}

pub(super) async fn run(args: Args) -> Outcome {
    let target = match &args.output {
        Some(folder) => folder.clone(),
        None => args.place.of(&args.name)?,
    };
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        bail!("--from {} isn't before --to {}", time::to_rfc3339(from), time::to_rfc3339(to));
    }
    let RecordingContext { redaction, inbound } = context(&args)?;
    let mut signals = Signals::new()?;
    let taken = tokio::select! {
        taken = take(&args, &target, redaction.as_ref()) => taken?,
        // Dropping the draft removes what was written.
        signal = signals.next() => return Err(Interrupted { signal, before: "the snapshot was written" }.into()),
    };
    let header = Header {
        name: args.name.clone(),
        service: taken.service.clone(),
        recorded: taken.last,
        sample: taken.sample,
        redaction,
        inbound,
        ..Header::default()
    };
    let (repeated, has_tokens, called) = (taken.repeated, taken.has_tokens, taken.inbound);
    let snapshot = taken.draft.finish(header)?;
    if has_tokens && snapshot.header().redaction.is_none() {
        say::warning(
            "secrets in it were replaced in the sidecar: if the filter's `redaction` has a key, give it with --redaction, or requests \
             that hold secrets won't match",
        );
    }
    tell(&args, &snapshot, repeated, called)
}

/// The context that `record` has left in the folder, with the redaction of `--redaction` if given.
fn context(args: &Args) -> anyhow::Result<RecordingContext> {
    let context = match &args.store {
        StoreUrl::Folder(folder) => RecordingContext::read(folder)?,
        _ => RecordingContext::default(),
    };
    let Some(path) = &args.redaction else { return Ok(context) };
    let read = || -> anyhow::Result<RedactionConfig> {
        let object: Value = serde_json::from_slice(&std::fs::read(path)?)?;
        let config = Config::from_json(json!({ "redaction": object }).to_string().as_bytes())?;
        Ok(config.redaction)
    };
    let redaction = read().with_context(|| {
        format!("can't read {} as the `redaction` of a filter's configuration", path.display())
    })?;
    let RedactionConfig { enabled, key, headers, fields, allow } = redaction;
    let redaction = enabled.then_some(Settings { key, headers, fields, allow });
    Ok(RecordingContext { redaction, ..context })
}

/// The exchanges that were selected from the store.
struct Taken {
    draft: SnapshotDraft<'static>,
    service: Option<String>,
    /// Start of the last exchange.
    last: u64,
    repeated: u64,
    sample: Sample,
    has_tokens: bool,
    inbound: u64,
}

async fn take(args: &Args, target: &std::path::Path, redaction: Option<&Settings>) -> anyhow::Result<Taken> {
    let selection = Selection {
        service: args.service.clone(),
        from: args.from,
        to: args.to,
        backends: args.backends.clone(),
    };
    let redactor = redaction.map(Redactor::new);
    let mut selected = Selected::new(Reader::at(&args.store).await?, selection);
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    let mut draft = SnapshotDraft::begin(target, existing, args.keep_telemetry, &say::Console)?;
    let (mut services, mut last, mut has_tokens, mut inbound) = (BTreeSet::new(), 0, false, 0);
    while let Some((mut exchange, service)) = selected.next().await? {
        if !services.contains(&service) {
            services.insert(service);
            one_service(&services)?;
        }
        if let Some(redactor) = &redactor {
            redactor.exchange(&mut exchange);
        }
        last = last.max(exchange.time);
        has_tokens = has_tokens || holds_token(&exchange);
        inbound += u64::from(exchange.direction == Direction::Inbound);
        draft.push(&exchange)?;
    }
    if draft.is_empty() {
        bail!(
            "no exchange in {} was selected ({} read); `understudy snapshot list --store {}` shows what it holds",
            args.store,
            say::count(selected.counts().read, "exchange"),
            args.store
        );
    }
    let (service, SelectionCounts { repeated, sample, .. }) =
        (services.into_iter().next().flatten(), selected.counts());
    Ok(Taken { draft, service, last, repeated, sample, has_tokens, inbound })
}

/// A snapshot belongs to one service: with two, either would get the answers of the other.
fn one_service(services: &BTreeSet<Option<String>>) -> anyhow::Result<()> {
    if services.len() < 2 {
        return Ok(());
    }
    let names: Vec<_> = services.iter().map(|name| name.as_deref().unwrap_or("(without a name)")).collect();
    bail!("the store holds more than one service ({}, …): say which with --service", names.join(", "))
}

/// Returns whether a request contains a token in a place that is compared.
fn holds_token(exchange: &Exchange) -> bool {
    contains_token(&exchange.request.path) || contains_token(&exchange.request.body.bytes)
}

fn tell(args: &Args, snapshot: &Snapshot, repeated: u64, inbound: u64) -> Outcome {
    let (header, path) = (snapshot.header(), snapshot.path());
    if args.json {
        output::json(&json!({
            "snapshot": path,
            "service": header.service,
            "backends": header.backends.iter().map(|(name, b)| json!({ "backend": name, "exchanges": b.exchanges })).collect::<Vec<_>>(),
            "inbound": inbound,
            "repeated": repeated,
            "rules": header.rules,
        }))?;
    }
    let called = match inbound {
        0 => String::new(),
        requests => format!("{} and ", say::count(requests, "inbound request")),
    };
    say::line(format_args!(
        "{}: {called}{} with {} taken from {}",
        path.display(),
        say::count(header.outbound(), "exchange"),
        say::count(header.backends.len() as u64, "backend"),
        args.store
    ));
    for (name, backend) in &header.backends {
        say::block(format_args!("  {:>6}  {name}\n", backend.exchanges));
    }
    if !header.sample.is_whole() {
        say::warning(format_args!(
            "{} of the exchanges were recorded (`sample` in the filter's configuration): the others will miss",
            header.sample
        ));
    }
    if repeated > 0 {
        say::line(format_args!("{} sent more than once, and used once", say::count(repeated, "exchange")));
    }
    say::learned(path, &header.rules);
    Ok(ExitCode::SUCCESS)
}
