//! Runs CMD behind the proxy and waits for its exit. No process of CMD's group outlives the run,
//! however CMD or the command itself ends.

use crate::observer::{Event, Observer};
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

/// Hosts that bypass the proxy, unless the user includes them.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Number of signals that CMD may handle itself. After them it is killed.
const POLITE_SIGNALS: u32 = 2;

/// Settings of the process that runs behind Envoy.
#[derive(Clone, Copy, Debug)]
pub struct CmdEnvironment<'a> {
    /// Address on which Envoy accepts CMD's requests.
    pub proxy: SocketAddr,
    /// Files and variables that make CMD trust the certificates of this run.
    pub trust: &'a Trust,
    /// True if calls to this machine go through Envoy too.
    pub include_localhost: bool,
    /// True if CMD's stdout goes to our stderr, because a machine reads ours.
    pub stdout_to_stderr: bool,
    /// Time that CMD has to exit after it was asked to.
    pub grace: Duration,
}

/// Runs CMD in a process group of its own until it exits, ends the processes that it has left
/// behind, and returns its status as a shell does. If Envoy dies, this is reported, and CMD is
/// ended.
pub(crate) async fn run(
    command: &[String],
    environment: CmdEnvironment<'_>,
    envoy: &Envoy,
    signals: &mut Signals,
    observer: &dyn Observer,
) -> anyhow::Result<u8> {
    let mut guard = Guard::new()?;
    let mut child = spawn(command, &environment)?;
    let group = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).context("CMD has no process")?;
    guard.watch(group.as_raw_nonzero().get().unsigned_abs())?;
    let terminal = Terminal::lend_to(group)?;
    let status = wait(&mut child, group, environment.grace, terminal, signals, envoy, observer).await?;
    if test_kill_process_group(group).is_ok() {
        // Dropping the guard asks the rest of the group to exit, and then kills it.
        tokio::task::spawn_blocking(move || drop(guard)).await?;
    } else {
        guard.release();
    }
    Ok(status)
}

fn spawn(command: &[String], environment: &CmdEnvironment<'_>) -> anyhow::Result<Child> {
    let mut cmd = behind(command, environment)?;
    if environment.stdout_to_stderr {
        use std::os::fd::AsFd;
        cmd.stdout(Stdio::from(std::io::stderr().as_fd().try_clone_to_owned()?));
    }
    start(cmd)
}

/// Command whose requests go through Envoy, in a process group of its own.
pub(crate) fn behind(command: &[String], environment: &CmdEnvironment<'_>) -> anyhow::Result<Command> {
    let (program, args) = command.split_first().context("no command: say what to run after `--`")?;
    let url = format!("http://{}", environment.proxy);
    let mut cmd = Command::new(program);
    cmd.args(args).process_group(0).kill_on_drop(true);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        cmd.env(name, &url);
    }
    cmd.env_remove("ALL_PROXY").env_remove("all_proxy");
    let users = ["NO_PROXY", "no_proxy"].map(|name| std::env::var(name).unwrap_or_default());
    let no_proxy = no_proxy(&users.join(","), environment.include_localhost);
    cmd.env("NO_PROXY", &no_proxy).env("no_proxy", &no_proxy);
    cmd.envs(environment.trust.environment(&Proxy { address: environment.proxy, no_proxy: &no_proxy }));
    Ok(cmd)
}

/// Starts a command. The error says what to do.
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

/// Value of `NO_PROXY`: the user's own hosts, each once, and this machine unless it is included.
fn no_proxy(users: &str, include_localhost: bool) -> String {
    let mut hosts: Vec<&str> = Vec::new();
    let own = if include_localhost { [].as_slice() } else { &THIS_MACHINE };
    for host in users.split(',').map(str::trim).chain(own.iter().copied()) {
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
    observer: &dyn Observer,
) -> anyhow::Result<u8> {
    let mut envoy_died = false;
    let mut signals_sent = 0;
    let mut deadline = None;
    loop {
        let signal = tokio::select! {
            status = child.wait() => return Ok(shell_status(status?)),
            signal = signals.next() => signal,
            _ = envoy.wait_exit(), if !envoy_died => {
                envoy_died = true;
                observer.event(&Event::EnvoyDied);
                Signal::TERM
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                signals_sent = POLITE_SIGNALS;
                Signal::KILL
            }
            never = tend(&mut terminal) => match never {},
        };
        signals_sent += 1;
        let killed = signals_sent > POLITE_SIGNALS;
        deadline = if killed { None } else { deadline.or(Some(Instant::now() + grace)) };
        // CMD isn't reaped yet, so the group is still its own. SIGCONT: a stopped process can't act
        // on the signal.
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
    fn no_proxy_keeps_the_users_hosts_and_adds_this_machine() {
        #[track_caller]
        fn check(users: &str, include_localhost: bool, expect: &str) {
            assert_eq!(no_proxy(users, include_localhost), expect);
        }
        check(",", false, "localhost,127.0.0.1,::1");
        check("a.test, .b.test,a.test", false, "a.test,.b.test,localhost,127.0.0.1,::1");
        check("localhost", false, "localhost,127.0.0.1,::1");
        check(",", true, "");
        check("a.test,localhost,127.0.0.1,::1", true, "a.test");
    }
}
