//! One running Envoy: started, watched, stopped. Leaves no process behind, however this process
//! ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::admin::{Admin, AdminAddress, EnvoyStats};
use crate::bootstrap::Bootstrap;
use crate::error::Error;
use crate::exit::EnvoyExit;
use crate::find::{EnvoyBinary, find};
use crate::logs::{self, LogLevel};
use crate::ports::free_port;
use crate::tunnels::{self, Tunnel};

mod child;
use child::Child;

/// The name of the listener for apps, in both templates.
pub const PROXY_LISTENER: &str = "proxy";

/// The file name of the tunnel log, in Envoy's folder.
const TUNNEL_LOG: &str = "tunnels.log";
const POLL: Duration = Duration::from_millis(10);
/// The maximum number of attempts to bind a free port, which another process may take first.
const PORT_TRIES: u32 = 5;

/// The options for a start of Envoy.
#[derive(Debug, Clone)]
pub struct Options {
    /// The Envoy to run; `None` takes the one that [`find`] returns.
    pub envoy: Option<EnvoyBinary>,
    /// The number of worker threads.
    pub concurrency: u32,
    /// The detail of its log.
    pub log_level: LogLevel,
    /// Time limit for Envoy to become ready. A large module gets more; see
    /// [`Bootstrap::loading_time`].
    pub ready_within: Duration,
    /// The listener for apps. Envoy counts as ready when it exists.
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

/// A running Envoy. It is killed when dropped; [`Envoy::stop`] stops it gracefully.
#[derive(Debug)]
pub struct Envoy {
    // The order matters: the process ends before its folder is removed.
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
    /// Its files are in a temporary folder: `envoy.json`, `envoy.log`, and the admin socket.
    pub async fn start(bootstrap: &Bootstrap, options: &Options) -> Result<Self, Error> {
        let binary = match &options.envoy {
            Some(envoy) => envoy.clone(),
            None => find()?,
        };
        let free_port_wanted = bootstrap.listen_address().filter(|address| address.port() == 0);
        let Some(any_port) = free_port_wanted else {
            return Self::start_once(bootstrap.clone(), options, binary).await;
        };
        // Envoy could choose the port itself, but its configuration contains the port (see `self`
        // in the template). If another process takes the port first, another one is tried.
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
        // The name is short, because the path of a Unix socket has at most 104 bytes on macOS.
        let dir = tempfile::Builder::new()
            .prefix("understudy-")
            .tempdir()
            .map_err(|error| Error::io("create a temporary folder", error))?;
        let address = match bootstrap.admin_address() {
            Some(address) => address.clone(),
            None => AdminAddress::Socket(dir.path().join("admin")),
        };
        bootstrap = bootstrap.admin(address.clone()).tunnel_log(dir.path().join(TUNNEL_LOG));
        let config = dir.path().join("envoy.json");
        std::fs::write(&config, format!("{:#}\n", bootstrap.to_json()?))
            .map_err(|error| Error::io(format!("write {}", config.display()), error))?;

        let child = Child::spawn(command(&binary, &config, options, dir.path())?)?;
        let mut envoy = Self {
            child,
            dir,
            admin: Admin::new(address),
            listeners: BTreeMap::new(),
            listener: options.listener.clone(),
            binary,
        };
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

    /// The listeners, once they accept traffic: Envoy is configured and its workers run. While the
    /// admin interface doesn't respond, Envoy isn't ready.
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

    fn startup_error(&self, exit: EnvoyExit) -> Error {
        let log = self.logs();
        let problems = logs::problems(&log);
        match logs::address_in_use(&log) {
            Some(address) => Error::PortInUse { address },
            None if logs::refused(&log) => Error::Refused { problems },
            None => Error::Died { exit, problems },
        }
    }

    /// The binary that runs.
    pub fn binary(&self) -> &EnvoyBinary {
        &self.binary
    }

    /// The process number. The process leads its own group.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The folder with its configuration and log. It is removed when this value is dropped.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The address to which the listener `name` is bound.
    pub fn listener_addr(&self, name: &str) -> Option<SocketAddr> {
        self.listeners.get(name).copied()
    }

    /// The address of the proxy for apps.
    pub fn proxy_addr(&self) -> SocketAddr {
        // The listener existed when Envoy became ready.
        self.listener_addr(&self.listener).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The admin interface.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// The counters and gauges whose names match the regular expression `filter`; all if it is
    /// empty.
    pub async fn stats(&self, filter: &str) -> Result<EnvoyStats, Error> {
        self.admin.stats(filter).await
    }

    /// The log so far.
    pub fn logs(&self) -> String {
        let bytes = std::fs::read(self.dir.path().join("envoy.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The tunnels that Envoy couldn't read. It logs the last ones when it ends, so this is
    /// complete after [`Envoy::stop`].
    pub fn tunnels(&self) -> Vec<Tunnel> {
        let bytes = std::fs::read(self.dir.path().join(TUNNEL_LOG)).unwrap_or_default();
        tunnels::read(&String::from_utf8_lossy(&bytes))
    }

    /// The lines of the log that show failures, the filter's first.
    pub fn problems(&self) -> String {
        logs::problems(&self.logs())
    }

    /// Waits until Envoy ends, for any reason. Can be called repeatedly and concurrently.
    pub async fn wait_exit(&self) -> EnvoyExit {
        self.child.wait().await
    }

    /// Stops listening. Requests in flight continue.
    pub async fn drain(&self) -> Result<(), Error> {
        let response = self.admin.post("/drain_listeners").await?;
        if response.status == 200 {
            return Ok(());
        }
        let request = "POST /drain_listeners".to_owned();
        Err(Error::Admin { request, reason: format!("status {}", response.status) })
    }

    /// Ends Envoy by SIGTERM, and by SIGKILL if it still runs after `timeout`. Envoy waits neither
    /// for requests in flight nor for the filter's batches: callers have to wait for these before.
    pub async fn stop(&self, timeout: Duration) -> EnvoyExit {
        self.child.signal(Signal::TERM);
        if let Ok(exit) = tokio::time::timeout(timeout, self.child.wait()).await {
            return exit;
        }
        self.child.signal(Signal::KILL);
        self.child.wait().await
    }
}

/// Raises the limit of open files, because each connection is one and the usual limit is 1,024. The
/// shell replaces itself by Envoy, so that its process number is Envoy's.
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
        // Otherwise several Envoys on a machine would share memory under one base id.
        .arg("--disable-hot-restart")
        .args(["--concurrency", &options.concurrency.to_string()])
        .args(["--log-level", options.log_level.as_str()])
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(failed)?)
        .stderr(file)
        // Envoy has its own group: Ctrl-C in the terminal goes to this process, which first stores
        // what is in flight.
        .process_group(0);
    Ok(command)
}
