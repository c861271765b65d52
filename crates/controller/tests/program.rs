//! The program as a pod runs it: arguments, exit statuses and signals.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use understudy_controller::Group;
use understudy_kube_double::ApiServer;

const DEFINITION: &str = include_str!("../../../envoy/istio/controller/base/definition.yaml");
/// Longest time that a test waits for one thing.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, in a folder without a kubeconfig and outside of any pod.
fn program(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_understudy-controller"));
    command.args(args).env_clear().env("HOME", home).env("KUBECONFIG", home.join("none"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Exit status and output of a program.
#[derive(Debug)]
struct Ended {
    status: Option<i32>,
    out: String,
    err: String,
}

async fn end(mut child: Child) -> Ended {
    let (mut out, mut err) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let all = async {
        let (_, _, status) =
            tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err), child.wait());
        status
    };
    let status = timeout(PATIENCE, all).await.expect("the program ends").expect("a status").code();
    Ended { status, out, err }
}

async fn run(args: &[&str]) -> Ended {
    let home = TempDir::new().unwrap();
    end(program(home.path(), args).spawn().unwrap()).await
}

#[tokio::test]
async fn controller_holds_the_lease_until_it_is_terminated() {
    let server = ApiServer::start().await;
    server.define(&serde_json::to_value(Group::Own.definition()).unwrap());
    server.namespace("payments");
    let home = TempDir::new().unwrap();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": { "server": server.url() } }],
        "users": [{ "name": "test", "user": {} }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
    });
    let kubeconfig = home.path().join("kubeconfig");
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let args = ["--leader-election", "--lease-namespace", "payments", "--metrics", "127.0.0.1:0"];
    let mut command = program(home.path(), &args);
    let child = command.env("KUBECONFIG", kubeconfig).env("POD_NAME", "first").spawn().unwrap();
    let holder = || {
        let lease = server.object("leases.coordination.k8s.io", "payments", "understudy-controller");
        lease.map(|lease| lease["spec"]["holderIdentity"].clone())
    };
    let until = Instant::now() + PATIENCE;
    while holder() != Some(json!("first")) {
        assert!(Instant::now() < until, "it doesn't take the lease");
        sleep(Duration::from_millis(20)).await;
    }
    kill_process(Pid::from_raw(child.id().unwrap().cast_signed()).unwrap(), Signal::TERM).unwrap();
    let ended = end(child).await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.err.contains("metrics and probes at 127.0.0.1:"), "{ended:?}");
    assert!(ended.err.contains("no --job-image is given"), "{ended:?}");
    assert_eq!(holder(), Some(Value::Null), "the lease is released");
}

#[tokio::test]
async fn definition_option_prints_the_file_of_the_manifests() {
    let ended = run(&["--definition"]).await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(format!("# understudy-controller --definition\n{}", ended.out), DEFINITION);
}

#[tokio::test]
async fn wrong_arguments_end_with_status_2_and_advice() {
    async fn check(args: &[&str], expect: &str) {
        let ended = run(args).await;
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.err.contains(expect), "{ended:?}");
        assert_eq!(ended.out, "", "{ended:?}");
    }
    check(&["--registry", "registry.test/team"], "write oci://REGISTRY/TEAM").await;
    check(&[], "set KUBECONFIG").await;
    check(&["--leader-election"], "name one with --lease-namespace").await;
    check(&["--settle", "soon"], "\"soon\" is no duration: write 500ms, 30s, 5m or 1h30m").await;
}

#[tokio::test]
async fn help_has_examples_and_exit_statuses() {
    let ended = run(&["--help"]).await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let (_, examples) = ended.out.split_once("Examples:\n").expect("examples");
    assert!(examples.starts_with("  understudy-controller "), "{ended:?}");
    assert!(examples.contains("Exit status: "), "{ended:?}");
    assert!(ended.out.lines().all(|line| line.chars().count() <= 120), "{ended:?}");
    let version = run(&["--version"]).await;
    assert_eq!(version.out, format!("understudy-controller {}\n", env!("CARGO_PKG_VERSION")));
}
