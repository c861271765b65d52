//! Asked to end, the command ends CMD, keeps what was recorded, and leaves no process behind.

use crate::call::Running;
use crate::scene::{HOLD, Scene, shell, shell_client, until};
use rustix::process::Signal;

/// Makes one request, leaves behind a child that can only be killed, and would go on for ever.
pub(crate) fn endless() -> Vec<String> {
    let call = shell_client("'GET http://api.test/a'");
    shell(&format!("(trap '' INT TERM HUP; exec sleep 1000) & {call}; touch ready; exec sleep 1001"))
}

/// Started, and CMD has made its requests.
async fn started(scene: &Scene, call: crate::call::Call) -> Running {
    let running = call.start();
    until("CMD isn't ready", || scene.path("ready").exists().then_some(())).await;
    until("no sleep", || scene.processes().iter().any(|p| p.ends_with(" sleep 1000 ")).then_some(())).await;
    running
}

#[tokio::test]
async fn each_signal_ends_everything_and_keeps_the_recording() {
    for (signal, code) in [(Signal::INT, 128 + 2), (Signal::TERM, 128 + 15), (Signal::HUP, 128 + 1)] {
        let scene = Scene::new().await;
        let running = started(&scene, scene.record(&[], &endless())).await;
        let before = scene.processes();
        assert!(
            before.iter().any(|p| p.contains("envoy.json"))
                && before.iter().any(|p| p.contains("understudy-guard")),
            "the test sees Envoy and its guard: {before:?}"
        );
        running.signal(signal);
        running.end().await.expect(code).says(&["s: 1 exchange with 1 backend recorded"]);
        scene.all_gone().await;
        assert_eq!(scene.names(), ["ready", "s"]);
    }
}

