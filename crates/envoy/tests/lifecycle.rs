//! A real Envoy is started, fails, dies and is stopped. No request is sent here: see `traffic.rs`.

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{SOON, responder, start, stop, tap};
use rustix::process::{Pid, Signal, kill_process, test_kill_process, test_kill_process_group};
use serde_json::json;
use understudy_envoy::{Bootstrap, Envoy, Error, Options, validate};

/// Set for the copy of this test that is killed.
const VICTIM: &str = "TEST_ENVOY_VICTIM";

#[tokio::test]
async fn envoy_starts_on_a_free_port_and_stops() {
    let envoy = start(&tap()).await;
    let address = envoy.proxy_addr();
    assert_ne!(address.port(), 0);
    assert_eq!(envoy.listener_addr("proxy"), Some(address));
    assert_eq!(envoy.listener_addr("other"), None);
    assert!(envoy.logs().contains("starting main dispatch loop"));
    let folder = envoy.dir().to_owned();
    assert!(folder.join("envoy.json").exists());
    stop(envoy).await;
    assert!(!folder.exists());
    TcpListener::bind(address).expect("the port is free again");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn envoy_has_the_systems_limit_of_open_files() {
    let envoy = start(&tap()).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", envoy.pid())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut values = files.split_whitespace();
    assert_eq!(values.next(), values.next(), "soft and hard: {files}");
    let program = std::fs::read_link(format!("/proc/{}/exe", envoy.pid())).unwrap();
    assert!(program.ends_with("envoy"), "the pid is Envoy's own: {}", program.display());
    stop(envoy).await;
}

#[tokio::test]
async fn two_envoys_run_at_once() {
    let (tap, responder) = (tap(), responder());
    let (one, two) = tokio::join!(start(&tap), start(&responder));
    assert_ne!(one.proxy_addr(), two.proxy_addr());
    stop(one).await;
    stop(two).await;
}

#[tokio::test]
async fn port_in_use_has_its_own_error() {
    let first = start(&tap()).await;
    let address = first.proxy_addr();
    let error = Envoy::start(&tap().listen(address), &Options::default()).await.unwrap_err();
    match &error {
        Error::PortInUse { address: named } => assert_eq!(*named, address.to_string()),
        other => panic!("{other}"),
    }
    assert_eq!(error.code(), "port-in-use");
    stop(first).await;
}

#[tokio::test]
async fn bad_plugin_configuration_is_refused_with_the_filters_message() {
    for bootstrap in [tap(), tap().on_filter_failure(understudy_envoy::FilterFailure::Reload)] {
        let bad = bootstrap.plugin_config(json!("no object"));
        for error in
            [Envoy::start(&bad, &Options::default()).await.unwrap_err(), validate(&bad, None).unwrap_err()]
        {
            assert_eq!(error.code(), "envoy-refused");
            let text = error.to_string();
            assert!(text.contains(": understudy: configuration: unknown key;"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_missing_or_broken_module_is_refused() {
    #[track_caller]
    fn check(error: Error, expect: &str) {
        assert_eq!(error.code(), "envoy-refused");
        assert!(error.to_string().contains(expect), "{error}");
    }
    let missing = tap().filter("/nowhere/filter.wasm");
    check(
        Envoy::start(&missing, &Options::default()).await.unwrap_err(),
        "Invalid path: /nowhere/filter.wasm",
    );
    let broken = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(broken.path(), b"\0asm\x01\0\0\0\x01").unwrap();
    let broken = tap().filter(broken.path());
    check(Envoy::start(&broken, &Options::default()).await.unwrap_err(), "Failed to load Wasm code");
}

#[tokio::test]
async fn death_of_envoy_is_noticed() {
    let envoy = start(&tap()).await;
    let pid = Pid::from_raw(i32::try_from(envoy.pid()).unwrap()).unwrap();
    let (exit, _) = tokio::join!(envoy.wait_exit(), async { kill_process(pid, Signal::KILL).unwrap() });
    assert_eq!(exit.signal(), Some(9));
    assert_eq!(envoy.wait_exit().await, exit, "it can be asked again");
    assert_eq!(envoy.stats("").await.unwrap_err().code(), "envoy-admin");
    assert_eq!(envoy.stop(SOON).await, exit, "to stop a dead one is no error");
}

#[tokio::test]
async fn envoy_dropped_is_killed() {
    let envoy = start(&tap()).await;
    let pid = Pid::from_raw(i32::try_from(envoy.pid()).unwrap()).unwrap();
    drop(envoy);
    until_gone(pid).await;
}

#[tokio::test]
async fn envoy_not_ready_in_time_is_killed() {
    let options = Options { ready_within: Duration::ZERO, ..Options::default() };
    let error = Envoy::start(&tap(), &options).await.unwrap_err();
    assert_eq!(error.code(), "envoy-not-ready");
}

#[tokio::test]
async fn envoy_ends_when_its_parent_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        let envoy = start(&tap()).await;
        println!("{VICTIM} {}", envoy.pid());
        std::future::pending::<()>().await;
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "envoy_ends_when_its_parent_is_killed", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let line = lines.find_map(|line| line.unwrap().split_once(VICTIM).map(|(_, pid)| pid.trim().to_owned()));
    let pid = Pid::from_raw(line.unwrap().parse().unwrap()).unwrap();
    test_kill_process_group(pid).expect("Envoy runs, in a group of its own");
    victim.kill().unwrap();
    assert_eq!(victim.wait().unwrap().signal(), Some(9));
    until_gone(pid).await;
}

/// Gone, or a zombie that only waits for its new parent.
async fn until_gone(pid: Pid) {
    let gone = async {
        while test_kill_process(pid).is_ok() && !is_zombie(pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("Envoy still runs");
}

fn is_zombie(pid: Pid) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    output.stdout.starts_with(b"Z")
}

#[test]
fn bootstraps_with_every_setting_are_valid() {
    let maps =
        ["a.example=http://127.0.0.1:1", "b.example:8080=https://b.internal", "[::1]:9=http://[::1]:10"];
    let full = |bootstrap: Bootstrap| {
        let bootstrap = bootstrap
            .collector(([127, 0, 0, 1], 4441).into())
            .buffer_limit(1 << 20)
            .reuse_port(true)
            .node_id("n")
            .node_metadata(json!({ "ANNOTATIONS": { "a": "b" } }));
        maps.iter().fold(bootstrap, |bootstrap, map| bootstrap.map(map.parse().unwrap()))
    };
    for bootstrap in [tap(), responder(), Bootstrap::responder_with_backends().filter(common::mock_filter())]
    {
        validate(&bootstrap, None).unwrap();
        validate(&full(bootstrap), None).unwrap();
    }
}
