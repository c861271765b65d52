//! Runs CMD behind the proxy and waits for its end. However it or we end, it leaves no process behind.

use crate::say;
use crate::signals::Signals;
use crate::terminal::Terminal;
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};
use understudy_ca::{Proxy, Trust};
use understudy_envoy::{Envoy, Guard};

/// What goes past the proxy, unless it is asked for.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// So often CMD is asked to end; after that it is told to.
const ASKED_AT_MOST: u32 = 2;

/// How CMD ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself or by a signal: the status a shell would give.
    Status(u8),
    /// Envoy died first, so that CMD was stopped.
    EnvoyDied,
}

/// How CMD is to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// Where Envoy listens.
    pub(crate) proxy: SocketAddr,
    /// What makes CMD trust the certificates that it is shown there.
    pub(crate) trust: &'a Trust,
    /// Whether calls to this machine go through Envoy too.
    pub(crate) include_localhost: bool,
    /// Whether CMD's stdout is to go to our stderr, since ours is read by a machine.
    pub(crate) stdout_to_stderr: bool,
    /// How long CMD may take to end once it has been asked to.
    pub(crate) grace: Duration,
}

/// Runs CMD to its end, and ends what it has left behind. It has a process group of its own.
pub(crate) async fn run(
    command: &[String],
    terms: Terms<'_>,
    envoy: &Envoy,
    signals: &mut Signals,
) -> anyhow::Result<Ended> {
    let mut guard = Guard::new()?;
    let mut child = spawn(command, &terms)?;
    let group = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).context("CMD has no process")?;
    guard.watch(group.as_raw_nonzero().get().unsigned_abs())?;
    let terminal = Terminal::lend_to(group)?;
    let ended = wait(&mut child, group, terms.grace, terminal, signals, envoy).await?;
    if test_kill_process_group(group).is_ok() {
        // The guard does what it is for: it asks the group to end, and then kills it.
        tokio::task::spawn_blocking(move || drop(guard)).await?;
    } else {
        guard.release();
    }
    Ok(ended)
}

fn spawn(command: &[String], terms: &Terms<'_>) -> anyhow::Result<Child> {
    let mut cmd = behind(command, terms)?;
    if terms.stdout_to_stderr {
        use std::os::fd::AsFd;
        cmd.stdout(Stdio::from(std::io::stderr().as_fd().try_clone_to_owned()?));
    }
    start(cmd)
}

/// A command whose requests go through Envoy. It has a process group of its own.
pub(crate) fn behind(command: &[String], terms: &Terms<'_>) -> anyhow::Result<Command> {
    let (program, args) = command.split_first().context("no command: say what to run after `--`")?;
    let url = format!("http://{}", terms.proxy);
    let mut cmd = Command::new(program);
    cmd.args(args).process_group(0).kill_on_drop(true);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        cmd.env(name, &url);
    }
    cmd.env_remove("ALL_PROXY").env_remove("all_proxy");
    let theirs = ["NO_PROXY", "no_proxy"].map(|name| std::env::var(name).unwrap_or_default());
    let no_proxy = no_proxy(&theirs.join(","), terms.include_localhost);
    cmd.env("NO_PROXY", &no_proxy).env("no_proxy", &no_proxy);
    cmd.envs(terms.trust.environment(&Proxy { address: terms.proxy, no_proxy: &no_proxy }));
    Ok(cmd)
}

/// Starts it, or says what to do about it.
pub(crate) fn start(mut cmd: Command) -> anyhow::Result<Child> {
    let program = cmd.as_std().get_program().to_string_lossy().into_owned();
    cmd.spawn().with_context(|| format!("can't run {program:?}")).map_err(|error| {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        match kind {
            Some(ErrorKind::NotFound) if program.contains('/') => {
                error.context("CMD isn't there; check its path")
            }
            Some(ErrorKind::NotFound) => error.context("CMD isn't on the PATH; is it installed?"),
            Some(ErrorKind::PermissionDenied) => {
                error.context("CMD isn't a program that may be run; check its path, or make it executable")
            }
            _ => error,
        }
    })
}

/// What goes past the proxy: what the user said, each once, and this machine unless it is asked for.
fn no_proxy(theirs: &str, include_localhost: bool) -> String {
    let mut hosts: Vec<&str> = Vec::new();
    let own = if include_localhost { [].as_slice() } else { &THIS_MACHINE };
    for host in theirs.split(',').map(str::trim).chain(own.iter().copied()) {
        let unwanted = include_localhost && THIS_MACHINE.contains(&host);
        if !host.is_empty() && !unwanted && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts.join(",")
}

async fn wait(
    child: &mut Child,
    group: Pid,
    grace: Duration,
    mut terminal: Option<Terminal>,
    signals: &mut Signals,
    envoy: &Envoy,
) -> anyhow::Result<Ended> {
    let (mut died, mut asked, mut deadline) = (false, 0, None);
    loop {
        let signal = tokio::select! {
            status = child.wait() => {
                let status = shell_status(status?);
                return Ok(if died { Ended::EnvoyDied } else { Ended::Status(status) });
            }
            signal = signals.next() => signal,
            _ = envoy.wait_exit(), if !died => {
                died = true;
                say::line("Envoy has died: ending CMD");
                Signal::TERM
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                asked = ASKED_AT_MOST;
                Signal::KILL
            }
            never = tend(&mut terminal) => match never {},
        };
        asked += 1;
        let killed = asked > ASKED_AT_MOST;
        deadline = if killed { None } else { deadline.or(Some(Instant::now() + grace)) };
        // It ends as soon as it is reaped, so that the group is still CMD's. Stopped, it couldn't act on the signal.
        let _ = kill_process_group(group, if killed { Signal::KILL } else { signal });
        let _ = kill_process_group(group, Signal::CONT);
    }
}

async fn tend(terminal: &mut Option<Terminal>) -> std::convert::Infallible {
    match terminal {
        Some(terminal) => terminal.tend().await,
        None => std::future::pending().await,
    }
}

fn shell_status(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_past_the_proxy() {
        #[track_caller]
        fn check(theirs: &str, include_localhost: bool, expect: &str) {
            assert_eq!(no_proxy(theirs, include_localhost), expect);
        }
        check(",", false, "localhost,127.0.0.1,::1");
        check("a.test, .b.test,a.test", false, "a.test,.b.test,localhost,127.0.0.1,::1");
        check("localhost", false, "localhost,127.0.0.1,::1");
        check(",", true, "");
        check("a.test,localhost,127.0.0.1,::1", true, "a.test");
    }
}
