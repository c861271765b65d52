//! One running Envoy: started, watched, stopped. Leaves no process behind, whatever happens to this one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::admin::{Admin, AdminAddress, Stats};
use crate::bootstrap::Bootstrap;
use crate::error::Error;
use crate::find::{EnvoyBinary, find};
use crate::logs::{self, LogLevel};
use crate::tunnels::{self, Tunnel};

mod child;
use child::Child;

/// The name of the listener that apps are pointed at, in both templates.
pub const PROXY_LISTENER: &str = "proxy";

/// In Envoy's folder.
const TUNNEL_LOG: &str = "tunnels.log";
const POLL: Duration = Duration::from_millis(10);
/// How often a free port may turn out to be taken between finding it and binding it.
const PORT_TRIES: u32 = 5;

/// How to start Envoy.
#[derive(Debug, Clone)]
pub struct Options {
    /// The Envoy to run; found by [`find`] if it is `None`.
    pub envoy: Option<EnvoyBinary>,
    /// Worker threads.
    pub concurrency: u32,
    /// How much to log.
    pub log_level: LogLevel,
    /// How long Envoy may take to become ready.
    /// A big module gets more; see [`Bootstrap::loading_time`].
    pub ready_within: Duration,
    /// The listener that has to be there for Envoy to be ready, and that apps are pointed at.
    pub listener: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            envoy: None,
            concurrency: 1,
            log_level: LogLevel::Info,
            ready_within: Duration::from_secs(30),
            listener: PROXY_LISTENER.to_owned(),
        }
    }
}

/// How Envoy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(ExitStatus);

