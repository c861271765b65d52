//! The transparent sidecar: envoy/sidecar.yaml and envoy/redirect.sh as they stand, Envoy as a user
//! of its own, the app as another.

use crate::network::{Backends, NAME, Network, REMOTE, User, all, alone, run};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tempfile::TempDir;
use tokio::net::TcpStream;
use understudy_ca::Sds;
use understudy_collector::{Collector, CollectorConfig, Reader};
use understudy_core::exchange::Exchange;
use understudy_core::v1;
use understudy_envoy::{Admin, AdminAddress};
use understudy_testkit::{Connection, Nobody, Rig, TestAuthority, eventually, recorded};

const ENVOY: User = User(101);
const APP: User = User(1000);
const ADMIN: &str = "127.0.0.1:15000";
/// More bytes than the buffers of the sockets take.
const LONG: usize = 16 << 20;
const LISTENER: &str = "127.0.0.1:15002";
const INBOUND: &str = "127.0.0.1:15003";
/// The cluster `app`.
const APP_LISTENS: &str = "127.0.0.1:8080";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The app's end of the wire, with Envoy beside the app.
struct Sidecar {
    network: Network,
    backends: Backends,
    /// Authority of the backends' certificates.
    real: PathBuf,
    /// Authority of Envoy's certificates.
    ours: TestAuthority,
    _sds: Sds,
    envoy: Child,
    folder: TempDir,
}

impl Sidecar {
    /// `template` is a file in `envoy/`; `module` is what it runs.
    async fn start(template: &str, module: &[u8], ipv6: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let network = Network::new(folder.path(), ipv6);
        let (ours, theirs) = (TestAuthority::new(), TestAuthority::new());
        let real = folder.path().join("real.pem");
        std::fs::copy(theirs.certificate(), &real).expect("a file");
        let backends = network.backends(theirs);
        let socket = ours.folder().join("sds");
        let sds = Sds::serve(ours.authority.clone(), &socket).await.expect("a certificate service");
        // `understudy ca serve` runs as Envoy's user.
        chown(&socket, Some(ENVOY.0), Some(ENVOY.0)).expect("a socket");
        std::fs::create_dir(folder.path().join("target")).expect("a folder");
        std::fs::write(folder.path().join("target/filter.wasm"), module).expect("a file");
        let hosts = REMOTE.map(|address| format!("{address} {NAME}\n")).concat();
        std::fs::write(folder.path().join("hosts"), format!("127.0.0.1 localhost\n{hosts}")).expect("a file");
        let read = |name: &str| std::fs::read_to_string(root().join("envoy").join(name)).expect(name);
        // The socket of the certificate service and the authority of the backends differ from those
        // of the template.
        let config = read(template)
            .replace("/run/understudy/certificates.sock", socket.to_str().expect("text"))
            .replace("system_root_certs: {}", "trusted_ca: { filename: real.pem }");
        std::fs::write(folder.path().join("envoy.yaml"), config).expect("a file");
        let log = std::fs::File::create(folder.path().join("envoy.log")).expect("a file");
        let envoy = understudy_envoy::find().expect("an Envoy");
        let envoy = ENVOY
            .program(&[envoy.path().to_str().expect("text"), "-c", "envoy.yaml", "--config-yaml"])
            .arg(read("sidecar.yaml"))
            .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"])
            .current_dir(folder.path())
            .stderr(log)
            .stdout(Stdio::null())
            .spawn();
        let mut sidecar =
            Self { network, backends, real, ours, _sds: sds, envoy: envoy.expect("it starts"), folder };
        eventually("Envoy listens", || sidecar.listens()).await;
        sidecar
    }

    fn listens(&mut self) -> impl Future<Output = bool> + use<> {
        let ended = self.envoy.try_wait().expect("a child");
        assert!(ended.is_none(), "Envoy ends: {}", self.log());
        let listening = std::net::TcpStream::connect(LISTENER).is_ok();
        std::future::ready(listening)
    }

    fn log(&self) -> String {
        all(std::fs::File::open(self.folder.path().join("envoy.log")).expect("a log"))
    }

    /// The app's response: status, then body. The app resolves `api.test` with its hosts file and
    /// trusts this authority.
    fn app(&self, trust: &Path, words: &[&str]) -> String {
        let (hosts, trust) = (self.folder.path().join("hosts"), trust.to_str().expect("text"));
        let user = APP.program(words);
        let mut command = std::process::Command::new("unshare");
        let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
        command
            .args(["--mount", "sh", "-c", script])
            .arg(hosts)
            .arg(user.get_program())
            .args(user.get_args());
        for (name, value) in user.get_envs() {
            if value.is_none() {
                command.env_remove(name);
            }
        }
        let output = command.env("CURL_CA_BUNDLE", trust).env("REQUESTS_CA_BUNDLE", trust).output();
        let output = output.expect("unshare runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {out}{err}\n{}", self.log());
        out.trim().to_owned()
    }