#[tokio::test]
async fn respond_ended_by_a_signal_reports() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let running = started(&scene, scene.respond(&["--report", "report.json"], &endless())).await;
    running.signal(Signal::TERM);
    running.end().await.expect(128 + 15).says(&["(1 of 1 request answered from s)"]);
    assert!(scene.read("report.json").contains(r#""matches":1"#));
    scene.all_gone().await;
}

#[tokio::test]
async fn cmd_that_ignores_signals_is_killed() {
    let call = shell_client("'GET http://api.test/a'");
    let stays = "trap 'echo >>asked' INT TERM HUP";
    let deaf = shell(&format!("{stays}; {call}; touch ready; while :; do sleep 1000 & wait; done"));
    // After its time.
    let scene = Scene::new().await;
    let running = started(&scene, scene.record(&["--grace", "1"], &deaf)).await;
    running.signal(Signal::TERM);
    running.end().await.expect(128 + 9).says(&["1 exchange with 1 backend recorded"]);
    assert_eq!(scene.read("asked"), "\n", "it was asked first");
    scene.all_gone().await;
    // The third signal ends the command without waiting.
    let scene = Scene::new().await;
    let running = started(&scene, scene.record(&["--grace", "100000"], &deaf)).await;
    for asked in ["\n", "\n\n"] {
        running.signal(Signal::INT);
        let is_asked = || std::fs::read_to_string(scene.path("asked")).is_ok_and(|text| text == asked);
        until("CMD isn't asked", || is_asked().then_some(())).await;
    }
    running.signal(Signal::INT);
    running.end().await.expect(128 + 9).says(&["1 exchange with 1 backend recorded"]);
    scene.all_gone().await;
}

#[tokio::test]
async fn a_cmd_that_is_stopped_ends_too() {
    let scene = Scene::new().await;
    let cmd = shell(&format!("{}; kill -STOP $$", shell_client("'GET http://api.test/a'")));
    let running = scene.record(&["--grace", "100000"], &cmd).start();
    let is_stopped = |process: &String| {
        let status = process.split(' ').next().map(|path| std::fs::read_to_string(format!("{path}/status")));
        status.is_some_and(|status| status.is_ok_and(|text| text.contains("State:\tT")))
    };
    until("CMD isn't stopped", || scene.processes().iter().any(is_stopped).then_some(())).await;
    running.signal(Signal::TERM);
    running.end().await.expect(128 + 15).says(&["1 exchange with 1 backend recorded"]);
    scene.all_gone().await;
}

#[tokio::test]
async fn cmd_that_exits_leaves_no_process() {
    let scene = Scene::new().await;
    let call = shell_client("'GET http://api.test/a'");
    let cmd = shell(&format!("{call}; (trap '' TERM; exec >/dev/null 2>&1; sleep 1000) & exit 5"));
    scene.record(&[], &cmd).run().await.expect(5);
    scene.all_gone().await;
}

#[tokio::test]
async fn signal_before_cmd_runs_leaves_nothing() {
    let scene = Scene::new().await;
    // An Envoy that never becomes ready.
    let slow = scene.file("envoy", "#!/bin/sh\n[ \"$1\" != --version ] || { echo 'envoy  version: x/1.40.0/Clean'; exit; }\ntouch started\nsleep 1000\n");
    std::fs::set_permissions(&slow, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("permissions");
    let running = scene.record(&[], &shell("touch ran")).env("ENVOY", &slow).start();
    until("Envoy isn't started", || scene.path("started").exists().then_some(())).await;
    running.signal(Signal::INT);
    running.end().await.expect(128 + 2).says(&["interrupted before CMD ran"]);
    scene.all_gone().await;
    assert_eq!(scene.names(), ["envoy", "started"], "neither a snapshot, nor a capture, nor CMD");
}

#[tokio::test]
async fn killed_command_ends_envoy_and_cmd_and_its_recording_is_recoverable() {
    let scene = Scene::new().await;
    let running = started(&scene, scene.record(&[], &endless())).await;
    // Only records that the collector has can be recovered.
    until("nothing is stored", || scene.read_capture().contains("api.test").then_some(())).await;
    let other = scene.record(&[], &shell("touch ran")).run().await;
    other.refused(&["is recording to", "right now"]);
    scene
        .understudy(["record", "-o", "s", "--recover"])
        .run()
        .await
        .refused(&["is recording to", "right now"]);
    running.signal(Signal::KILL);
    running.end().await.expect(128 + 9);
    until("a process is left behind", || scene.processes().is_empty().then_some(())).await;

    let refused = scene.record(&[], &shell("touch ran")).run().await;
    refused
        .refused(&["s.capture holds a recording that was interrupted", "understudy record -o s --recover"]);
    let done = scene.understudy(["record", "-o", "s", "--recover"]).run().await.expect(0);
    done.says(&["with 1 backend recovered"]);
    assert_eq!(scene.names(), ["ready", "s"]);
    scene.understudy(["match", "s", "s"]).run().await.expect(0);
    let again = scene.understudy(["record", "-o", "s", "--recover", "--force"]).run().await;
    again.refused(&["there is no interrupted recording for s"]);
}

#[tokio::test]
async fn dead_envoy_is_reported_and_its_recording_is_kept() {
    let scene = Scene::new().await;
    let cmd = shell(&format!("{}; {HOLD}", shell_client("'GET http://api.test/a'")));
    for call in [scene.record(&[], &cmd), scene.respond(&[], &cmd)] {
        let running = call.start();
        until("no proxy", || scene.path("proxy").exists().then_some(())).await;
        let processes = scene.processes();
        let envoy = processes.iter().find(|p| p.contains("envoy.json")).expect("Envoy runs");
        let pid = envoy.trim_start_matches("/proc/").split(' ').next().and_then(|pid| pid.parse().ok());
        // The collector gets an exchange after 50 ms; until then only Envoy has it.
        if scene.path("s.capture").exists() {
            until("nothing is stored", || scene.read_capture().contains("api.test").then_some(())).await;
        }
        let pid = rustix::process::Pid::from_raw(pid.expect("a pid")).expect("a pid");
        rustix::process::kill_process(pid, Signal::KILL).expect("Envoy runs");
        running.says("Envoy has died").await;
        running.end().await.expect(2).says(&["error: Envoy died while CMD ran", "signal: 9"]);
        scene.all_gone().await;
        std::fs::remove_file(scene.path("proxy")).expect("the file");
        assert_eq!(scene.names(), ["s"]);
    }
    assert!(scene.read("s/exchanges.ndjson").contains("/a"));
}