impl Exit {
    /// The exit status, unless a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.0.code()
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.0.signal()
    }

    /// Exit status 0: it was asked to stop, and did.
    pub fn success(&self) -> bool {
        self.0.success()
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A running Envoy. Dropped, it is killed; [`Envoy::stop`] is the polite way.
#[derive(Debug)]
pub struct Envoy {
    // The order matters: the process ends before its folder goes.
    child: Child,
    dir: TempDir,
    admin: Admin,
    listeners: BTreeMap<String, SocketAddr>,
    listener: String,
    binary: EnvoyBinary,
}

impl Envoy {
    /// Starts Envoy and waits until it listens and its workers run.
    ///
    /// Its files are in a folder of its own: `envoy.json`, `envoy.log`, and the admin socket.
    pub async fn start(bootstrap: &Bootstrap, options: &Options) -> Result<Self, Error> {
        let binary = match &options.envoy {
            Some(envoy) => envoy.clone(),
            None => find()?,
        };
        let wanted = bootstrap.listen_address().filter(|address| address.port() == 0);
        let Some(any_port) = wanted else {
            return Self::start_once(bootstrap.clone(), options, binary).await;
        };
        // Envoy could choose the port by itself, but its own port is in its configuration (see `self` in the
        // template). Somebody can take the port in between: then another one is tried.
        for _ in 1..PORT_TRIES {
            let free = free_port(any_port)?;
            let bootstrap = bootstrap.clone().listen(free);
            match Self::start_once(bootstrap, options, binary.clone()).await {
                Err(Error::PortInUse { address }) if address == free.to_string() => {}
                result => return result,
            }
        }
        Self::start_once(bootstrap.clone().listen(free_port(any_port)?), options, binary).await
    }

    async fn start_once(
        mut bootstrap: Bootstrap,
        options: &Options,
        binary: EnvoyBinary,
    ) -> Result<Self, Error> {
        // Short: a Unix socket's path has at most 104 bytes on macOS.
        let dir = tempfile::Builder::new()
            .prefix("understudy-")
            .tempdir()
            .map_err(|error| Error::io("make a temporary folder", error))?;
        let address = match bootstrap.admin_address() {
            Some(address) => address.clone(),
            None => AdminAddress::Socket(dir.path().join("admin")),
        };
        bootstrap = bootstrap.admin(address.clone()).tunnel_log(dir.path().join(TUNNEL_LOG));
        let config = dir.path().join("envoy.json");
        std::fs::write(&config, format!("{:#}\n", bootstrap.to_json()?))
            .map_err(|error| Error::io(format!("write {}", config.display()), error))?;

        let child = Child::spawn(command(&binary, &config, options, dir.path())?)?;
        let (admin, listener) = (Admin::new(address), options.listener.clone());
        let mut envoy = Self { child, dir, admin, listeners: BTreeMap::new(), listener, binary };
        envoy.wait_until_ready(options.ready_within + bootstrap.loading_time()).await?;
        Ok(envoy)
    }

    async fn wait_until_ready(&mut self, within: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        loop {
            tokio::select! {
                exit = self.child.wait() => return Err(self.startup_error(exit)),
                listeners = self.ready_listeners() => {
                    if let Some(listeners) = listeners {
                        self.listeners = listeners;
                        return Ok(());
                    }
                }
            }
            if Instant::now() >= deadline {
                return Err(Error::NotReady { after: within, problems: logs::problems(&self.logs()) });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The listeners, once they take traffic: Envoy is configured and its workers run. An admin interface that doesn't
    /// answer is one that isn't there yet.
    async fn ready_listeners(&self) -> Option<BTreeMap<String, SocketAddr>> {
        if self.admin.get("/ready").await.ok()?.status != 200 {
            return None;
        }
        let workers = self.admin.stats("^listener_manager\\.workers_started$").await.ok()?;
        if workers.get("listener_manager.workers_started") != 1 {
            return None;
        }
        let listeners = self.admin.listeners().await.ok()?;
        listeners.contains_key(&self.listener).then_some(listeners)
    }

    fn startup_error(&self, exit: Exit) -> Error {
        let log = self.logs();
        let problems = logs::problems(&log);
        match logs::address_in_use(&log) {
            Some(address) => Error::PortInUse { address },
            None if logs::refused(&log) => Error::Refused { problems },
            None => Error::Died { exit, problems },
        }
    }

    /// The Envoy that runs.
    pub fn binary(&self) -> &EnvoyBinary {
        &self.binary
    }

    /// The process, which leads a group of its own.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The folder with its configuration and log; it goes when this value does.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The address that the listener called `name` is bound to.
    pub fn listener_addr(&self, name: &str) -> Option<SocketAddr> {
        self.listeners.get(name).copied()
    }

    /// The address to point apps at.
    pub fn proxy_addr(&self) -> SocketAddr {
        // It was there when Envoy became ready.
        self.listener_addr(&self.listener).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The admin interface.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Counters and gauges whose names match the regular expression `filter`; all if it is empty.
    pub async fn stats(&self, filter: &str) -> Result<Stats, Error> {
        self.admin.stats(filter).await
    }

    /// The log so far.
    pub fn logs(&self) -> String {
        let bytes = std::fs::read(self.dir.path().join("envoy.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The tunnels that were not understood. Envoy tells of the last ones when it ends: ask after [`Envoy::stop`].
    pub fn tunnels(&self) -> Vec<Tunnel> {
        let bytes = std::fs::read(self.dir.path().join(TUNNEL_LOG)).unwrap_or_default();
        tunnels::read(&String::from_utf8_lossy(&bytes))
    }

    /// The lines of the log that say what went wrong, the filter's own first.
    pub fn problems(&self) -> String {
        logs::problems(&self.logs())
    }

    /// Waits until Envoy ends, for whatever reason. Can be called again, and beside other calls.
    pub async fn wait_exit(&self) -> Exit {
        self.child.wait().await
    }

    /// Stops listening; requests under way go on.
    pub async fn drain(&self) -> Result<(), Error> {
        let answer = self.admin.post("/drain_listeners").await?;
        if answer.status == 200 {
            return Ok(());
        }
        let request = "POST /drain_listeners".to_owned();
        Err(Error::Admin { request, reason: format!("status {}", answer.status) })
    }

    /// Ends Envoy: SIGTERM, and SIGKILL if it still runs after `timeout`. Envoy doesn't wait for requests under way,
    /// nor for what the filter is sending to the collector: see to these before.
    pub async fn stop(&self, timeout: Duration) -> Exit {
        self.child.signal(Signal::TERM);
        if let Ok(exit) = tokio::time::timeout(timeout, self.child.wait()).await {
            return exit;
        }
        self.child.signal(Signal::KILL);
        self.child.wait().await
    }
}

/// Each connection is a file, and the usual limit of 1,024 is soon reached. The shell becomes Envoy: its pid is Envoy's.
const MANY_FILES: &str = r#"ulimit -n "$(ulimit -Hn)" 2>/dev/null; exec "$@""#;

fn command(binary: &EnvoyBinary, config: &Path, options: &Options, dir: &Path) -> Result<Command, Error> {
    let log = dir.join("envoy.log");
    let failed = |error| Error::io(format!("write {}", log.display()), error);
    let file = File::options().create(true).append(true).open(&log).map_err(failed)?;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", MANY_FILES, "envoy"])
        .arg(binary.path())
        .arg("-c")
        .arg(config)
        // Several Envoys on a machine would share memory under one base id.
        .arg("--disable-hot-restart")
        .args(["--concurrency", &options.concurrency.to_string()])
        .args(["--log-level", options.log_level.as_str()])
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(failed)?)
        .stderr(file)
        // Its own group: a Ctrl-C in the terminal is for us to act on, after what is under way has been kept.
        .process_group(0);
    Ok(command)
}

pub(crate) fn free_port(address: SocketAddr) -> Result<SocketAddr, Error> {
    TcpListener::bind(address)
        .and_then(|listener| listener.local_addr())
        .map_err(|error| Error::io(format!("listen on {}", address.ip()), error))
}