    fn curl(&self, trust: &Path, arguments: &[&str]) -> String {
        let fixed = ["curl", "--silent", "--show-error", "--max-time", "20", "--write-out", " %{http_code}"];
        self.app(trust, &[&fixed, arguments].concat())
    }

    /// Number of connections that the listener has accepted.
    async fn taken(&self) -> u64 {
        let admin = Admin::new(AdminAddress::Tcp(ADMIN.parse().expect("an address")));
        let stats = admin.stats("tcp.sidecar").await.expect("statistics");
        stats.get("tcp.sidecar.downstream_cx_total")
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.envoy.kill();
        let _ = self.envoy.wait();
    }
}

fn redirect(arguments: &[&str]) {
    let script = root().join("envoy/redirect.sh");
    run(&[&["sh", script.to_str().expect("text")], arguments].concat());
}

/// The rules of both families, without their times and counts.
fn rules() -> Vec<String> {
    let saved = ["iptables-save", "ip6tables-save"].map(|save| run(&[save, "-t", "nat"])).concat();
    saved.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

async fn exchanges(store: &Path) -> Vec<Exchange> {
    let (mut reader, mut exchanges) = (Reader::open(store).await.expect("a store"), Vec::new());
    while let Some(stored) = reader.next().await.expect("a record") {
        exchanges.push(v1::read_record(&stored.line).expect("a record of ours").exchange);
    }
    exchanges
}

#[test]
fn redirected_connections_are_tapped_and_reach_their_target() {
    alone("sidecar::redirected_connections_are_tapped_and_reach_their_target", || async {
        let sidecar = Sidecar::start("envoy.yaml", &Rig::tap().bundled(), true).await;
        let store = sidecar.folder.path().join("store");
        let collector = Collector::bind("127.0.0.1:4440", CollectorConfig::new(store.clone())).await;
        let _collector = collector.expect("a collector");
        let (ours, real) = (sidecar.ours.certificate(), sidecar.real.clone());
        let before = rules();

        // Without the redirection, the backends' own certificates are seen.
        assert_eq!(sidecar.curl(&real, &["https://api.test/direct"]), "real 200");
        assert_eq!(sidecar.backends.connections(), (0, 1));

        redirect(&["up", "--uid", "101"]);
        let once = rules();
        redirect(&["up", "--uid", "101"]);
        assert_eq!(rules(), once, "the second time changes nothing");
        let python = root().join(".venv/bin/python");
        let script = "import requests; answer = requests.get('https://api.test/python'); print(answer.text, answer.status_code)";
        let apps = [
            sidecar.curl(&ours, &["-4", "https://api.test/a"]),
            sidecar.curl(&ours, &["-6", "https://api.test/six"]),
            sidecar.curl(&ours, &["--http1.1", "https://api.test/one"]),
            sidecar.app(&ours, &[python.to_str().expect("text"), "-c", script]),
        ];
        assert_eq!(apps, ["real 200"; 4], "{}", sidecar.log());
        let plain = ["-4", "-6"].map(|family| sidecar.curl(&ours, &[family, "http://api.test/plain"]));
        assert_eq!(plain, ["plain 200"; 2]);
        let neither = TcpStream::connect((REMOTE[0], 80)).await.expect("a connection");
        let mut neither = Connection::on(neither);
        neither.send("HELO you\r\n").await;
        neither.until(b"neither").await;
        drop(neither);

        // The app, which listens on `app`.
        let app = Nobody::at(APP_LISTENS.parse().expect("an address")).listen(|mut wire| async move {
            while wire.request().await.is_some() {
                wire.send("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nthe app").await;
            }
        });
        assert_eq!(sidecar.curl(&ours, &[&format!("http://{INBOUND}/in")]), "the app 200");
        assert_eq!(app.connections(), 1);

        // Once each: no connection came back to Envoy, and each reached the address that the app
        // had chosen.
        assert_eq!(sidecar.taken().await, 7);
        let tls: Vec<_> = sidecar.backends.tls.iter().map(|front| front.connections()).collect();
        assert!(tls[0] + tls[1] <= 5 && tls[1] >= 1, "{tls:?}");
        assert_eq!(sidecar.backends.plain.iter().map(|up| up.connections()).collect::<Vec<_>>(), [2, 1]);
        let asked: Vec<_> = sidecar.backends.behind_tls.seen().iter().map(|seen| seen.path()).collect();
        assert_eq!(asked, ["/direct", "/a", "/six", "/one", "/python"]);
        assert_eq!(sidecar.network.packets("udp"), 0, "nobody has asked for a name");
        eventually("it is told as not understood", async || sidecar.log().contains("10.99.0.2:80\"")).await;

        eventually("7 records", async || exchanges(&store).await.len() == 7).await;
        let mut records: Vec<_> = exchanges(&store)
            .await
            .iter()
            .map(|exchange| {
                format!("{}{}", exchange.backend, String::from_utf8_lossy(&exchange.request.path))
            })
            .collect();
        records.sort();
        let expect = ["http://127.0.0.1:15003/in"].into_iter().chain(["http://api.test/plain"; 2]).chain([
            "https://api.test/a",
            "https://api.test/one",
            "https://api.test/python",
            "https://api.test/six",
        ]);
        assert_eq!(records, expect.collect::<Vec<_>>());

        redirect(&["down"]);
        redirect(&["down"]);
        assert_eq!(rules(), before, "what was made is gone, and nothing else");
        assert_eq!(sidecar.curl(&real, &["https://api.test/direct"]), "real 200");
    });
}

#[test]
fn redirected_connections_are_answered_and_no_packet_leaves() {
    alone("sidecar::redirected_connections_are_answered_and_no_packet_leaves", || async {
        let module = Rig::responder()
            .exchange(recorded("GET", "https://api.test", "/a").body("recorded by TLS"))
            .exchange(recorded("GET", "http://api.test", "/a").body("recorded"))
            .exchange(recorded("GET", "http://api.test", "/long").body("x".repeat(LONG)))
            .bundled();
        let sidecar = Sidecar::start("responder.yaml", &module, false).await;
        let (ours, real) = (sidecar.ours.certificate(), sidecar.real.clone());
        redirect(&["up", "--uid", "101", "--ports", "all"]);
        assert_eq!(sidecar.curl(&ours, &["https://api.test/a"]), "recorded by TLS 200");
        assert_eq!(sidecar.curl(&ours, &["http://api.test/a"]), "recorded 200");
        assert!(
            sidecar.curl(&ours, &["https://api.test/b"]).ends_with(" 404"),
            "what wasn't recorded misses"
        );
        // Envoy closes the connection; a client that reads slowly gets everything.
        let slow = ["--limit-rate", "4M", "--header", "connection: close", "http://api.test/long"];
        assert_eq!(sidecar.curl(&ours, &slow).len(), LONG + " 200".len());
        // Neither TLS nor HTTP, to an address with a server, to one without, and to the listener
        // itself.
        for (to, says, expect) in [
            ("10.99.0.2:80", "HELO you\r\n", "isn't answered"),
            ("10.99.0.3:5432", "HELO you\r\n", "isn't answered"),
            (LISTENER, "", "only redirected connections"),
        ] {
            let mut connection = Connection::on(TcpStream::connect(to).await.expect(to));
            connection.send(says).await;
            connection.until(expect.as_bytes()).await;
            connection.ended().await;
        }
        assert_eq!((sidecar.network.packets("tcp"), sidecar.network.packets("udp")), (0, 0));
        assert_eq!(sidecar.backends.connections(), (0, 0));

        redirect(&["down"]);
        assert_eq!(sidecar.curl(&real, &["https://api.test/a"]), "real 200");
        assert!(sidecar.network.packets("tcp") > 0, "packets are counted");
    });
}

#[test]
fn script_names_missing_requirements() {
    alone("sidecar::script_names_missing_requirements", async || {
        let script = root().join("envoy/redirect.sh");
        let check = |user: User, arguments: &str, expect: &str| {
            let words: Vec<_> =
                ["sh", script.to_str().expect("text")].into_iter().chain(arguments.split(' ')).collect();
            let output = user.program(&words).output().expect("it runs");
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(told.contains(expect), "{arguments}: {told}");
            assert_eq!(output.status.code(), Some(2), "{arguments}: {told}");
        };
        check(APP, "up --uid 101", "run it as root, in a container with CAP_NET_ADMIN");
        check(APP, "down", "CAP_NET_ADMIN");
        let root = User(0);
        let before = rules();
        check(root, "sideways", "usage");
        check(root, "up", "Say --uid or --gid");
        check(root, "up --uid", "--uid needs a value");
        check(root, "up --uid 101 --ports 80,x", "x is no port");
        check(root, "up --uid 101 --ports 65536", "65536 is no port");
        check(root, "up --uid 101 --ports 80 --exclude-ports 22", "either --ports or --exclude-ports");
        check(root, "up --uid 101 --exclude example.test", "example.test is no network");
        check(root, "up --uid 101 --exclude 300.0.0.1", "refuses the rules");
        check(root, "up --uid 101 --port 80", "--port is no option");
        check(root, "down --uid 101", "down needs nothing else");
        assert_eq!(rules(), before, "what is refused changes nothing");
    });
}
