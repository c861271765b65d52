//! `understudy ui`: shows snapshots and running recordings in a browser.

use crate::outcome::Outcome;
use crate::say;
use anyhow::bail;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use understudy_collector::StoreUrl;
use understudy_run::Signals;
use understudy_ui::{Config, Source, Ui};

/// Folder that is shown by default.
const FOLDER: &str = "snapshots";

/// Show snapshots, or a running recording, in a browser
///
/// For a snapshot: the service map, a checkbox per backend that turns mocking on or off, each
/// request with its answer, the rules, and the linter's findings. Without SNAPSHOT: all snapshots
/// in ./snapshots. It listens on this machine only; on any other address it requires the token in
/// the URL that it prints. Ctrl-C ends it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy ui                             the snapshots in ./snapshots
  understudy ui snapshots/payment --open    one snapshot, opened in the browser
  understudy ui --reports artifacts         with the reports of replays that ran elsewhere
  understudy ui --store captures            a collector's store, with new exchanges
  understudy ui --store new.capture         a recording in progress (`record -o new`)
  understudy ui --listen 0.0.0.0:4450       for other machines, with the printed URL

Exit status: 0 stopped by a signal; 2 could not run.")]
pub(crate) struct Args {
    /// A snapshot, or a folder with snapshots [default: ./snapshots]
    #[arg(value_name = "SNAPSHOT|FOLDER", conflicts_with = "store")]
    path: Option<PathBuf>,

    /// Show the exchanges that are being recorded into this capture store
    #[arg(long, value_name = "URL")]
    store: Option<StoreUrl>,

    /// Also show the replay reports in this folder, in addition to those that `replay` keeps with
    /// each snapshot
    #[arg(long, value_name = "FOLDER", conflicts_with = "store")]
    reports: Option<PathBuf>,

    /// Address to listen on; port 0 selects a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: String,

    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let mut signals = Signals::new()?;
    let source = source(&args)?;
    let mut config = Config::new(source);
    config.reports.clone_from(&args.reports);
    let ui = Ui::bind(&args.listen, config).await?;
    say::line(format_args!("open {} in a browser; Ctrl-C ends it", ui.url()));
    if !ui.local_addr().ip().to_canonical().is_loopback() {
        say::warning(
            "other machines can connect by this machine's name or address: anyone with the token can read and change the snapshots. There is no \
             TLS, so that the pages can be read in transit",
        );
    }
    if args.open {
        open(ui.url());
    }
    signals.next().await;
    ui.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

fn source(args: &Args) -> anyhow::Result<Source> {
    if let Some(store) = &args.store {
        return Ok(Source::Store(store.clone()));
    }
    let Some(path) = &args.path else {
        let folder = PathBuf::from(FOLDER);
        if !folder.is_dir() {
            bail!("there is no folder {FOLDER} here: name a snapshot, or a folder with snapshots");
        }
        return Ok(Source::Folder(folder));
    };
    let has = |name: &str| path.join(name).exists();
    match path.is_dir() && !has("snapshot.yaml") && !has("exchanges.ndjson") {
        true => Ok(Source::Folder(path.clone())),
        false => Ok(Source::Snapshot(path.clone())),
    }
}

/// Asks the desktop to show a page. Without a desktop, the URL is in the terminal.
fn open(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = started {
        say::warning(format_args!("no browser was opened ({program}: {error}): open the URL by hand"));
    }
}
