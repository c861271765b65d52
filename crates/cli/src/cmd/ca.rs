//! `understudy ca`: the certificate authority by which CMD's HTTPS calls are seen.

use crate::{Outcome, output, say};
use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_ca::{Authority, Sds, SdsOptions, Trust};
use understudy_run::Signals;

/// Show the certificate authority by which HTTPS calls are seen, or make a new one
///
/// `record` and `respond` take CMD's HTTPS calls with certificates that this authority signs, and make CMD trust it for as long as it runs.
/// It is made when it is first needed, is this user's alone, and nobody else trusts it. Its folder is $UNDERSTUDY_CONFIG, or `understudy` in
/// $XDG_CONFIG_HOME or ~/.config.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy ca                           its name, file, fingerprint and days
  understudy ca export -o understudy.crt  for a program that has to be told by hand whom to trust
  understudy ca rotate                    a new one, where somebody may have seen the key

Exit status: 0 done; 2 could not.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// The same on stdout, for a machine
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

Exit status: 0 done; 2 could not.")]
struct PathArgs {}

/// Write the certificate, without its key
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy ca export -o understudy.crt
  understudy ca export --der -o understudy.der

Exit status: 0 done; 2 could not.")]
struct ExportArgs {
    /// Where to; stdout where it isn't said
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// DER in the place of PEM
    #[arg(long)]
    der: bool,
}

/// Make a new one in the place of the old
///
/// Runs under way keep the old one. Who was told by hand to trust it has to be told again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy ca rotate

Exit status: 0 done; 2 could not.")]
struct RotateArgs {}

/// Give an Envoy of one's own certificates on demand, on a Unix socket
///
/// For the bootstraps in envoy/: `record` and `respond` do it by themselves. Whoever reaches the socket can be any server to those who trust
/// the authority: its folder has to be this user's alone. SIGTERM or Ctrl-C ends it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy ca serve
  understudy ca serve --socket run/certificates.sock --trust run/trust

Exit status: 0 ended as asked; 2 could not run.")]
struct ServeArgs {
    /// The socket, which is made
    #[arg(long, value_name = "PATH", default_value = "/run/understudy/certificates.sock")]
    socket: PathBuf,

    /// A folder for what makes an app trust the authority, without its key: bundle.pem and extra.pem
    #[arg(long, value_name = "FOLDER")]
    trust: Option<PathBuf>,

    /// An address that apps call by TLS without naming a server, such as https://10.0.0.5; can be given again
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
