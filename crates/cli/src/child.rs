//! Runs CMD behind the proxy and waits for its end. However it or we end, it leaves no process behind.

use crate::say;
use anyhow::Context;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use understudy_envoy::{Envoy, Guard};

/// How long CMD may take to end once it has been asked to.
const GRACE: Duration = Duration::from_secs(10);

/// How CMD ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself or by a signal: the status a shell would give.
    Status(u8),
    /// Envoy died first, so that CMD was stopped.
    EnvoyDied,
}

/// What CMD's environment is to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proxy {
    /// Where Envoy listens.
    pub(crate) address: SocketAddr,
    /// Whether calls to this machine go through Envoy too.
    pub(crate) include_localhost: bool,
    /// Whether CMD's stdout is to go to our stderr, since ours is read by a machine.
    pub(crate) stdout_to_stderr: bool,
}

/// Runs CMD to its end.
pub(crate) async fn run(command: &[String], proxy: Proxy, envoy: &Envoy) -> anyhow::Result<Ended> {
    let mut signals = Signals::new()?;
    // In a terminal CMD stays in our group, so that Ctrl-C and Ctrl-Z reach it as they would without us. Elsewhere it gets a group of its
    // own, which is ended as a whole.
    let own_group = !std::io::stdin().is_terminal();
    let guard = if own_group { Some(Guard::new()?) } else { None };
    let mut child = spawn(command, proxy, own_group)?;
    let pid = child.id().unwrap_or_default();
    let mut guard = guard;
    if let Some(guard) = &mut guard {
        guard.watch(pid)?;
    }
    let ended = wait(&mut child, pid, own_group, &mut signals, envoy).await?;
    if own_group {
        kill_group(pid, libc::SIGTERM);
    }
    if let Some(guard) = guard {
        guard.release();
    }
    Ok(ended)
}

fn spawn(command: &[String], proxy: Proxy, own_group: bool) -> anyhow::Result<Child> {
    let (program, args) = command.split_first().context("no command: say what to run after `--`")?;
    let url = format!("http://{}", proxy.address);
    let mut cmd = Command::new(program);
    cmd.args(args).kill_on_drop(true);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        cmd.env(name, &url);
    }
    cmd.env_remove("ALL_PROXY").env_remove("all_proxy").env("NODE_USE_ENV_PROXY", "1");
    let no_proxy = no_proxy(proxy.include_localhost);
    cmd.env("NO_PROXY", &no_proxy).env("no_proxy", &no_proxy);
    if proxy.stdout_to_stderr {
        use std::os::fd::AsFd;
        cmd.stdout(Stdio::from(std::io::stderr().as_fd().try_clone_to_owned()?));
    }
    if own_group {
        cmd.process_group(0);
    }
    cmd.spawn().with_context(|| match std::env::var_os("PATH") {
        Some(_) if !program.contains('/') => {
            format!("can't run {program:?}: is it installed, and on the PATH?")
        }
        _ => format!("can't run {program:?}"),
    })
}

/// What goes past the proxy: what the user said, and this machine unless it is asked for.
fn no_proxy(include_localhost: bool) -> String {
    let own = if include_localhost { "" } else { "localhost,127.0.0.1,::1" };
    match std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy")) {
        Ok(theirs) if !theirs.is_empty() && !own.is_empty() => format!("{theirs},{own}"),
        Ok(theirs) if !theirs.is_empty() => theirs,
        _ => own.to_owned(),
    }
}

async fn wait(
    child: &mut Child,
    pid: u32,
    own_group: bool,
    signals: &mut Signals,
    envoy: &Envoy,
) -> anyhow::Result<Ended> {
    let mut envoy_died = false;
    loop {
        tokio::select! {
            status = child.wait() => {
                return Ok(if envoy_died { Ended::EnvoyDied } else { Ended::Status(shell_status(status?)) });
            }
            which = signals.next() => {
                // A terminal has sent its signals to CMD too.
                if own_group || which != libc::SIGINT {
                    send(pid, own_group, which);
                }
                let pid = pid;
                tokio::spawn(async move {
                    tokio::time::sleep(GRACE).await;
                    send(pid, own_group, libc::SIGKILL);
                });
            }
            _ = envoy.wait_exit(), if !envoy_died => {
                envoy_died = true;
                say::line("Envoy has died: stopping CMD");
                send(pid, own_group, libc::SIGTERM);
                tokio::spawn(async move {
                    tokio::time::sleep(GRACE).await;
                    send(pid, own_group, libc::SIGKILL);
                });
            }
        }
    }
}

fn shell_status(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

fn send(pid: u32, group: bool, signal: i32) {
    if group {
        kill_group(pid, signal);
    } else {
        kill(i64::from(pid), signal);
    }
}

fn kill_group(pid: u32, signal: i32) {
    kill(-i64::from(pid), signal);
}

#[allow(unsafe_code, reason = "the standard library can't send a signal other than SIGKILL")]
fn kill(target: i64, signal: i32) {
    // 0, 1 and -1 mean "everybody" or "init".
    if let Ok(target) = i32::try_from(target)
        && target.abs() > 1
    {
        // SAFETY: no memory is involved. The process is our child and not waited for yet, or it is its group, which at worst is gone.
        unsafe { libc::kill(target, signal) };
    }
}

/// The signals that ask us to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => libc::SIGINT,
            _ = self.terminate.recv() => libc::SIGTERM,
            _ = self.hangup.recv() => libc::SIGHUP,
        }
    }
}
