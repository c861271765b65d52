//! `understudy ca`: the certificate authority that makes CMD's HTTPS calls visible.

use crate::outcome::Outcome;
use crate::{output, say};
use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_ca::{Authority, Sds, SdsOptions, Trust};
use understudy_run::Signals;

/// Show or replace the certificate authority that makes HTTPS calls visible
///
/// `record` and `respond` answer CMD's HTTPS calls with certificates that this authority signs, and
/// make CMD trust it while it runs. The authority is created when it is first needed. It belongs to
/// this user, and no other program trusts it. Its folder is $UNDERSTUDY_CONFIG, or `understudy` in
/// $XDG_CONFIG_HOME or ~/.config.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy ca                           name, file, fingerprint and validity
  understudy ca export -o understudy.crt  the certificate, for a program that needs it by hand
  understudy ca rotate                    a new authority, if others may have seen the key

Exit status: 0 done; 2 failed.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// Print machine-readable output on stdout
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    Path(PathArgs),
    Export(ExportArgs),
    Rotate(RotateArgs),
    Serve(ServeArgs),
}

/// Print the path of the certificate (PEM)
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy ca path
  curl --cacert \"$(understudy ca path)\" https://api.stripe.com

Exit status: 0 done; 2 failed.")]
struct PathArgs {}

/// Write the certificate, without its key
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy ca export -o understudy.crt
  understudy ca export --der -o understudy.der

Exit status: 0 done; 2 failed.")]
struct ExportArgs {
    /// File to write [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write DER instead of PEM
    #[arg(long)]
    der: bool,
}

/// Replace the authority by a new one
///
/// Running commands keep the old authority. Programs that were configured by hand to trust the old
/// one have to be configured again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy ca rotate

Exit status: 0 done; 2 failed.")]
struct RotateArgs {}

/// Issue certificates on demand for your own Envoy, on a Unix socket
///
/// For the bootstraps in envoy/; `record` and `respond` do this automatically. Whoever reaches the
/// socket can impersonate any server to clients that trust the authority: only this user may have
/// access to its folder. SIGTERM or Ctrl-C ends it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy ca serve
  understudy ca serve --socket run/certificates.sock --trust run/trust

Exit status: 0 stopped by a signal; 2 could not run.")]
struct ServeArgs {
    /// The socket to create
    #[arg(long, value_name = "PATH", default_value = "/run/understudy/certificates.sock")]
    socket: PathBuf,

    /// Write files that make an app trust the authority to this folder, without its key: bundle.pem
    /// and extra.pem
    #[arg(long, value_name = "FOLDER")]
    trust: Option<PathBuf>,

    /// An address that apps call by TLS without a server name, such as https://10.0.0.5; may be
    /// repeated
    #[arg(long = "address", value_name = "IP")]
    addresses: Vec<IpAddr>,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let folder = Authority::folder()?;
    match args.action {
        Some(Action::Rotate(_)) => rotate(&folder, args.json)?,
        Some(Action::Serve(serving)) => serve(open(&folder)?, serving).await?,
        Some(Action::Export(export)) => write(&open(&folder)?, &export)?,
        Some(Action::Path(_)) if !args.json => {
            output::text(&format!("{}\n", open(&folder)?.path().display()))?
        }
        Some(Action::Path(_)) | None => tell(&open(&folder)?, args.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn open(folder: &Path) -> anyhow::Result<Authority> {
    let authority = Authority::open_or_create(folder)?;
    if let Some(warning) = authority.warning() {
        say::warning(warning);
    }
    Ok(authority)
}

fn tell(authority: &Authority, json: bool) -> anyhow::Result<()> {
    let ((first, last), path, sha256) = (authority.days(), authority.path(), authority.fingerprint());
    if json {
        return output::json(&json!({
            "name": authority.name(), "path": path, "sha256": sha256, "not_before": first, "not_after": last,
        }));
    }
    output::text(&format!(
        "{}\n  certificate  {}\n  SHA-256      {sha256}\n  valid        {first} to {last}\n",
        authority.name(),
        path.display()
    ))
}

fn write(authority: &Authority, args: &ExportArgs) -> anyhow::Result<()> {
    let bytes = if args.der { authority.der() } else { authority.pem().as_bytes() };
    match &args.output {
        Some(path) => output::file(path, |out| out.write_all(bytes)),
        None => std::io::stdout().lock().write_all(bytes).context("can't write to stdout"),
    }
}

fn rotate(folder: &Path, json: bool) -> anyhow::Result<()> {
    let authority = Authority::rotate(folder)?;
    say::line("a new certificate authority; runs under way keep the old one");
    tell(&authority, json)
}

async fn serve(authority: Authority, args: ServeArgs) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    if let Some(folder) = &args.trust {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
        for warning in Trust::write(&authority, folder)?.warnings() {
            say::warning(warning);
        }
    }
    let mut options = SdsOptions::default();
    options.addresses.extend(args.addresses);
    let socket = args.socket.display();
    let sds = Sds::serve_with(authority, &args.socket, options).await?;
    say::line(format_args!("certificates on demand at {socket}"));
    signals.next().await;
    let counts = sds.shutdown().await;
    let refused = say::count(counts.refused, "name");
    say::line(format_args!("{} made, {refused} refused", say::count(counts.minted, "certificate")));
    Ok(())
}
