//! A network of a test's own: two network namespaces with a wire between them, `app` here and the
//! backends at the other end. It can't reach the machine's network, and is removed with the test.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use understudy_testkit::{HTTP1, Nobody, TestAuthority, TlsFront, Upstream};

/// Set if a test runs in a network of its own.
const INSIDE: &str = "UNDERSTUDY_TEST_NETWORK";
const NEEDS: &str = "this test makes a network of its own: run it as root, or where users may make namespaces (newuidmap and lines of \
                     theirs in /etc/subuid and /etc/subgid)";
const SET_UP: &str = "run `sh scripts/setup-network.sh` first";
/// Every backend's name, which no DNS server knows.
pub(crate) const NAME: &str = "api.test";
/// Addresses of the backends, seen from the app.
pub(crate) const REMOTE: [&str; 2] = ["10.99.0.2", "fd99::2"];

/// Runs the test of this name in namespaces of its own: starts this program again, with only this
/// test.
pub(crate) fn alone<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.expect("a runtime").block_on(test());
    }
    let mut unshare = vec!["--net", "--mount", "--kill-child"];
    if !rustix::process::geteuid().is_root() {
        unshare.extend(["--map-root-user", "--map-auto"]);
    }
    let probe = Command::new("unshare").args(&unshare).arg("true").output();
    let probe = probe.unwrap_or_else(|error| panic!("unshare: {error}: {SET_UP}"));
    assert!(probe.status.success(), "{}{NEEDS}", String::from_utf8_lossy(&probe.stderr));
    let test = std::env::current_exe().expect("this program");
    let mut command = Command::new("unshare");
    command.args(&unshare).arg(test).args([name, "--exact", "--nocapture"]).env(INSIDE, "1");
    let output = command.output().expect("unshare runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "in a network of its own:\n{out}\n{err}");
}

/// The wire, with its other end.
pub(crate) struct Network {
    /// Keeps the other namespace.
    holder: Child,
}

impl Network {
    /// Creates the network. The app's end is `app`; DNS queries go to the other end, which answers
    /// none. Most containers have no IPv6.
    pub(crate) fn new(folder: &Path, ipv6: bool) -> Self {
        if !ipv6 {
            std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").expect("a setting");
        }
        let script = "echo there && exec sleep infinity";
        let mut unshare = Command::new("unshare");
        let holder = unshare.args(["--net", "sh", "-c", script]).stdout(Stdio::piped()).spawn();
        let mut network = Self { holder: holder.expect("unshare runs") };
        let mut line = String::new();
        let out = network.holder.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let pid = network.holder.id().to_string();
        run(&["ip", "link", "add", "app", "type", "veth", "peer", "name", "far", "netns", &pid]);
        let there = ["nsenter", "--target", &pid, "--net"];
        for (enter, end, number) in [(&[][..], "app", 1), (&there[..], "far", 2)] {
            for command in [
                "link set lo up".to_owned(),
                format!("address add 10.99.0.{number}/24 dev {end}"),
                format!("address add fd99::{number}/64 dev {end} nodad"),
                format!("link set {end} up"),
            ] {
                if ipv6 || end == "far" || !command.contains("::") {
                    run(&[enter, &["ip"], &command.split(' ').collect::<Vec<_>>()].concat());
                }
            }
        }
        let resolver = folder.join("resolv.conf");
        std::fs::write(&resolver, format!("nameserver {}\n", REMOTE[0])).expect("a file");
        run(&["mount", "--bind", resolver.to_str().expect("text"), "/etc/resolv.conf"]);
        // There, packets have been redirected already.
        for iptables in ["iptables", "ip6tables"] {
            for protocol in ["tcp", "udp"] {
                run(&[iptables, "-t", "mangle", "-A", "POSTROUTING", "-o", "app", "-p", protocol]);
            }
        }
        network
    }

    /// Number of packets of this protocol (`tcp`, `udp`) that were sent to the wire.
    pub(crate) fn packets(&self, protocol: &str) -> u64 {
        let rule = format!("-A POSTROUTING -o app -p {protocol}");
        let count = |saved: String| {
            let line = saved.lines().find(|line| line.ends_with(&rule)).expect("the rule").to_owned();
            let count = line.trim_start_matches('[').split(':').next().expect("a count").parse::<u64>();
            count.expect("a number")
        };
        ["iptables-save", "ip6tables-save"].map(|save| count(run(&[save, "-c", "-t", "mangle"]))).iter().sum()
    }

    /// Backends at the other end, at all its addresses: plain on port 80, by TLS on port 443 with a
    /// certificate of this authority.
    pub(crate) fn backends(&self, authority: TestAuthority) -> Backends {
        let namespace = File::open(format!("/proc/{}/ns/net", self.holder.id())).expect("the other end");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let kind = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(namespace.as_fd(), kind).expect("the other end");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                sender.send(Backends::start(&authority).await).expect("a test that waits");
                std::future::pending::<()>().await;
            });
        });
        receiver.recv_timeout(Duration::from_secs(20)).expect("the backends")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Servers at the other end.
pub(crate) struct Backends {
    pub(crate) plain: Vec<Upstream>,
    pub(crate) tls: Vec<TlsFront>,
    /// The server behind TLS.
    pub(crate) behind_tls: Upstream,
}

impl Backends {
    async fn start(authority: &TestAuthority) -> Self {
        let behind_tls = Upstream::ok().await;
        let (mut plain, mut tls) = (Vec::new(), Vec::new());
        for host in REMOTE {
            let at = |port| SocketAddr::new(host.parse().expect("an address"), port);
            plain.push(Nobody::at(at(80)).listen(|mut wire| async move {
                // HTTP, or something else, which is answered in kind.
                let head = wire.some().await;
                let http = head.ends_with(b"\r\n\r\n");
                wire.send(if http { "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain" } else { "neither" })
                    .await;
                wire.ended().await;
            }));
            let listener = tokio::net::TcpListener::bind(at(443)).await.expect("a port");
            let behind = behind_tls.address();
            tls.push(authority.serve_on(listener, NAME, HTTP1, behind, Duration::ZERO));
        }
        Self { plain, tls, behind_tls }
    }

    /// Number of accepted connections, by plain TCP and by TLS.
    pub(crate) fn connections(&self) -> (u64, u64) {
        (self.plain.iter().map(Upstream::connections).sum(), self.tls.iter().map(TlsFront::connections).sum())
    }
}

/// Runs a program to its end, and returns its stdout.
#[track_caller]
pub(crate) fn run(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}: {SET_UP}", words[0]));
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A user's number.
#[derive(Clone, Copy)]
pub(crate) struct User(pub(crate) u32);

impl User {
    /// Makes a program run as this user, who can read all files: if the repository isn't readable
    /// to others, neither is Envoy.
    pub(crate) fn program(self, words: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        let id = self.0.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
        command.args(["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search", "--"]);
        command.args(words).stdin(Stdio::null());
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command
    }
}

/// All that a pipe or file has.
pub(crate) fn all(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("to read");
    String::from_utf8_lossy(&bytes).into_owned()
}
